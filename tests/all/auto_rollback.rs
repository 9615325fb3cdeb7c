//! A deployment that goes wrong is taken back by itself, by the figures of real calls.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::deployments::{hello, set, version_of};
use crate::support::{Answer, Project, TestApp, eventually, guest, other_bytes};

const PATIENCE: Duration = Duration::from_secs(60);

/// Version 1 answers every path; version 2, with these terms, traps at `/hello/trap-before`.
async fn deployed<'a>(app: &'a TestApp, query: &str) -> Project<'a> {
    let project = app.project().await;
    project
        .upload("hello", hello("one"))
        .send()
        .await
        .expect(201);
    let path = format!("/functions/hello{query}");
    let second = project
        .control(Method::PUT, &path)
        .body(guest("behaviours"));
    second.send().await.expect(201);
    project
}

/// The deployment that serves, once the host has made it by itself.
pub(crate) async fn taken_back(project: &Project<'_>) -> Value {
    eventually("a deployment by the host", PATIENCE, async || {
        let latest = project.get("/functions/hello/deployments?limit=1").await;
        let latest = latest["items"][0].clone();
        (latest["cause"] == "automatic_rollback").then_some(latest)
    })
    .await
}

/// Calls without a pause until `done`; how many ended well, and whether one was of neither kind.
async fn load(project: &Project<'_>, path: &str, done: &AtomicBool) -> (u32, Vec<Answer>) {
    let (mut good, mut odd) = (0, Vec::new());
    while !done.load(Ordering::Relaxed) {
        let answer = project.fetch(path).await;
        match answer.status {
            200 => good += 1,
            500 if version_of(&answer) == 2 => {}
            _ => odd.push(answer),
        }
    }
    (good, odd)
}

#[tokio::test]
async fn a_canary_that_traps_under_load_is_taken_back_and_nobody_else_notices() {
    let app = TestApp::shared().await;
    let terms = "?weight=30&error_percent_max=5&requests_min=20&window_s=10";
    let project = deployed(&app, terms).await;
    let done = AtomicBool::new(false);
    let path = "/hello/trap-before";
    let watching = async {
        let taken = taken_back(&project).await;
        // The node serves it a moment after it is stored; from then on nobody has the other one.
        eventually("twenty calls in a row of version 1", PATIENCE, async || {
            let mut calls = 0;
            while calls < 20 && project.fetch(path).await.status == 200 {
                calls += 1;
            }
            (calls == 20).then_some(())
        })
        .await;
        done.store(true, Ordering::Relaxed);
        taken
    };
    let loads = futures::future::join_all((0..4).map(|_| load(&project, path, &done)));
    let (taken, loads) = tokio::join!(watching, loads);
    for (good, odd) in loads {
        assert!(good > 0 && odd.is_empty(), "{odd:?}");
    }
    assert_eq!(taken["versions"], json!([{ "version": 1, "weight": 100 }]));
    assert_eq!(
        (&taken["actor"], &taken["number"]),
        (&json!("system"), &json!(3))
    );
    let why = taken["message"].as_str().unwrap();
    assert!(why.contains("calls failed; at most 5 % may"), "{why}");

    let audit = project.list("/audit?action=function.rollback").await;
    assert_eq!(audit.len(), 1, "one decision: {audit:?}");
    let (actor, said) = (&audit[0]["actor_id"], &audit[0]["metadata"]);
    assert_eq!(actor, "system");
    assert_eq!(
        (&said["automatic"], &said["from_version"]),
        (&json!(true), &json!(2))
    );
    let (requests, errors) = (said["requests"].as_u64(), said["errors"].as_u64());
    assert!(requests >= Some(20) && errors == requests, "{said}");
}

#[tokio::test]
async fn a_whole_deployment_that_is_too_slow_goes_back_to_what_served_before() {
    let app = TestApp::shared().await;
    let project = deployed(&app, "?p99_ms_max=30&requests_min=5&window_s=10").await;
    let path = "/hello/burn/60";
    let calls = AtomicU32::new(0);
    let taken = eventually("a deployment by the host", PATIENCE, async || {
        if version_of(&project.fetch(path).await.of_function(200)) == 2 {
            calls.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(taken_back(&project).await)
    });
    let taken = taken.await;
    assert!(calls.load(Ordering::Relaxed) >= 5);
    assert_eq!(taken["versions"], json!([{ "version": 1, "weight": 100 }]));
    let why = taken["message"].as_str().unwrap();
    assert!(
        why.contains("calls took over 30 ms; at most 1 % may"),
        "{why}"
    );
}

#[tokio::test]
async fn a_version_within_its_rule_stays_and_so_does_one_without_a_rule() {
    let app = TestApp::shared().await;
    let watched = deployed(&app, "?error_percent_max=50&requests_min=10&window_s=5").await;
    let free = deployed(&app, "").await;
    // What served before has nothing to go back to and is never judged.
    let first = app.project().await;
    let path = "/functions/hello?error_percent_max=0&requests_min=1&window_s=5";
    let bytes = other_bytes(&guest("behaviours"), "first");
    first
        .control(Method::PUT, path)
        .body(bytes)
        .send()
        .await
        .expect(201);
    // A canary that fails elsewhere is seen within as many calls; by then the others were judged too.
    let marker = deployed(&app, "?error_percent_max=5&requests_min=10&window_s=10").await;
    // Called until then: on a busy machine so few calls may be in no window together.
    eventually("a deployment by the host", PATIENCE, async || {
        for path in ["/hello", "/hello", "/hello/trap-before"] {
            for project in [&watched, &free, &first, &marker] {
                project.fetch(path).await;
            }
        }
        let history = marker.list("/functions/hello/deployments").await;
        (history.len() > 2).then_some(())
    })
    .await;
    taken_back(&marker).await;
    for (project, deployments) in [(&watched, 2), (&free, 2), (&first, 1)] {
        let history = project.list("/functions/hello/deployments").await;
        assert_eq!(history.len(), deployments, "{history:?}");
    }
}

#[tokio::test]
async fn a_rule_goes_on_from_one_share_to_the_next() {
    let app = TestApp::shared().await;
    let terms = "?weight=1&error_percent_max=5&requests_min=10&window_s=10";
    let project = deployed(&app, terms).await;
    let all = json!({ "versions": [{ "version": 2, "weight": 100 }] });
    let made = set(&project, &all).await.expect(201).json();
    assert_eq!(made["auto_rollback"]["error_percent_max"], 5, "{made}");
    let taken = eventually("a deployment by the host", PATIENCE, async || {
        let answer = project.fetch("/hello/trap-before").await;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(version_of(&taken.await), 1);
    assert_eq!(taken_back(&project).await["number"], 4);
}
