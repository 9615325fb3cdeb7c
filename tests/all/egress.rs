//! Outbound requests, as a guest sees them: denied unless the manifest allows, and never to an
//! address of this machine or its network, whatever name or spelling leads there.

use http::Method;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{Project, TestApp};

async fn outbound(project: &Project<'_>, url: &str) -> Value {
    let encoded: String = url.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let path = format!("/behaviours/outbound?url={encoded}");
    project
        .call(Method::GET, &path)
        .send()
        .await
        .of_function(200)
        .json()
}

/// Fails unless the guest was refused, with a reason that names no address.
async fn refused(project: &Project<'_>, url: &str) -> String {
    let said = outbound(project, url).await;
    assert!(said["error"].is_string(), "{url} was let through: {said}");
    said.to_string()
}

#[tokio::test]
async fn without_an_allow_list_nothing_goes_out() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let control = app.listening().control.clone();
    for url in [
        "https://example.com/",
        "http://example.com/",
        "https://10.0.0.1/",
        &control,
    ] {
        let said = refused(&project, url).await;
        assert!(
            said.contains("allow") || said.contains("Denied"),
            "{url}: {said}"
        );
    }
}

/// What is listening here would answer anyone who gets through.
#[tokio::test]
async fn an_allowed_name_or_number_that_leads_inside_is_refused() {
    let bait = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = bait.local_addr().unwrap().port();
    let app = TestApp::shared().await;
    let project = app.project().await;
    let hosts = [
        "127.0.0.1",
        "localhost",
        "127.1.2.3",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let allow: Vec<String> = hosts
        .iter()
        .map(|host| format!("\"http://{host}:{port}\""))
        .collect();
    // A list that names an inside address may be refused when it is deployed: as good.
    let manifest = format!(
        "name = \"behaviours\"\n[outbound]\nallow = [{}]\n",
        allow.join(", ")
    );
    let component = crate::support::guest("behaviours");
    let deployed = project
        .upload_with("behaviours", &component, &manifest)
        .send()
        .await;
    if deployed.status == 400 {
        deployed.problem(400, "invalid_manifest");
        let only = format!("[outbound]\nallow = [\"http://localhost:{port}\"]\n");
        project.deploy_as("behaviours", "behaviours", &only).await;
    }
    for host in hosts {
        refused(&project, &format!("http://{host}:{port}/")).await;
    }
    for odd in [
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://localhost.:{port}/"),
        format!("http://LOCALHOST:{port}/"),
        format!("ftp://localhost:{port}/"),
        "file:///etc/passwd".to_owned(),
        format!("http://localhost:{port}@example.com/"),
    ] {
        refused(&project, &odd).await;
    }
    let knocked = std::future::poll_fn(|context| std::task::Poll::Ready(bait.poll_accept(context)));
    assert!(
        knocked.await.is_pending(),
        "somebody got through to the inside"
    );
}

#[tokio::test]
async fn an_allow_list_is_for_the_origins_in_it_alone() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let lines = "[outbound]\nallow = [\"https://api.example.com\"]\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    for url in [
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "https://example.com/",
        "https://x.api.example.com/",
        "https://api.example.com.evil.org/",
        "https://evil.org/?api.example.com",
    ] {
        let said = refused(&project, url).await;
        assert!(
            said.contains("allow") || said.contains("Denied"),
            "{url}: {said}"
        );
    }
}
