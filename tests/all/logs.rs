//! What a function writes and how its invocations ended, as the control API tells it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{CommandLine, Project, TestApp, eventually, root, within};

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

/// By a guest of each version of WASI, with names that are its author's.
#[tokio::test]
async fn what_a_guest_printed_and_where_it_trapped_are_in_the_log_of_that_invocation() {
    let app = TestApp::shared().await;
    for guest in ["behaviours", "behaviours-02"] {
        let project = app.project().await;
        project.deploy_as("behaviours", guest, "").await;
        let trapped = project.fetch("/behaviours/trap-deep").await;
        trapped.problem(500, "guest_trapped");
        let id = trapped.header("x-request-id").to_owned();
        let log = log_with(&project, "outer_step").await;
        let of_it = |line: &&Value| line["invocation"] == id.as_str();
        let all: Vec<String> = log
            .iter()
            .filter(of_it)
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect();
        let place = |text: &str| {
            let found = all.iter().position(|line| line.contains(text));
            found.unwrap_or_else(|| panic!("{guest}: no {text:?} in {all:#?}"))
        };
        let places = [
            place("about to go wrong"),
            place("went wrong 6 steps deep"),
            place("trapped: wasm trap"),
            place("::steps_deep::innermost_step"),
            place("::steps_deep::middle_step"),
            place("::steps_deep::outer_step"),
        ];
        assert!(places.is_sorted(), "{guest}: {all:#?}");
        let terminal = CommandLine::of(&app, &project.name);
        let shown = terminal
            .run(&root(), &["logs", "behaviours"])
            .await
            .expect(0);
        assert!(shown.contains("steps_deep::innermost_step"), "{shown}");
    }
}

/// Also when it traps in the middle of an answer.
#[tokio::test]
async fn a_trap_after_the_first_byte_is_told_as_well() {
    let app = TestApp::shared().await;
    for guest in ["behaviours", "behaviours-02"] {
        let project = app.project().await;
        project.deploy_as("behaviours", guest, "").await;
        let call = project.call(Method::GET, "/behaviours/trap-after-first-byte");
        assert!(call.attempt().await.is_none(), "{guest}: it looks whole");
        log_with(&project, "trapped: wasm trap").await;
        log_with(&project, "panic").await;
    }
}

#[tokio::test]
async fn an_invocation_says_what_it_has_used_and_so_does_its_answer_to_a_deployer() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let echo = || project.call(Method::POST, "/behaviours/echo").body("four");
    let plain = echo().send().await.of_function(200);
    assert_eq!(plain.header("server-timing"), "", "for everybody");
    let timed = echo().bearer(app.admin()).header("koyalite-version", "1");
    let timed = timed.send().await.of_function(200);
    let timing = timed.header("server-timing");
    for part in [
        "cpu;dur=",
        "host;dur=0.000;desc=\"calls: 0\"",
        "memory;desc=\"",
        "in;desc=\"4 bytes\"",
    ] {
        assert!(timing.contains(part), "no {part} in {timing}");
    }
    let rows = project.call(Method::POST, "/behaviours/select");
    let rows = rows
        .json(&json!({ "table": "none" }))
        .bearer(app.admin())
        .header("koyalite-version", "1");
    let rows = rows.send().await;
    let timing = rows.header("server-timing");
    assert!(timing.contains("desc=\"calls: 1\""), "{timing}");
    let log = log_with(&project, "\"host_calls\":1").await;
    let id = plain.header("x-request-id");
    let of_it = |line: &&Value| line["kind"] == "invocation" && line["invocation"] == id;
    let end = log.iter().find(of_it).expect("its end");
    assert_eq!(
        (&end["bytes_in"], &end["bytes_out"]),
        (&json!(4), &json!(4)),
        "{end}"
    );
    assert!(end["cpu_us"].as_u64() > Some(0), "{end}");
    assert!(end["memory_bytes"].as_u64() >= Some(65_536), "{end}");
    let terminal = CommandLine::of(&app, &project.name);
    let shown = terminal
        .run(&root(), &["logs", "behaviours"])
        .await
        .expect(0);
    assert!(shown.contains("4 B in, 4 B out"), "{shown}");
    assert!(shown.contains("(calls: 1)"), "{shown}");
}
