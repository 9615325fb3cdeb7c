//! Files as streams, for guests of WASI 0.3: longer than their memory, and never a part of one.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Method;
use serde_json::json;

use super::files::{file, own_files, put};
use super::files_large::{GROWTH_KIB, watched};
use crate::support::{ALICE, Call, Launch, Project, TestApp, eventually, within};

/// What the function may have, and what goes through it.
const LIMITS: &str = "[limits]\nmemory_mib = 8\nbody_mib = 1\ncpu_ms = 30000\n";
const MIB: u64 = 64;

const PATIENCE: Duration = Duration::from_secs(60);

/// A call of the guest's way to files.
fn call(project: &Project<'_>, method: Method, path: &str, token: &str) -> Call {
    let path = format!("/behaviours/file/{path}");
    project.call(method, &path).bearer(token)
}

async fn streamed(app: &TestApp) -> (Project<'_>, String) {
    let project = own_files(app).await;
    project.deploy_as("behaviours", "behaviours", LIMITS).await;
    let alice = project.token(ALICE).await;
    (project, alice)
}

#[tokio::test]
async fn a_file_that_is_longer_than_its_guests_memory_streams_in_and_out() {
    let app = TestApp::start().await;
    let (project, alice) = streamed(&app).await;
    let before = app.process.resident_kib();
    let through = async {
        let made = call(&project, Method::PUT, &format!("large?make={MIB}"), &alice);
        let made = made.send().await.of_function(200).json();
        assert_eq!(made["size"], MIB << 20);
        let copied = call(&project, Method::PUT, "copy?of=large", &alice);
        let copied = copied.send().await.of_function(200).json();
        assert_eq!(copied["sha256"], made["sha256"]);
        let counted = call(&project, Method::GET, "copy?count", &alice);
        let counted = counted.send().await.of_function(200).text();
        assert_eq!(counted, (MIB << 20).to_string());
        for path in ["copy?pass", "copy"] {
            let opened = call(&project, Method::GET, path, &alice).open().await;
            let (bytes, ended) = opened.count().await;
            ended.unwrap();
            assert_eq!(bytes, MIB << 20, "{path}");
        }
    };
    let (most, ()) = within("the way through", PATIENCE, watched(&app, through)).await;
    let grown = most.saturating_sub(before);
    assert!(grown < GROWTH_KIB, "the server grew by {grown} KiB");
}

#[tokio::test]
async fn what_the_host_answers_for_a_guest_is_what_is_there() {
    let app = TestApp::shared().await;
    let (project, alice) = streamed(&app).await;
    put(&project, &alice, "a.txt", b"0123456789")
        .await
        .expect(201);
    let get = async |path: &str| call(&project, Method::GET, path, &alice).send().await;
    let passed = get("a.txt?pass").await.of_function(200);
    let kind = passed.header("content-type").to_owned();
    assert_eq!(
        (passed.text().as_str(), kind.as_str()),
        ("0123456789", "application/octet-stream")
    );
    assert_eq!(
        get("a.txt?pass&part=2-5").await.of_function(200).text(),
        "234"
    );
    assert_eq!(get("a.txt?peek").await.of_function(200).text(), "10");
    let beyond = get("a.txt?part=20-25").await.of_function(400);
    assert_eq!(beyond.json()["code"], "invalid_range");
    let nothing = get("b.txt?pass").await.of_function(404);
    assert_eq!(nothing.json()["code"], "unknown_file");
    put(&project, &alice, "empty", b"").await.expect(201);
    assert_eq!(get("empty?pass").await.of_function(200).text(), "");
    let copied = call(&project, Method::PUT, "empty2?of=empty", &alice)
        .send()
        .await;
    assert_eq!(copied.of_function(200).json()["size"], 0);
}

/// Where the contents of the project's files lie.
async fn folder(app: &TestApp, project: &Project<'_>) -> PathBuf {
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    app.launch.data().join("objects/files").join(id)
}

/// Looks until so many contents are left, and no part of another.
async fn left(folder: &PathBuf, count: usize) {
    eventually("what was given up is taken away", PATIENCE, async || {
        let there = std::fs::read_dir(folder).map_or(0, Iterator::count);
        (there == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_ends_early_is_no_file_and_leaves_nothing() {
    let app = TestApp::launch(Launch::serve().await.in_its_folder()).await;
    let (project, alice) = streamed(&app).await;
    let folder = folder(&app, &project).await;
    put(&project, &alice, "f", b"old").await.expect(201);
    // More than one piece of everything, and more than the limit on bodies; its length is not announced.
    let pieces = || stream::iter(vec![Bytes::from(vec![b'x'; 1 << 20]); 8]);
    let over = call(&project, Method::PUT, "f", &alice).stream(pieces());
    over.send().await.problem(413, "body_too_large");
    left(&folder, 1).await;
    let given_up = call(&project, Method::PUT, "f?give-up", &alice).body("new");
    given_up.send().await.of_function(204);
    left(&folder, 1).await;
    let found = file(&project, Method::GET, "f").bearer(&alice).send().await;
    assert_eq!(found.expect(200).text(), "old");
}

#[tokio::test]
async fn limits_and_policies_hold_while_a_file_streams() {
    let app = TestApp::launch(Launch::serve().await.in_its_folder()).await;
    let (project, alice) = streamed(&app).await;
    let folder = folder(&app, &project).await;
    let refused = async |path: &str, status: u16, code: &str| {
        let answer = call(&project, Method::PUT, path, &alice).send().await;
        assert_eq!(answer.of_function(status).json()["code"], code, "{path}");
        let there = call(&project, Method::GET, "f?stat", &alice).send().await;
        there.of_function(404);
    };
    let nobody = project
        .call(Method::PUT, "/behaviours/file/f?make=1")
        .anonymous();
    assert_eq!(
        nobody.send().await.of_function(403).json()["code"],
        "denied_by_claims"
    );
    refused("f?make=1&type=image/png", 400, "type_mismatch").await;
    let settings = json!({ "settings": { "files": { "file_mib": 10, "quota_mib": 20 } } });
    project
        .control(Method::PATCH, "")
        .json(&settings)
        .send()
        .await
        .expect(200);
    refused("f?make=11", 429, "file_too_large").await;
    let kept = call(&project, Method::PUT, "g?make=9", &alice).send().await;
    kept.of_function(200);
    let more = json!({ "settings": { "files": { "file_mib": 30, "quota_mib": 20 } } });
    project
        .control(Method::PATCH, "")
        .json(&more)
        .send()
        .await
        .expect(200);
    refused("f?make=12", 429, "storage_quota").await;
    refused("f?of=f", 404, "unknown_file").await;
    left(&folder, 1).await;
}
