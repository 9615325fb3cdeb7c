//! Endpoints of webhooks: where deliveries may go, who may say so, and a crash in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::webhooks::subscribe;
use crate::support::{CommandLine, Launch, Receiver, ReceiverAnswer, TestApp, eventually, send};

#[tokio::test]
async fn a_target_that_leads_inside_is_refused_when_made_and_when_changed() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let made = subscribe(&project, "https://example.com/hooks", &["*"]).await;
    let path = format!("/webhooks/endpoints/{}", made["id"].as_str().unwrap());
    for target in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://user@example.com/",
        "https://example.com:25/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "example.com",
        "",
    ] {
        let new = json!({ "target_url": target, "event_types": ["*"] });
        let call = project.control(Method::POST, "/webhooks/endpoints");
        let problem = call.json(&new).send().await.problem(400, "invalid_field");
        assert_eq!(
            problem["errors"][0]["field"], "target_url",
            "{target}: {problem}"
        );
        let call = project.control(Method::PATCH, &path);
        let patch = json!({ "target_url": target });
        call.json(&patch).send().await.problem(400, "invalid_field");
    }
    assert_eq!(
        project.get(&path).await["target_url"],
        "https://example.com/hooks"
    );
}

/// The name passes, for it is only a name; where it leads is known when it is dialled.
#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_dialled() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let policy = json!({
        "name": "send", "table": "koyalite_webhooks", "commands": ["insert"], "check": "true",
    });
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
    subscribe(&project, "https://localhost:8443/", &["*"]).await;
    let call = project.call(Method::POST, "/behaviours/emit");
    let event = json!({ "event_type": "order.paid" });
    call.json(&event).send().await.of_function(200);
    let reason = eventually("it is refused", Duration::from_secs(30), async || {
        let all = project.list("/webhooks/deliveries").await;
        all[0]["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.await.starts_with("egress_address_refused"));
}

#[tokio::test]
async fn a_rate_is_kept_and_can_be_taken_away() {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = Arc::clone(&times);
    let receiver = Receiver::answering(move |_, _| {
        seen.lock().unwrap().push(Instant::now());
        ReceiverAnswer::Status(204)
    });
    let receiver = receiver.await;
    let app = TestApp::shared_dev().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let policy = json!({
        "name": "send", "table": "koyalite_webhooks", "commands": ["insert"], "check": "true",
    });
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
    let endpoint = json!({
        "target_url": receiver.url, "event_types": ["*"], "rate_per_minute": 60,
    });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    let made = call.json(&endpoint).send().await.expect(201).json();
    assert_eq!(made["rate_per_minute"], 60);
    let emit = async || {
        let call = project.call(Method::POST, "/behaviours/emit");
        let event = json!({ "event_type": "order.paid" });
        call.json(&event).send().await.of_function(200);
    };
    for _ in 0..4 {
        emit().await;
    }
    receiver.wait_for(4).await;
    let times = times.lock().unwrap().clone();
    // From the claim, which was a moment before it came.
    for pair in times.windows(2) {
        let between = pair[1] - pair[0];
        assert!(between > Duration::from_millis(700), "{between:?}");
    }
    let path = format!("/webhooks/endpoints/{}", made["id"].as_str().unwrap());
    let patch = |rate: Value| {
        project
            .control(Method::PATCH, &path)
            .json(&json!({ "rate_per_minute": rate }))
    };
    patch(json!(0)).send().await.problem(400, "invalid_field");
    let free = patch(Value::Null).send().await.expect(200).json();
    assert_eq!(free["rate_per_minute"], Value::Null);
    for _ in 0..4 {
        emit().await;
    }
    receiver.wait_for(8).await;
}

#[tokio::test]
async fn mistakes_of_an_endpoint_are_all_named() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let new = json!({
        "target_url": "https://example.com/", "description": "d".repeat(501),
        "event_types": ["Order", "table.nowhere.insert"], "columns": { "nowhere": ["id"] },
    });
    let call = project
        .control(Method::POST, "/webhooks/endpoints")
        .json(&new);
    let problem = call.send().await.problem(400, "invalid_field");
    let fields: Vec<&Value> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["field"])
        .collect();
    let expected = json!([
        "description",
        "event_types[0]",
        "event_types[1]",
        "columns.nowhere"
    ]);
    assert_eq!(json!(fields), expected);
    let nothing = project
        .control(Method::POST, "/webhooks/deliveries/replay")
        .json(&json!({}));
    nothing.send().await.problem(400, "invalid_field");
    let unknown = "/webhooks/endpoints/0198c5d4-0000-7000-8000-000000000000";
    project
        .control(Method::GET, unknown)
        .send()
        .await
        .problem(404, "unknown_endpoint");
    let unknown = "/webhooks/deliveries/none";
    project
        .control(Method::GET, unknown)
        .send()
        .await
        .problem(404, "unknown_delivery");
}

#[tokio::test]
async fn kill_9_loses_no_event_that_was_acknowledged() {
    let receiver = Receiver::start().await;
    let mut app = TestApp::launch(Launch::dev()).await;
    let project = app.project_named("survivor").await;
    project.deploy("behaviours").await;
    let policy = json!({
        "name": "send", "table": "koyalite_webhooks", "commands": ["insert"], "check": "true",
    });
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
    subscribe(&project, &receiver.url, &["*"]).await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..3 {
        let project = app.existing("survivor");
        let (server, enough) = (app.process.id(), 10 + 7 * round);
        let mut emitted = 0;
        // Killed while the next one is on its way.
        loop {
            let call = project.call(Method::POST, "/behaviours/emit");
            let event = json!({ "event_type": "order.paid", "payload": { "n": emitted } });
            let answer = call.json(&event).attempt();
            if emitted == enough {
                send(server, libc::SIGKILL);
            }
            match answer.await {
                Some(answer) if answer.status == 200 => {
                    acknowledged.insert(answer.json()["id"].as_str().unwrap().to_owned());
                    emitted += 1;
                }
                Some(_) => {}
                None => break,
            }
        }
        app = app.crash().await;
    }
    let arrived = eventually("all have arrived", Duration::from_secs(120), async || {
        let received = receiver.received();
        let ids = received
            .iter()
            .map(|one| one.header("webhook-id").to_owned());
        let ids: BTreeSet<String> = ids.collect();
        acknowledged.is_subset(&ids).then_some(received.len())
    });
    // More than once is possible, and told by the id.
    assert!(arrived.await >= acknowledged.len());
}

#[tokio::test]
async fn endpoints_are_made_and_shown_on_the_command_line() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let cli = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| cli.run(folder.path(), arguments).await.expect(0);
    let made = run(&[
        "webhooks",
        "create",
        "https://example.com/h",
        "--on",
        "order.*",
        "--signature",
        "ed25519",
    ]);
    let made = made.await;
    assert!(made.contains("whpk_"), "{made}");
    let id = made.split(' ').next().unwrap();
    let listed = run(&["webhooks"]).await;
    assert!(
        listed.contains(id) && listed.contains("order.*"),
        "{listed}"
    );
    let changed = run(&["webhooks", "change", id, "--disable"]).await;
    assert!(changed.contains("off"), "{changed}");
    assert!(
        run(&["webhooks", "rotate-secret", id])
            .await
            .contains("whpk_")
    );
    assert_eq!(
        run(&["webhooks", "deliveries"]).await.trim(),
        "no such deliveries"
    );
    assert_eq!(
        run(&["webhooks", "replay", "--status", "dead"])
            .await
            .trim(),
        "0 delivered again"
    );
    assert_eq!(run(&["webhooks", "delete", id]).await.trim(), "deleted");
}
