//! Webhooks, from a function's event to the receiver: signed, retried, replayed, and never for what was
//! rolled back.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Project, Receiver, ReceiverAnswer, Shared, TestApp, eventually, own_rows};

const PATIENCE: Duration = Duration::from_secs(60);

/// Deliveries may go to this machine under development alone.
pub(crate) async fn app() -> Shared {
    TestApp::shared_dev().await
}

/// A project in which everybody may emit orders, and see what became of them.
async fn shop(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.deploy("behaviours").await;
    for (name, commands) in [("send", json!(["insert"])), ("look", json!(["select"]))] {
        let clause = if name == "send" { "check" } else { "using" };
        let mut policy =
            json!({ "name": name, "table": "koyalite_webhooks", "commands": commands });
        policy[clause] = json!("event_type like 'order.%'");
        allow(&project, &policy).await;
    }
    project
}

async fn allow(project: &Project<'_>, policy: &Value) {
    let call = project.control(Method::POST, "/policies").json(policy);
    call.send().await.expect(201);
}

pub(crate) async fn subscribe(project: &Project<'_>, url: &str, types: &[&str]) -> Value {
    let endpoint = json!({ "target_url": url, "event_types": types });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    call.json(&endpoint).send().await.expect(201).json()
}

async fn emit(project: &Project<'_>, event: &Value) -> String {
    let call = project.call(Method::POST, "/behaviours/emit").json(event);
    let answer = call.send().await.of_function(200).json();
    answer["id"].as_str().unwrap().to_owned()
}

/// The deliveries that are in that state, once there are so many.
pub(crate) async fn deliveries(project: &Project<'_>, status: &str, enough: usize) -> Vec<Value> {
    let path = format!("/webhooks/deliveries?status={status}");
    eventually("deliveries come to that", PATIENCE, async || {
        Some(project.list(&path).await).filter(|all| all.len() >= enough)
    })
    .await
}

#[tokio::test]
async fn an_event_arrives_signed_and_its_status_says_so() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = shop(&app).await;
    let made = subscribe(&project, &format!("{}/hooks", receiver.url), &["order.*"]).await;
    let event = json!({ "event_type": "order.paid", "payload": { "order": 17, "total": 12.5 } });
    let id = emit(&project, &event).await;
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!(received.path, "/hooks");
    assert_eq!(received.header("webhook-id"), id);
    assert_eq!(received.header("content-type"), "application/json");
    assert!(received.is_signed_with(made["secret"].as_str().unwrap()));
    let body = received.json();
    assert_eq!(body["type"], "order.paid");
    assert_eq!(body["data"], event["payload"]);
    deliveries(&project, "delivered", 1).await;
    let status = project.fetch(&format!("/behaviours/emitted/{id}")).await;
    assert_eq!(
        status.of_function(200).json(),
        json!({ "event_type": "order.paid", "pending": 0, "delivered": 1, "dead": 0 })
    );
    let listed = project.list("/webhooks/endpoints").await;
    assert_eq!(listed[0].get("secret"), None, "it is shown once");
}

#[tokio::test]
async fn what_policies_do_not_allow_is_not_emitted() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = shop(&app).await;
    subscribe(&project, &receiver.url, &["*"]).await;
    let refused = async |event: Value, status: u16, code: &str| {
        let call = project.call(Method::POST, "/behaviours/emit").json(&event);
        let answer = call.send().await.of_function(status).json();
        assert_eq!(answer["code"], code, "{answer}");
    };
    refused(json!({ "event_type": "user.made" }), 403, "check_failed").await;
    refused(json!({ "event_type": "Order" }), 400, "invalid_value").await;
    refused(
        json!({ "event_type": "table.a.insert" }),
        400,
        "invalid_value",
    )
    .await;
    let large = json!({ "event_type": "order.paid", "payload": "a".repeat(300 << 10) });
    refused(large, 429, "event_too_large").await;
    let closed = app.project().await;
    closed.deploy("behaviours").await;
    let call = closed.call(Method::POST, "/behaviours/emit");
    let answer = call
        .json(&json!({ "event_type": "order.paid" }))
        .send()
        .await;
    assert_eq!(answer.of_function(403).json()["code"], "no_policy");
    // The guarded resource is no table.
    let query = json!({ "table": "koyalite_webhooks", "columns": ["event_type"] });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .json(&query);
    assert_eq!(
        call.send().await.of_function(404).json()["code"],
        "unknown_table"
    );
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_key_makes_it_one_event_and_is_refused_for_another() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = shop(&app).await;
    subscribe(&project, &receiver.url, &["order.paid"]).await;
    let event = json!({ "event_type": "order.paid", "payload": { "n": 1 }, "key": "k1" });
    let first = emit(&project, &event).await;
    assert_eq!(emit(&project, &event).await, first);
    let other = json!({ "event_type": "order.paid", "payload": { "n": 2 }, "key": "k1" });
    let call = project.call(Method::POST, "/behaviours/emit").json(&other);
    let answer = call.send().await.of_function(409).json();
    assert_eq!(answer["code"], "idempotency_conflict");
    deliveries(&project, "delivered", 1).await;
    assert_eq!(project.list("/webhooks/deliveries").await.len(), 1);
}

