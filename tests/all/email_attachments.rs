//! Files of the project that go with a message.

use http::Method;
use serde_json::{Value, json};

use super::email::{logged, message, send, shop};
use super::files::{allow, file, put};
use crate::support::{ALICE, BOB, Launch, MailServer, Project, TestApp};

/// A shop in which everybody who is signed in has their own files.
async fn shop_with_files(app: &TestApp) -> Project<'_> {
    let project = shop(app).await;
    let commands = ["select", "insert", "update", "delete"];
    allow(&project, "own", &commands, "user_id = auth.uid()").await;
    project
}

fn carrying(to: &str, paths: &[&str]) -> Value {
    let mut wanted = message(to);
    wanted["attach"] = json!(paths);
    wanted
}

/// The message's id, sent as that caller.
async fn sent_by(project: &Project<'_>, token: &str, wanted: &Value) -> String {
    let call = project.call(Method::POST, "/behaviours/mail").json(wanted);
    let answer = call.bearer(token).send().await.of_function(200).json();
    answer["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_go_with_a_message_as_they_were_when_it_was_sent() {
    let server = MailServer::start().await;
    let app = TestApp::launch(Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url)).await;
    let project = shop_with_files(&app).await;
    let alice = project.token(ALICE).await;
    put(&project, &alice, "bills/17.pdf", b"%PDF-1.7 \xff seventeen")
        .await
        .expect(201);
    put(&project, &alice, "a%20note.txt", b"thank you")
        .await
        .expect(201);

    // Refused for now at first: between the attempts the files are others, and gone.
    let wanted = carrying("later@example.com", &["bills/17.pdf", "a note.txt"]);
    let id = sent_by(&project, &alice, &wanted).await;
    logged(&project, &id, "deferred").await;
    put(&project, &alice, "bills/17.pdf", b"%PDF-1.7 another")
        .await
        .expect(200);
    let delete = file(&project, Method::DELETE, "a%20note.txt").bearer(&alice);
    delete.send().await.expect(204);
    let path = format!("/email/messages/{id}/resend");
    let again = project.control(Method::POST, &path).json(&json!({}));
    again.send().await.expect(204);
    logged(&project, &id, "sent").await;

    let taken = server.wait_for(1).await.remove(0);
    let kind = taken.header("Content-Type");
    assert!(kind.starts_with("multipart/mixed"), "{kind}");
    for expected in [
        "filename=\"17.pdf\"",
        "application/pdf",
        "JVBERi0xLjcg/yBzZXZlbnRlZW4=",
        "filename=\"a note.txt\"",
        "thank you",
    ] {
        assert!(taken.content.contains(expected), "{}", taken.content);
    }
}

#[tokio::test]
async fn nobody_sends_what_they_may_not_read() {
    let app = TestApp::shared_dev().await;
    let project = shop_with_files(&app).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    put(&project, &alice, "secret.txt", b"mine")
        .await
        .expect(201);
    let refused = async |paths: &[&str], status: u16, code: &str| {
        let wanted = carrying("ann@example.com", paths);
        let call = project.call(Method::POST, "/behaviours/mail").json(&wanted);
        let answer = call.bearer(&bob).send().await.of_function(status).json();
        assert_eq!(answer["code"], code, "{paths:?}: {answer}");
    };
    refused(&["secret.txt"], 404, "unknown_file").await;
    refused(&["nowhere.txt"], 404, "unknown_file").await;
    refused(&["../secret.txt"], 400, "invalid_path").await;
    refused(&["secret.txt"; 11], 429, "email_too_large").await;
    assert!(project.list("/email/messages").await.is_empty());

    let wanted = carrying("ann@example.com", &["secret.txt"]);
    let id = sent_by(&project, &alice, &wanted).await;
    logged(&project, &id, "sent").await;
    let path = format!("/mailbox/{id}");
    let kept = project.control(Method::GET, &path).send().await.expect(200);
    let attachment =
        json!({ "name": "secret.txt", "mime_type": "application/octet-stream", "size": 4 });
    assert_eq!(kept.json()["attachments"], json!([attachment]));
    let plain = send(&project, &message("ann@example.com")).await;
    logged(&project, &plain, "sent").await;
    let path = format!("/mailbox/{plain}");
    let kept = project.control(Method::GET, &path).send().await.expect(200);
    assert_eq!(kept.json()["attachments"], json!([]));
}
