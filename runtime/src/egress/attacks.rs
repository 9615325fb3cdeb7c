//! The attack table: every known way around an egress filter, tried through the front door.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::scripted::{EchoServer, ScriptedResolver};
use super::*;

fn grant(entries: &[&str]) -> EgressGrant {
    EgressGrant::new(Arc::new(AllowList::parse(entries).unwrap()))
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Sends one request to a name that resolves as scripted, allowed by the list.
async fn code_of(policy: Policy, addresses: &[&str]) -> &'static str {
    let resolver = ScriptedResolver::new(&[addresses]);
    let egress = Egress::with_resolver(policy, resolver).unwrap();
    let allowed = grant(&["http://victim.example:1"]);
    egress
        .send(&allowed, get("http://victim.example:1/"))
        .await
        .unwrap_err()
        .code()
}

/// One of each class; both ends of every network are in `address/tests.rs`.
const REFUSED: &[&str] = &[
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.9.9.9",
    "168.63.129.16",
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2606:4700::5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

#[tokio::test]
async fn a_name_that_leads_to_a_refused_address_is_refused() {
    for address in REFUSED {
        assert_eq!(
            code_of(Policy::Public, &[address]).await,
            "egress_address_refused",
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_refused_address_written_as_the_host_is_refused() {
    let egress = Egress::new(Policy::Public).unwrap();
    for address in REFUSED {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            (*address).into()
        };
        let origin = format!("http://{host}:1");
        let refused = egress
            .send(&grant(&[&origin]), get(&origin))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "egress_address_refused", "{origin}");
    }
}

#[tokio::test]
async fn one_refused_address_among_public_ones_refuses_the_name() {
    for addresses in [
        &["8.8.8.8", "10.0.0.1"][..],
        &["10.0.0.1", "8.8.8.8"],
        &["8.8.8.8", "2606:4700::1", "::1"],
        &[
            "8.8.8.8",
            "8.8.4.4",
            "1.1.1.1",
            "1.0.0.1",
            "9.9.9.9",
            "169.254.169.254",
        ],
    ] {
        let code = code_of(Policy::Public, addresses).await;
        assert_eq!(code, "egress_address_refused", "{addresses:?}");
    }
    let server = EchoServer::start().await;
    let resolver = ScriptedResolver::new(&[&["127.0.0.1", "10.0.0.1"]]);
    let egress = Egress::with_resolver(Policy::AllowLoopback, resolver).unwrap();
    let origin = format!("http://mixed.example:{}", server.address.port());
    let refused = egress
        .send(&grant(&[&origin]), get(&origin))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "egress_address_refused");
    assert_eq!(server.served(), 0);
}

#[tokio::test]
async fn a_rebinding_name_is_looked_up_once_per_dial_and_checked_each_time() {
    let resolver = ScriptedResolver::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let dialer = Dialer::new(Policy::Public, Arc::clone(&resolver) as _, REQUEST_TIMEOUT).unwrap();
    let target = Target::parse(&"http://rebind.example/".parse().unwrap()).unwrap();
    let first = dialer.checked_addresses(&target).await.unwrap();
    assert_eq!(first, ["8.8.8.8".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(
        resolver.answers_left(),
        1,
        "what was checked is what is dialled"
    );
    let second = dialer.checked_addresses(&target).await.unwrap_err();
    assert_eq!(second.code(), "egress_address_refused");
}

#[tokio::test]
async fn a_name_that_rebinds_between_requests_reaches_nothing_new() {
    let server = EchoServer::start().await;
    let resolver = ScriptedResolver::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let egress = Egress::with_resolver(Policy::AllowLoopback, Arc::clone(&resolver) as _).unwrap();
    let origin = format!("http://rebind.example:{}", server.address.port());
    let allowed = grant(&[&origin]);
    let first = egress
        .send(&allowed, get(&format!("{origin}/close")))
        .await
        .unwrap();
    text(first).await;
    let second = egress.send(&allowed, get(&origin)).await.unwrap_err();
    assert_eq!(second.code(), "egress_address_refused");
    assert_eq!((server.served(), resolver.answers_left()), (1, 0));
}

#[tokio::test]
async fn odd_spellings_of_a_host_are_refused_before_any_lookup() {
    let resolver = ScriptedResolver::new(&[&["8.8.8.8"]]);
    let egress = Egress::with_resolver(Policy::Public, Arc::clone(&resolver) as _).unwrap();
    let allowed = grant(&["http://allowed.example", "*.allowed.example"]);
    for uri in [
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1.5/",
        "http://0/",
        "http://127.000.000.001/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://4294967297/",
        "http://[127.0.0.1]/",
        "http://[fe80::1%25lo]/",
        "http://[::ffff:127.0.0.1%25lo]/",
        "http://127.0.0.1%00.allowed.example/",
        "http://allowed.example@evil.example/",
        "http://allowed.example:80@evil.example/",
        "http://allowed.example%40evil.example/",
        "http://allowed.example..:80/",
        "http://allowed.example:/",
        "http://allowed.example:0/",
        "http://allowed.example:80:80/",
        "http://allowed.example:65616/",
        "ftp://allowed.example/",
        "/relative",
        "allowed.example:80",
    ] {
        // What the URI library itself cannot read never becomes a request.
        let Ok(uri) = uri.parse::<http::Uri>() else {
            continue;
        };
        let request = Request::get(uri.clone())
            .body(Empty::<Bytes>::new())
            .unwrap();
        let refused = egress.send(&allowed, request).await.unwrap_err();
        assert_eq!(refused.code(), "egress_bad_host", "{uri}");
    }
    assert_eq!(resolver.answers_left(), 1);
}

#[tokio::test]
async fn what_is_not_on_the_list_is_refused_before_any_lookup() {
    let resolver = ScriptedResolver::new(&[&["8.8.8.8"]]);
    let egress = Egress::with_resolver(Policy::Public, Arc::clone(&resolver) as _).unwrap();
    let allowed = grant(&["https://api.example.com", "*.wild.example"]);
    for uri in [
        "http://api.example.com/",
        "http://api.example.com:443/",
        "https://api.example.com:8443/",
        "https://api.example.com:22/",
        "https://evil.example/",
        "https://evil.example/?https://api.example.com",
        "https://evil.example/api.example.com",
        "https://api.example.com.evil.example/",
        "https://xapi.example.com/",
        "https://wild.example/",
        "https://evilwild.example/",
        "https://8.8.8.8/",
    ] {
        let refused = egress.send(&allowed, get(uri)).await.unwrap_err();
        assert_eq!(refused.code(), "egress_not_allowed", "{uri}");
    }
    let nothing = egress
        .send(&EgressGrant::nothing(), get("https://api.example.com/"))
        .await;
    assert_eq!(nothing.unwrap_err().code(), "egress_not_allowed");
    assert_eq!(resolver.answers_left(), 1);
}

#[tokio::test]
async fn development_reaches_a_server_on_loopback_and_production_does_not() {
    let server = EchoServer::start().await;
    let allowed = grant(&[&server.url("")]);
    let public = Egress::new(Policy::Public).unwrap();
    let refused = public
        .send(&allowed, get(&server.url("/")))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), server.served()),
        ("egress_address_refused", 0)
    );

    let egress = Egress::new(Policy::AllowLoopback).unwrap();
    let request = Request::post(server.url("/here?q=1"))
        .header("host", "internal.example")
        .header("koyalite-project", "x")
        .header("transfer-encoding", "chunked")
        .body(Full::new(Bytes::from_static(b"body")))
        .unwrap();
    let answer = text(egress.send(&allowed, request).await.unwrap()).await;
    assert!(answer.starts_with("POST /here?q=1"), "{answer}");
    assert!(
        answer.contains(&format!("\"host\": \"{}\"", server.address)),
        "{answer}"
    );
    assert!(
        !answer.contains("koyalite") && !answer.contains("chunked"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = EchoServer::start().await;
    let egress = Egress::new(Policy::AllowLoopback).unwrap();
    let answer = egress
        .send(&grant(&[&server.url("")]), get(&server.url("/redirect")))
        .await;
    assert_eq!(answer.unwrap().status(), http::StatusCode::FOUND);
    assert_eq!(server.served(), 1);
}

#[tokio::test]
async fn a_pooled_connection_is_closed_to_a_caller_without_the_host_on_its_list() {
    let server = EchoServer::start().await;
    let egress = Egress::new(Policy::AllowLoopback).unwrap();
    text(
        egress
            .send(&grant(&[&server.url("")]), get(&server.url("/")))
            .await
            .unwrap(),
    )
    .await;
    let other = grant(&["https://api.example.com"]);
    let refused = egress
        .send(&other, get(&server.url("/")))
        .await
        .unwrap_err();
    assert_eq!((refused.code(), server.served()), ("egress_not_allowed", 1));
}

#[tokio::test]
async fn the_budget_of_an_invocation_ends() {
    let server = EchoServer::start().await;
    let egress = Egress::new(Policy::AllowLoopback).unwrap();
    let allowed = grant(&[&server.url("")]);
    while allowed.left() > 0 {
        text(egress.send(&allowed, get(&server.url("/"))).await.unwrap()).await;
    }
    let spent = egress
        .send(&allowed, get(&server.url("/")))
        .await
        .unwrap_err();
    assert_eq!(spent.code(), "egress_budget_spent");
    assert_eq!(server.served(), REQUESTS_PER_INVOCATION_MAX as usize);
}

#[tokio::test]
async fn failures_of_the_other_side_are_told_apart() {
    let server = EchoServer::start().await;
    let mut egress = Egress::new(Policy::AllowLoopback).unwrap();
    let plain_as_tls = format!("https://{}", server.address);
    let error = egress
        .send(&grant(&[&plain_as_tls]), get(&plain_as_tls))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "egress_tls");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let garbage = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 64]).await.unwrap();
        socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
    };
    let allowed = grant(&[&origin]);
    let (answer, ()) = tokio::join!(egress.send(&allowed, get(&origin)), garbage);
    assert_eq!(answer.unwrap_err().code(), "egress_protocol");
    drop(listener);
    let error = egress.send(&allowed, get(&origin)).await.unwrap_err();
    assert_eq!(error.code(), "egress_connect");

    egress.timeout = Duration::from_millis(20);
    let hanging = egress
        .send(&grant(&[&server.url("")]), get(&server.url("/hang")))
        .await;
    assert_eq!(hanging.unwrap_err().code(), "egress_timeout");
}

/// Runs the loopback test again in a process whose environment names proxies that do not exist.
#[test]
fn proxies_named_by_the_environment_are_ignored() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let name = "egress::attacks::development_reaches_a_server_on_loopback_and_production_does_not";
    child.args(["--exact", name]);
    for variable in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        child.env(variable, "http://127.0.0.1:1");
    }
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
}
