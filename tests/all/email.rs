//! Mail, from a function to a mail server on loopback that answers as scripted, or to the local mailbox.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, CommandLine, Launch, MailServer, Project, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(90);

/// A project that sends as `shop@shop.example`, and in which everybody may write to example.com.
pub(crate) async fn shop(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.deploy("behaviours").await;
    let policies = [
        json!({ "name": "send", "table": "koyalite_email", "commands": ["insert"],
            "check": "recipient_domain = 'example.com'" }),
        json!({ "name": "look", "table": "koyalite_email", "commands": ["select"], "using": "true" }),
    ];
    for policy in policies {
        let call = project.control(Method::POST, "/policies").json(&policy);
        call.send().await.expect(201);
    }
    let sender = json!({ "address": "shop@shop.example", "name": "The shop" });
    let call = project
        .control(Method::POST, "/email/senders")
        .json(&sender);
    call.send().await.expect(201);
    project
}

pub(crate) fn message(to: &str) -> Value {
    json!({ "to": to, "subject": "Grüße", "text": "It is on its way." })
}

pub(crate) async fn send(project: &Project<'_>, message: &Value) -> String {
    let call = project.call(Method::POST, "/behaviours/mail").json(message);
    let answer = call.send().await.of_function(200).json();
    answer["id"].as_str().unwrap().to_owned()
}

async fn refused(project: &Project<'_>, message: &Value, status: u16, code: &str) {
    let call = project.call(Method::POST, "/behaviours/mail").json(message);
    let answer = call.send().await.of_function(status).json();
    assert_eq!(answer["code"], code, "{message}: {answer}");
}

/// The message in the log, once it has come to that.
pub(crate) async fn logged(project: &Project<'_>, id: &str, status: &str) -> Value {
    eventually("a message comes to that", PATIENCE, async || {
        let all = project.list("/email/messages").await;
        all.into_iter()
            .find(|one| one["id"] == id && one["status"] == status)
    })
    .await
}

#[tokio::test]
async fn a_message_arrives_with_its_headers_and_is_forgotten_here() {
    let server = MailServer::start().await;
    let app = TestApp::launch(Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url)).await;
    let project = shop(&app).await;
    let mut wanted = message("ann@example.com");
    wanted["html"] = json!("<p>It is on its way.</p>");
    wanted["reply_to"] = json!("help@shop.example");
    let id = send(&project, &wanted).await;
    let taken = server.wait_for(1).await.remove(0);
    assert_eq!(taken.to, "ann@example.com");
    assert_eq!(taken.header("From"), "\"The shop\" <shop@shop.example>");
    assert_eq!(taken.header("Reply-To"), "help@shop.example");
    assert!(
        taken
            .header("Content-Type")
            .starts_with("multipart/alternative")
    );
    assert!(taken.header("Subject").starts_with("=?utf-8?"));
    let simple = id.replace('-', "");
    assert_eq!(
        taken.header("Message-ID"),
        format!("<{simple}@shop.example>")
    );
    let logged = logged(&project, &id, "sent").await;
    assert_eq!(
        (&logged["attempts"], &logged["to"]),
        (&json!(1), &json!("ann@example.com"))
    );
    let status = project.fetch(&format!("/behaviours/mailed/{id}")).await;
    assert_eq!(status.of_function(200).json()["state"], "State::Sent");
    // What it said is nobody's to read any more.
    let path = format!("/mailbox/{id}");
    project
        .control(Method::GET, &path)
        .send()
        .await
        .problem(404, "unknown_message");

    what_the_server_answers_decides(&project, &server).await;
    what_cannot_be_mail_is_refused(&project).await;
    rolled_back_mail_is_never_sent(&project, &server).await;
}

async fn what_the_server_answers_decides(project: &Project<'_>, server: &MailServer) {
    let unknown = send(project, &message("unknown@example.com")).await;
    let bounced = logged(project, &unknown, "bounced").await;
    assert_eq!(bounced["smtp_status"], 550, "{bounced}");
    let again = send(project, &message("Unknown@example.com")).await;
    logged(project, &again, "suppressed").await;
    assert_eq!(
        server.tries("Unknown@example.com"),
        0,
        "it is not asked again"
    );
    let listed = project.list("/email/suppressions").await;
    assert_eq!(listed[0]["address"], "unknown@example.com");
    let path = "/email/suppressions/unknown@example.com";
    let lifted = project.control(Method::DELETE, path).json(&json!({}));
    lifted.send().await.expect(204);

    let spam = send(project, &message("spam@example.com")).await;
    assert_eq!(logged(project, &spam, "failed").await["smtp_status"], 554);
    let dropped = send(project, &message("drop@example.com")).await;
    let marked = logged(project, &dropped, "failed").await;
    assert!(
        marked["reason"].as_str().unwrap().starts_with("ambiguous"),
        "{marked}"
    );
    assert_eq!(
        server.tries("drop@example.com"),
        1,
        "it is not sent again by itself"
    );

    let later = send(project, &message("later@example.com")).await;
    let deferred = logged(project, &later, "deferred").await;
    assert_eq!(deferred["smtp_status"], 451);
    assert!(deferred["next_attempt_at"].is_string());
    let path = format!("/email/messages/{later}/resend");
    let again = project.control(Method::POST, &path).json(&json!({}));
    again.send().await.expect(204);
    logged(project, &later, "sent").await;
    assert_eq!(server.tries("later@example.com"), 2);
}

