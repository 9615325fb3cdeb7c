//! What a function sees of the machine that it runs on: nothing.

use serde_json::{Value, json};

use crate::support::TestApp;

#[tokio::test]
async fn a_function_has_no_files_no_sockets_and_no_environment() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let look = async |what: &str| -> Value {
        project
            .fetch(&format!("/behaviours/{what}"))
            .await
            .of_function(200)
            .json()
    };
    let environment = look("env").await;
    assert_eq!(environment["variables"], json!({}));
    assert!(
        environment["arguments"].as_array().unwrap().len() <= 1,
        "{environment}"
    );
    for (what, outcome) in look("files").await.as_object().unwrap() {
        assert_ne!(outcome, "opened", "{what}");
    }
    for (what, outcome) in look("sockets").await.as_object().unwrap() {
        assert!(outcome.is_string(), "a raw socket: {what}");
    }
}

#[tokio::test]
async fn a_function_sees_the_whole_path_and_its_own_part_of_it() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("behaviours", "behaviours", "path = \"/deep/down\"\n")
        .await;
    let seen = project
        .fetch("/deep/down/paths/a%20b/c?x=1&y=%26")
        .await
        .of_function(200)
        .json();
    let base = format!("/f/{}/deep/down", project.name);
    assert_eq!(seen["base"], base);
    assert_eq!(seen["uri"], format!("{base}/paths/a%20b/c?x=1&y=%26"));
    assert_eq!(seen["segments"], json!(["paths", "a%20b", "c"]));
    assert_eq!(seen["method"], "GET");
}

#[tokio::test]
async fn the_longest_path_wins_and_a_project_has_a_host_of_its_own() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("short", "behaviours", "path = \"/api\"\n")
        .await;
    project
        .deploy_as("long", "hello", "path = \"/api/hello\"\n")
        .await;
    assert_eq!(
        project.fetch("/api/hello/x").await.of_function(200).text(),
        "hello, world\n"
    );
    assert_eq!(project.fetch("/api").await.of_function(200).text(), "ok\n");
    project
        .fetch("/api-other")
        .await
        .problem(404, "unknown_function");

    let host = format!("{}.localhost", project.name);
    let request = format!("GET /api/hello HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = crate::support::raw(app.functions_authority(), request.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello, world"),
        "{answer}"
    );
}
