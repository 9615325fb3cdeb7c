//! Deliveries shown to the public verifier of Standard Webhooks (`standardwebhooks`, a Python package): what
//! receivers use says that they are ours, and that what was altered is not.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};

use super::webhooks::{app, subscribe};
use crate::support::{Receiver, root};

/// Takes headers, body and secret as one line of JSON, and answers what it says to them.
const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps(Webhook(case['secret']).verify(case['body'], case['headers'])))
    except WebhookVerificationError as refused:
        print('refused: ' + str(refused))
";

fn package() -> PathBuf {
    root().join("target/standardwebhooks-1.1.0")
}

fn verify(cases: &[Value]) -> Vec<String> {
    use std::io::Write as _;
    let mut python = Command::new("python3");
    python.args(["-c", VERIFY]).env("PYTHONPATH", package());
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = python.spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    for case in cases {
        writeln!(input, "{case}").unwrap();
    }
    drop(input);
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_public_verifier_accepts_a_delivery_and_nothing_that_was_altered() {
    if !package().join("standardwebhooks/webhooks.py").exists() {
        eprintln!("`cargo xtask test` fetches the verifier; it is not there");
        return;
    }
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = app.project().await;
    project.deploy("behaviours").await;
    let policy = json!({ "name": "send", "table": "koyalite_webhooks", "commands": ["insert"],
        "check": "true" });
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
    let made = subscribe(&project, &receiver.url, &["order.paid"]).await;
    let path = format!(
        "/webhooks/endpoints/{}/rotate-secret",
        made["id"].as_str().unwrap()
    );
    let rotated = project.control(Method::POST, &path).json(&json!({}));
    let rotated = rotated.send().await.expect(200).json();
    let event = json!({ "event_type": "order.paid", "payload": { "order": 17, "to": "Grüße ☃" } });
    let call = project.call(Method::POST, "/behaviours/emit").json(&event);
    call.send().await.of_function(200);
    let received = receiver.wait_for(1).await.remove(0);
    let body = String::from_utf8(received.body.to_vec()).unwrap();
    let headers = |timestamp: &str| {
        json!({
            "webhook-id": received.header("webhook-id"),
            "webhook-timestamp": timestamp,
            "webhook-signature": received.header("webhook-signature"),
        })
    };
    let sent = headers(received.header("webhook-timestamp"));
    let at: u64 = received.header("webhook-timestamp").parse().unwrap();
    let said = verify(&[
        json!({ "secret": made["secret"], "body": body, "headers": sent }),
        json!({ "secret": rotated["secret"], "body": body, "headers": sent }),
        json!({ "secret": made["secret"], "body": body.replace("17", "18"), "headers": sent }),
        json!({ "secret": made["secret"], "body": body, "headers": headers(&(at - 1).to_string()) }),
        json!({ "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "body": body, "headers": sent }),
    ]);
    for accepted in &said[..2] {
        let read: Value = serde_json::from_str(accepted).unwrap();
        assert_eq!(read["data"], event["payload"], "{accepted}");
    }
    for refused in &said[2..] {
        assert!(refused.starts_with("refused: "), "{refused}");
    }
    assert_eq!(said.len(), 5);
}