async fn what_cannot_be_mail_is_refused(project: &Project<'_>) {
    refused(project, &message("ann@other.example"), 403, "check_failed").await;
    for to in [
        "ann",
        "ann@example.com\r\nBcc: bob@example.com",
        "a@b.c, d@e.f",
        "Ann <ann@example.com>",
    ] {
        refused(project, &message(to), 400, "invalid_value").await;
    }
    let mut two_headers = message("ann@example.com");
    two_headers["subject"] = json!("Hi\r\nBcc: bob@example.com");
    refused(project, &two_headers, 400, "invalid_value").await;
    let mut large = message("ann@example.com");
    large["text"] = json!("a".repeat(600 << 10));
    refused(project, &large, 429, "email_too_large").await;
    let mut other = message("ann@example.com");
    other["from"] = json!("boss@bank.example");
    refused(project, &other, 404, "unknown_sender").await;
    let mut keyed = message("ann@example.com");
    keyed["key"] = json!("k1");
    let first = send(project, &keyed).await;
    assert_eq!(send(project, &keyed).await, first);
    keyed["text"] = json!("other words");
    refused(project, &keyed, 409, "idempotency_conflict").await;
}

async fn rolled_back_mail_is_never_sent(project: &Project<'_>, server: &MailServer) {
    let path = "/behaviours/mail?end=rollback";
    let call = project
        .call(Method::POST, path)
        .json(&message("never@example.com"));
    call.send().await.of_function(200);
    let path = "/behaviours/mail?end=commit";
    let call = project
        .call(Method::POST, path)
        .json(&message("ever@example.com"));
    let id = call.send().await.of_function(200).json()["id"].clone();
    logged(project, id.as_str().unwrap(), "sent").await;
    assert_eq!(server.tries("never@example.com"), 0);
}

#[tokio::test]
async fn templates_are_filled_in_and_dev_keeps_mail_in_its_mailbox() {
    let app = TestApp::shared_dev().await;
    let project = shop(&app).await;
    let template = json!({ "subject": "Order {{order}}", "html": "<p>Dear {{customer.name}}</p>" });
    let path = "/email/templates/order-sent";
    let put = project.control(Method::PUT, path).json(&template);
    put.send().await.expect(200);
    let values = json!({ "order": 17, "customer": { "name": "Ann <3" } });
    let preview = project.control(Method::POST, &format!("{path}/preview"));
    let preview = preview.json(&json!({ "values": values })).send().await;
    let expected = json!({
        "subject": "Order 17", "text": "Dear Ann <3", "html": "<p>Dear Ann &lt;3</p>",
    });
    assert_eq!(preview.expect(200).json(), expected);
    let wanted = json!({ "to": "ann@example.com", "template": "order-sent", "values": values });
    let id = send(&project, &wanted).await;
    logged(&project, &id, "sent").await;
    let caught = project.get(&format!("/mailbox/{id}")).await;
    for field in ["subject", "text", "html"] {
        assert_eq!(caught[field], expected[field], "{field}");
    }
    assert_eq!(caught["template"], "order-sent");
    let mut lacking = wanted.clone();
    lacking["values"] = json!({ "order": 17 });
    refused(&project, &lacking, 400, "template_values").await;
    lacking["template"] = json!("nothing");
    refused(&project, &lacking, 404, "unknown_template").await;
    let bad = json!({ "subject": "a\nb", "text": "{{#if a}}" });
    let put = project.control(Method::PUT, path).json(&bad).send().await;
    let problem = put.problem(400, "invalid_field");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");

    let cli = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| cli.run(folder.path(), arguments).await.expect(0);
    assert!(run(&["mailbox"]).await.contains("Order 17"));
    assert!(run(&["mailbox", &id]).await.contains("Dear Ann <3"));
    assert!(
        run(&["email", "--status", "sent"])
            .await
            .contains("ann@example.com")
    );
    assert!(
        run(&["email", "senders"])
            .await
            .contains("shop@shop.example")
    );
    std::fs::write(folder.path().join("a.txt"), "Hello {{name}}").unwrap();
    let made = run(&[
        "email",
        "put-template",
        "hello",
        "--subject",
        "Hi",
        "--text",
        "a.txt",
    ])
    .await;
    assert_eq!(made.trim(), "hello: Hi");
    assert!(run(&["email", "templates"]).await.contains("hello"));
}

#[tokio::test]
async fn without_a_policy_a_sender_or_a_server_nothing_is_sent() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    refused(&project, &message("ann@example.com"), 403, "no_policy").await;
    let policy = json!({ "name": "own", "table": "koyalite_email", "commands": ["insert"],
        "check": "user_id = auth.uid()" });
    let call = project.control(Method::POST, "/policies").json(&policy);
    call.send().await.expect(201);
    refused(
        &project,
        &message("ann@example.com"),
        403,
        "denied_by_claims",
    )
    .await;
    let token = project.token(ALICE).await;
    let as_alice = async |status: u16| {
        let call = project
            .call(Method::POST, "/behaviours/mail")
            .bearer(&token);
        let answer = call.json(&message("ann@example.com")).send().await;
        answer.of_function(status).json()
    };
    assert_eq!(as_alice(404).await["code"], "unknown_sender");
    let sender = json!({ "address": "not an address" });
    let call = project
        .control(Method::POST, "/email/senders")
        .json(&sender);
    call.send().await.problem(400, "invalid_field");
    let sender = json!({ "address": "shop@shop.example" });
    for status in [201, 409] {
        let call = project
            .control(Method::POST, "/email/senders")
            .json(&sender);
        call.send().await.expect(status);
    }
    let id = as_alice(200).await["id"].as_str().unwrap().to_owned();
    let failed = logged(&project, &id, "failed").await;
    assert!(
        failed["reason"].as_str().unwrap().contains("smtp_url"),
        "{failed}"
    );
    assert_eq!(failed["user_id"], ALICE);
}
