//! What a function writes and how its invocations ended, as the control API tells it.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::support::{Project, TestApp, eventually, within};

const PATIENCE: Duration = Duration::from_secs(30);

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The log, once it has the line.
async fn log_with(project: &Project<'_>, text: &str) -> Vec<Value> {
    let path = "/functions/behaviours/logs?limit=1000";
    eventually("a line of the log", PATIENCE, async || {
        let log = project.control(Method::GET, path).send().await.expect(200);
        log.text().contains(text).then(|| lines(&log.text()))
    })
    .await
}

#[tokio::test]
async fn lines_have_level_invocation_and_version_and_invocations_their_outcome() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let answer = project
        .fetch("/behaviours/log?line=remember")
        .await
        .of_function(200);
    let id = answer.header("x-request-id").to_owned();
    project
        .fetch("/behaviours/trap-before")
        .await
        .problem(500, "guest_trapped");
    let log = log_with(&project, "trapped: ").await;
    let of_level = |level: &str| {
        log.iter().any(|line| {
            line["kind"] == "log" && line["level"] == level && line["message"] == "remember"
        })
    };
    for level in ["debug", "info", "warn", "error"] {
        assert!(of_level(level), "no {level} line in {log:?}");
    }
    let said = |text: &str| log.iter().any(|line| line["message"] == text);
    assert!(
        said("printed remember") && said("printed as an error remember"),
        "{log:?}"
    );
    let ended: Vec<&Value> = log
        .iter()
        .filter(|line| line["kind"] == "invocation")
        .collect();
    assert!(ended.iter().any(|line| line["status"] == 200), "{ended:?}");
    let trapped = |line: &&&Value| line["message"].to_string().contains("trapped");
    let failed = ended
        .iter()
        .find(trapped)
        .expect("the end of the one that failed");
    assert_eq!(failed["level"], "error", "{failed}");
    assert!(
        ended.iter().all(|line| line["duration_ms"].is_number()),
        "{ended:?}"
    );
    let of_request = |line: &&Value| line["invocation"] == id.as_str();
    assert!(
        log.iter().filter(of_request).count() >= 5,
        "lines of request {id} in {log:?}"
    );
    assert!(
        log.iter()
            .all(|line| line["time"].is_string() && line["version"] == 1),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_follower_sees_lines_as_they_are_written() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let path = "/functions/behaviours/logs?follow=1";
    let mut follower = project.control(Method::GET, path).open().await;
    assert_eq!(follower.status(), 200);
    let mut seen = String::new();
    for number in 0..3 {
        project
            .fetch(&format!("/behaviours/log?line=live-{number}"))
            .await
            .of_function(200);
        while !seen.contains(&format!("live-{number}")) {
            let piece = within("a followed line", PATIENCE, follower.piece()).await;
            seen.push_str(&String::from_utf8_lossy(
                &piece.unwrap().expect("an open stream"),
            ));
        }
    }
}

#[tokio::test]
async fn metrics_count_and_probes_answer() {
    let app = TestApp::shared().await;
    let text = app
        .control(Method::GET, "/metrics")
        .send()
        .await
        .expect(200)
        .text();
    assert!(text.contains("koyalite_build_info{version="), "{text}");
    for (path, said) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let control = app
            .control(Method::GET, path)
            .anonymous()
            .send()
            .await
            .expect(200);
        assert!(control.text().contains(said), "{path}");
        let functions = app.call(Method::GET, path).send().await.expect(200);
        assert!(functions.text().contains(said), "{path}");
    }
    app.call(Method::GET, "/metrics")
        .send()
        .await
        .problem(404, "unknown_route");
}