#[tokio::test]
async fn what_is_rolled_back_was_never_there() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = shop(&app).await;
    project.schema(&own_rows("notes")).await;
    subscribe(&project, &receiver.url, &["order.*"]).await;
    let event = json!({ "event_type": "order.paid", "payload": {} });
    for end in ["rollback", "trap"] {
        let path = format!("/behaviours/emit?end={end}");
        project.call(Method::POST, &path).json(&event).send().await;
    }
    let call = project.call(Method::POST, "/behaviours/emit?end=commit");
    let id = call.json(&event).send().await.of_function(200).json()["id"].clone();
    let received = receiver.wait_for(1).await;
    assert_eq!(json!(received[0].header("webhook-id")), id);
    assert_eq!(project.list("/webhooks/deliveries").await.len(), 1);
}

#[tokio::test]
async fn what_fails_is_tried_again_and_a_redirect_is_a_failure() {
    let app = app().await;
    let away = Receiver::start().await;
    let to = away.url.clone();
    let receiver = Receiver::answering(move |_, before| match before {
        0 => ReceiverAnswer::With(307, "location", to.clone()),
        _ => ReceiverAnswer::Status(200),
    });
    let receiver = receiver.await;
    let project = shop(&app).await;
    subscribe(&project, &receiver.url, &["order.paid"]).await;
    emit(&project, &json!({ "event_type": "order.paid" })).await;
    let pending = eventually("it has failed once", PATIENCE, async || {
        let all = project.list("/webhooks/deliveries?status=pending").await;
        all.into_iter().find(|one| one["attempt_count"] == 1)
    });
    let pending = pending.await;
    assert_eq!(pending["response_status"], 307);
    let path = format!("/webhooks/deliveries/{}", pending["id"].as_str().unwrap());
    let whole = project.get(&path).await;
    assert_eq!(whole["response_snippet"], "the receiver's own words\n");
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].body, received[1].body, "the same bytes");
    assert_eq!(
        received[0].header("webhook-id"),
        received[1].header("webhook-id")
    );
    let delivered = deliveries(&project, "delivered", 1).await;
    assert_eq!(delivered[0]["attempt_count"], 2);
    assert_eq!(away.received().len(), 0, "the redirect was not followed");
}

#[tokio::test]
async fn gone_is_final_and_a_replay_brings_it_back() {
    let app = app().await;
    let receiver = Receiver::answering(|_, before| match before {
        0 => ReceiverAnswer::Status(410),
        _ => ReceiverAnswer::Status(200),
    });
    let (receiver, watcher) = (receiver.await, Receiver::start().await);
    let project = shop(&app).await;
    let made = subscribe(&project, &receiver.url, &["order.paid"]).await;
    subscribe(&project, &watcher.url, &["webhook.endpoint.disabled"]).await;
    let id = emit(&project, &json!({ "event_type": "order.paid" })).await;
    deliveries(&project, "dead", 1).await;
    let told = watcher.wait_for(1).await.remove(0).json();
    assert_eq!(told["data"]["endpoint_id"], made["id"]);
    let path = format!("/webhooks/endpoints/{}", made["id"].as_str().unwrap());
    let endpoint = project.get(&path).await;
    assert_eq!(endpoint["enabled"], false);
    assert!(
        endpoint["disabled_reason"]
            .as_str()
            .unwrap()
            .contains("410")
    );
    let on = project
        .control(Method::PATCH, &path)
        .json(&json!({ "enabled": true }));
    assert_eq!(on.send().await.expect(200).json()["failures"], 0);
    let replay = project.control(Method::POST, "/webhooks/deliveries/replay");
    let replayed = replay.json(&json!({ "status": "dead" })).send().await;
    assert_eq!(replayed.expect(200).json()["replayed"], 1);
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].header("webhook-id"), id, "receivers can tell");
    deliveries(&project, "delivered", 2).await;
}

