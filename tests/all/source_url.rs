//! Components fetched from a URL: pinned by their hash, fetched again when somebody asks, and never from an
//! address of this machine or its network.

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Answer, CommandLine, FileServer, Project, TestApp, guest, other_bytes};

async fn fetch(project: &Project<'_>, body: &Value) -> Answer {
    let call = project.control(Method::POST, "/functions/hello/fetch");
    call.json(body).send().await
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[tokio::test]
async fn a_component_is_fetched_pinned_and_fetched_again_on_demand() {
    let app = TestApp::shared_dev().await;
    let project = app.project().await;
    let (first, second) = (guest("hello"), other_bytes(&guest("hello"), "second"));
    let files = FileServer::start().await;
    files.put("/hello.wasm", first.clone());
    let source = files.url("/hello.wasm");
    let refused = fetch(&project, &json!({})).await;
    refused.problem(404, "unknown_function");
    let wrong = json!({ "source_url": source, "sha256": sha256(&second) });
    let refused = fetch(&project, &wrong).await.problem(409, "source_changed");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains(&sha256(&first))
    );
    let pinned =
        json!({ "source_url": source, "sha256": sha256(&first), "manifest": "name = \"hello\"" });
    let made = fetch(&project, &pinned).await.expect(201).json();
    assert_eq!(
        (&made["version"], &made["sha256"]),
        (&json!(1), &json!(sha256(&first)))
    );
    project.fetch("/hello").await.of_function(200);
    assert_eq!(project.get("/functions/hello").await["source_url"], source);

    // What serves is what was fetched, whatever the source has now.
    files.put("/hello.wasm", second.clone());
    let again = fetch(&project, &json!({ "sha256": sha256(&first) })).await;
    again.problem(409, "source_changed");
    assert_eq!(project.get("/functions/hello").await["version"], 1);
    let cli = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |words: &[&str]| cli.run(folder.path(), words).await.expect(0);
    let said = run(&["functions", "fetch", "hello"]).await;
    assert!(said.contains("hello runs version 2"), "{said}");
    assert!(
        run(&["functions", "fetch", "hello"])
            .await
            .contains("already runs version 2")
    );

    // Sent, it has no source any more.
    project.deploy_as("hello", "hello", "").await;
    assert_eq!(
        project.get("/functions/hello").await["source_url"],
        Value::Null
    );
    fetch(&project, &json!({}))
        .await
        .problem(400, "invalid_field");
    std::fs::write(folder.path().join("koyalite.toml"), "name = \"hello\"\n").unwrap();
    let said = run(&["deploy", "--from", &source, "--sha256", &sha256(&second)]).await;
    assert!(said.contains("hello runs version"), "{said}");
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let app = TestApp::shared_dev().await;
    let project = app.project().await;
    let files = FileServer::start().await;
    files.put("/text", "not wasm".into());
    let source = |path: &str| json!({ "source_url": files.url(path) });
    fetch(&project, &source("/text"))
        .await
        .problem(422, "not_wasm");
    for (path, said) in [
        ("/none", "404"),
        ("/redirect", "302"),
        ("/cut", "broke off"),
    ] {
        let problem = fetch(&project, &source(path))
            .await
            .problem(502, "source_failed");
        assert!(
            problem["detail"].as_str().unwrap().contains(said),
            "{problem}"
        );
    }
    // It is not even begun with.
    fetch(&project, &source("/endless"))
        .await
        .problem(413, "component_too_large");
    fetch(&project, &source("/told"))
        .await
        .problem(413, "component_too_large");
    let gone = format!("http://127.0.0.1:{}/", crate::support::closed_port().await);
    let gone = json!({ "source_url": gone });
    fetch(&project, &gone).await.problem(502, "source_failed");
    assert_eq!(files.redirected(), 0, "the redirect was not followed");
}

/// What is listening here would answer anyone who gets through.
#[tokio::test]
async fn a_source_inside_is_refused_however_it_is_written() {
    let bait = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = bait.local_addr().unwrap().port();
    let app = TestApp::shared().await;
    let project = app.project().await;
    for host in [
        "127.0.0.1",
        "127.1",
        "0177.0.0.1",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[5f00::1]",
        "user@127.0.0.1",
        "127.0.0.1%2eexample.com",
    ] {
        let source = json!({ "source_url": format!("https://{host}:{port}/hello.wasm") });
        fetch(&project, &source).await.problem(400, "invalid_field");
    }
    for source in [
        format!("http://example.com:{port}/hello.wasm"),
        "https://example.com:22/hello.wasm".to_owned(),
        "https://example.com:25/hello.wasm".to_owned(),
        "https://example.com/hello.wasm#a".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://example.com/hello.wasm".to_owned(),
        "hello.wasm".to_owned(),
        String::new(),
        format!("https://example.com/{}", "a".repeat(2048)),
    ] {
        fetch(&project, &json!({ "source_url": source }))
            .await
            .problem(400, "invalid_field");
    }
    // The name passes, for it is only a name; where it leads is known when it is dialled.
    for name in ["localhost", "LOCALHOST"] {
        let source = json!({ "source_url": format!("https://{name}:{port}/hello.wasm") });
        let problem = fetch(&project, &source).await.problem(502, "source_failed");
        assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    }
    let knocked = std::future::poll_fn(|context| std::task::Poll::Ready(bait.poll_accept(context)));
    assert!(
        knocked.await.is_pending(),
        "somebody got through to the inside"
    );
}
