//! What callers may do to a listener: take their time, leave in the middle, talk ahead, say too much,
//! speak other versions of HTTP, and ask for TLS.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Launch, Single, TestApp, certificate, eventually, raw, secure, within};

/// Longer than any time-out of these servers.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset is a close as well.
    let _ = within("the server closes the connection", PATIENCE, reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_takes_too_long_is_let_go_and_nobody_else_waits() {
    let launch = Launch::serve().await.set("KOYALITE_HEADER_TIMEOUT_S", "1");
    let app = TestApp::launch(launch).await;
    let project = app.project().await;
    project.deploy("hello").await;
    let authority = app.functions_authority().to_owned();
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(&authority).await.unwrap();
        stream.write_all(b"GET /f/").await.unwrap();
        slow.push(tokio::spawn(async move {
            // A byte now and then keeps nothing open.
            while stream.write_all(b"x").await.is_ok() {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                    _ = stream.readable() => break,
                }
            }
            until_closed(&mut stream).await
        }));
    }
    // Meanwhile others are served.
    project.fetch("/hello").await.of_function(200);
    for slow in slow {
        let answer = within("a slow head is given up", PATIENCE, slow)
            .await
            .unwrap();
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    // Kept alive, then silent.
    let mut idle = TcpStream::connect(&authority).await.unwrap();
    let get = format!(
        "GET /f/{}/hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        project.name
    );
    idle.write_all(get.as_bytes()).await.unwrap();
    let answer = until_closed(&mut idle).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Half a head, then nothing more to come.
    let mut half = TcpStream::connect(&authority).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    half.shutdown().await.unwrap();
    assert!(!until_closed(&mut half).await.contains(" 200 "));
}

/// As one whose network has gone: it reads no further, and never closes. What is sent to it may be so little
/// that the function has long ended, or more than there is room for.
#[tokio::test]
async fn who_takes_nothing_any_more_holds_nothing_for_long() {
    let launch = Launch::serve().await.set("KOYALITE_SEND_TIMEOUT_S", "1");
    let app = TestApp::launch(launch).await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let mut gone = Vec::new();
    for mib in [1, 2, 4, 6, 8, 64] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let authority = app.functions_authority().parse().unwrap();
        let mut stream = socket.connect(authority).await.unwrap();
        let get = format!(
            "GET /f/{}/behaviours/big-body?mib={mib} HTTP/1.1\r\nhost: localhost\r\n\r\n",
            project.name
        );
        stream.write_all(get.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        gone.push(stream);
    }
    for held in ["koyalite_connections", "koyalite_instances"] {
        let none = async || (app.metric(held).await == 0.0).then_some(());
        eventually(held, PATIENCE, none).await;
    }
    drop(gone);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let single = Single::start("behaviours-02", &[]).await;
    let mut all = String::new();
    for n in 0..20 {
        let body = format!("<{n:02}>");
        all.push_str(&format!(
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n{body}"
        ));
    }
    all.push_str("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let answers = raw(single.authority(), all.as_bytes()).await;
    let places: Vec<_> = (0..20)
        .map(|n| answers.find(&format!("<{n:02}>")))
        .collect();
    let found: Vec<usize> = places.iter().flatten().copied().collect();
    assert_eq!(found.len(), 20, "{answers}");
    assert!(found.is_sorted(), "{places:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let app = TestApp::shared().await;
    let many = "x-many: y\r\n".repeat(200);
    let large = format!("x-large: {}\r\n", "y".repeat(200 * 1024));
    for headers in [many, large] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        for authority in [app.functions_authority(), app.control_authority()] {
            let answer = raw(authority, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:.100}");
        }
    }
}

/// The guest's view of a request over HTTP/2 on this stream.
async fn over_http_2<IO>(stream: IO, uri: &str) -> String
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    let answer = within("an answer", PATIENCE, send.send_request(request)).await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_on_one_port() {
    for guest in ["conformance-02", "conformance-03"] {
        let single = Single::start(guest, &[]).await;
        let stream = TcpStream::connect(single.authority()).await.unwrap();
        let seen = over_http_2(stream, "http://example.com:81/seen?a").await;
        assert_eq!(seen, "get http example.com:81 /seen?a", "{guest}");
        let seen = single.call(Method::GET, "/seen?a").send().await.text();
        let authority = single.authority();
        assert_eq!(seen, format!("get http {authority} /seen?a"), "{guest}");
    }
}

#[tokio::test]
async fn with_a_certificate_nothing_but_tls_is_spoken_and_a_new_one_is_taken_up() {
    let launch = Launch::serve().await;
    let place = |kind: &str| launch.folder().join(format!("live.{kind}"));
    let put = |name: &str| {
        for kind in ["crt", "key"] {
            std::fs::copy(certificate(name, kind), place(kind)).unwrap();
        }
    };
    put("one");
    let path = |kind: &str| place(kind).display().to_string();
    let launch = launch
        .clone()
        .set("KOYALITE_TLS_CERTIFICATE", &path("crt"))
        .set("KOYALITE_TLS_KEY", &path("key"));
    let app = TestApp::launch(launch.clone()).await;
    assert!(app.listening().functions.starts_with("https://"));
    let project = app.project().await;
    project.deploy("conformance-03").await;
    let authority = app.functions_authority();
    let uri = format!("https://localhost/f/{}/conformance-03", project.name);

    let stream = secure(authority, "one", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let seen = over_http_2(stream, &uri).await;
    assert!(seen.starts_with("get https localhost "), "{seen}");

    let mut stream = secure(authority, "one", &["http/1.1"]).await.unwrap();
    let request = format!(
        "GET /f/{}/conformance-03 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        project.name
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = within("an answer", PATIENCE, stream.read_to_string(&mut answer)).await;
    assert!(answer.contains("get https localhost "), "{answer}");

    let plain = raw(authority, request.as_bytes()).await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    assert!(secure(authority, "two", &["h2"]).await.is_err());

    put("two");
    app.process.signal(libc::SIGHUP);
    eventually("the new certificate", PATIENCE, || async {
        secure(authority, "two", &["h2"]).await.ok()
    })
    .await;
    std::fs::write(place("key"), "no key").unwrap();
    app.process.signal(libc::SIGHUP);
    eventually("the refusal of a broken one", PATIENCE, || async {
        let log = app.process.log();
        log.contains("the old certificate goes on").then_some(())
    })
    .await;
    assert!(secure(authority, "two", &["h2"]).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_before_anything_starts() {
    let key = certificate("one", "key").display().to_string();
    let other = certificate("two", "crt").display().to_string();
    for (certificate, key, said) in [
        (other.as_str(), key.as_str(), "no TLS for functions"),
        ("/nowhere.crt", key.as_str(), "/nowhere.crt"),
        (key.as_str(), key.as_str(), "certificate"),
        (other.as_str(), "", "needs its private key"),
    ] {
        let launch = Launch::serve().await;
        let launch = launch
            .set("KOYALITE_TLS_CERTIFICATE", certificate)
            .set("KOYALITE_TLS_KEY", key);
        let process = launch.spawn();
        assert_ne!(process.wait(PATIENCE).await, 0);
        assert!(process.log().contains(said), "{}", process.log());
    }
}