#[tokio::test]
async fn two_secrets_sign_while_one_is_being_replaced() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = shop(&app).await;
    let made = subscribe(&project, &receiver.url, &["order.paid"]).await;
    let path = format!(
        "/webhooks/endpoints/{}/rotate-secret",
        made["id"].as_str().unwrap()
    );
    let rotated = project
        .control(Method::POST, &path)
        .json(&json!({}))
        .send()
        .await;
    let rotated = rotated.expect(200).json();
    assert_ne!(rotated["secret"], made["secret"]);
    emit(&project, &json!({ "event_type": "order.paid" })).await;
    let received = receiver.wait_for(1).await.remove(0);
    for secret in [&made["secret"], &rotated["secret"]] {
        assert!(received.is_signed_with(secret.as_str().unwrap()));
    }
    assert!(!received.is_signed_with("whsec_AAAA"));
}

#[tokio::test]
async fn an_endpoint_that_hangs_delays_nobody_else() {
    let app = app().await;
    let slow = Receiver::answering(|_, _| ReceiverAnswer::Silence).await;
    let quick = Receiver::start().await;
    let project = shop(&app).await;
    subscribe(&project, &slow.url, &["order.paid"]).await;
    for _ in 0..20 {
        emit(&project, &json!({ "event_type": "order.paid" })).await;
    }
    slow.wait_for(4).await;
    subscribe(&project, &quick.url, &["order.paid"]).await;
    for _ in 0..20 {
        emit(&project, &json!({ "event_type": "order.paid" })).await;
    }
    quick.wait_for(20).await;
    assert!(slow.received().len() < 20, "not all at once");
}

#[tokio::test]
async fn in_order_means_one_after_the_other() {
    let app = app().await;
    let receiver = Receiver::answering(|received, before| match before {
        0 if received.json()["data"]["n"] == 0 => ReceiverAnswer::Status(500),
        _ => ReceiverAnswer::Status(200),
    });
    let receiver = receiver.await;
    let project = shop(&app).await;
    let endpoint = json!({
        "target_url": receiver.url, "event_types": ["order.paid"], "ordered": true,
    });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    call.json(&endpoint).send().await.expect(201);
    for n in 0..5 {
        emit(
            &project,
            &json!({ "event_type": "order.paid", "payload": { "n": n } }),
        )
        .await;
    }
    let received = receiver.wait_for(6).await;
    let order: Vec<Value> = received
        .iter()
        .map(|one| one.json()["data"]["n"].clone())
        .collect();
    assert_eq!(json!(order), json!([0, 0, 1, 2, 3, 4]));
}

#[tokio::test]
async fn what_is_about_the_same_waits_for_its_turn_and_the_rest_does_not() {
    let app = app().await;
    let receiver = Receiver::answering(|received, before| match before {
        0 if received.json()["data"]["order"] == json!({ "id": "a", "n": 0 }) => {
            ReceiverAnswer::Status(500)
        }
        _ => ReceiverAnswer::Status(200),
    });
    let receiver = receiver.await;
    let project = shop(&app).await;
    let endpoint = json!({
        "target_url": receiver.url, "event_types": ["order.paid"], "order_key": "order.id",
    });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    call.json(&endpoint).send().await.expect(201);
    for (id, n) in [("a", 0), ("a", 1), ("b", 0), ("a", 2), ("b", 1)] {
        let payload = json!({ "order": { "id": id, "n": n } });
        emit(
            &project,
            &json!({ "event_type": "order.paid", "payload": payload }),
        )
        .await;
    }
    let received = receiver.wait_for(6).await;
    let of = |id: &str| -> Vec<i64> {
        let orders = received
            .iter()
            .map(|one| one.json()["data"]["order"].clone());
        let mine = orders.filter(|order| order["id"] == id);
        mine.map(|order| order["n"].as_i64().unwrap()).collect()
    };
    assert_eq!(of("a"), [0, 0, 1, 2]);
    assert_eq!(of("b"), [0, 1]);
    let last = received.last().unwrap().json();
    assert_eq!(last["data"]["order"]["id"], "a", "b did not wait for a");
}
