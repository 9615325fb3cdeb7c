//! Mail servers as they are: behind STARTTLS and a login, with gray lists, connections that break and answers
//! that do not come; mail that is signed, and bounces that come back.

use http::Method;
use serde_json::{Value, json};

use super::email::{logged, message, send, shop};
use crate::support::{CommandLine, Launch, MailServer, Project, TestApp, certificate};

async fn app(server: &MailServer) -> TestApp {
    TestApp::launch(Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url)).await
}

#[tokio::test]
async fn mail_goes_over_starttls_after_a_login_and_not_without() {
    let server = MailServer::secured().await;
    let ca = certificate("one", "crt").display().to_string();
    let launch = Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url);
    let launch = launch.set("KOYALITE_SMTP_CA", &ca);
    let app = TestApp::launch(launch).await;
    let project = shop(&app).await;
    let id = send(&project, &message("ann@example.com")).await;
    logged(&project, &id, "sent").await;
    assert_eq!(server.taken().len(), 1);

    // With another password, or a certificate that nobody vouches for, it waits.
    let wrong = server.url.replace("p%40ss", "other");
    for (url, ca, said) in [
        (&wrong, Some(&ca), "535"),
        (&server.url, None, "certificate"),
    ] {
        let launch = Launch::serve().await.set("KOYALITE_SMTP_URL", url);
        let launch = match ca {
            Some(ca) => launch.set("KOYALITE_SMTP_CA", ca),
            None => launch,
        };
        let app = TestApp::launch(launch).await;
        let project = shop(&app).await;
        let id = send(&project, &message("ann@example.com")).await;
        let waits = logged(&project, &id, "deferred").await;
        let reason = waits["reason"].as_str().unwrap();
        assert!(reason.contains(said), "{waits}");
        assert!(!reason.contains("word"), "{waits}");
    }
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn one_connection_takes_one_message_after_the_other() {
    let server = MailServer::start().await;
    let app = app(&server).await;
    let project = shop(&app).await;
    for _ in 0..3 {
        let id = send(&project, &message("ann@example.com")).await;
        logged(&project, &id, "sent").await;
    }
    assert_eq!(server.connections(), 1);
    // After a refusal it is another one: where the first stands is not worth finding out.
    let unknown = send(&project, &message("unknown@example.com")).await;
    logged(&project, &unknown, "bounced").await;
    let id = send(&project, &message("ann@example.com")).await;
    logged(&project, &id, "sent").await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_gray_list_is_outlived_and_a_silent_server_delays_nobody_else() {
    let server = MailServer::start().await;
    let app = app(&server).await;
    let project = shop(&app).await;
    let silent = send(&project, &message("silent@example.com")).await;
    let later = send(&project, &message("later@example.com")).await;
    let ann = send(&project, &message("ann@example.com")).await;
    logged(&project, &ann, "sent").await;
    let deferred = logged(&project, &later, "deferred").await;
    assert_eq!(deferred["smtp_status"], 451);
    // As a minute later.
    let client = app.launch.database().connect().await;
    let due = "UPDATE koyalite.email_logs SET next_attempt_at = now() WHERE status = 'deferred'";
    client.execute(due, &[]).await.unwrap();
    let sent = logged(&project, &later, "sent").await;
    assert_eq!(
        (&sent["attempts"], &sent["ambiguous"]),
        (&json!(2), &json!(false))
    );
    let late = logged(&project, &silent, "deferred").await;
    assert!(
        late["reason"].as_str().unwrap().contains("in time"),
        "{late}"
    );
}

#[tokio::test]
async fn what_breaks_off_in_its_content_is_ambiguous_and_sent_again_only_when_asked() {
    let server = MailServer::start().await;
    let app = app(&server).await;
    let project = shop(&app).await;
    for name in ["half", "drop"] {
        let to = format!("{name}@example.com");
        let id = send(&project, &message(&to)).await;
        let marked = logged(&project, &id, "failed").await;
        assert_eq!(marked["ambiguous"], true, "{marked}");
        assert_eq!(server.tries(&to), 1);
        let path = format!("/email/messages/{id}/resend");
        let again = project.control(Method::POST, &path).json(&json!({}));
        again.send().await.expect(204);
        logged(&project, &id, "failed").await;
        assert_eq!(server.tries(&to), 2);
    }
}

async fn sender(project: &Project<'_>) -> String {
    let senders = project.list("/email/senders").await;
    format!("/email/senders/{}", senders[0]["id"].as_str().unwrap())
}

async fn put(project: &Project<'_>, path: &str, body: Value) -> Value {
    let call = project.control(Method::PUT, path).json(&body);
    call.send().await.expect(200).json()
}

#[tokio::test]
async fn mail_is_signed_and_its_bounces_find_it() {
    let server = MailServer::start().await;
    let app = app(&server).await;
    let project = shop(&app).await;
    let sender = sender(&project).await;
    for wrong in [
        json!({ "selector": "K 1" }),
        json!({ "selector": "k1", "private_key": "none" }),
        json!({ "selector": "k1", "algorithm": "rsa-sha1" }),
    ] {
        let call = project
            .control(Method::PUT, &format!("{sender}/dkim"))
            .json(&wrong);
        call.send().await.problem(400, "invalid_field");
    }
    let wanted = json!({ "selector": "k1", "algorithm": "ed25519-sha256" });
    let signed = put(&project, &format!("{sender}/dkim"), wanted).await;
    assert_eq!(signed["record_name"], "k1._domainkey.shop.example");
    assert!(
        signed["record"]
            .as_str()
            .unwrap()
            .starts_with("v=DKIM1; k=ed25519; p=")
    );
    let path = json!({ "address": "bounces@shop.example" });
    put(&project, &format!("{sender}/return-path"), path).await;
    let listed = project.list("/email/senders").await.remove(0);
    assert_eq!(listed["dkim"], signed);
    assert!(!listed.to_string().contains("dkim_key"), "{listed}");

    let id = send(&project, &message("ann@example.com")).await;
    logged(&project, &id, "sent").await;
    let taken = server.taken().remove(0);
    let simple = id.replace('-', "");
    assert_eq!(taken.from, format!("bounces+{simple}@shop.example"));
    let signature = taken.header("DKIM-Signature");
    for part in [
        "a=ed25519-sha256",
        "d=shop.example",
        "s=k1",
        "c=relaxed/relaxed",
    ] {
        assert!(signature.contains(part), "{signature}");
    }
    bounces_are_noted(&app, &project, (&id, &taken.from)).await;

    let unsign = project.control(Method::DELETE, &format!("{sender}/dkim"));
    unsign.json(&json!({})).send().await.expect(204);
    let id = send(&project, &message("bob@example.com")).await;
    logged(&project, &id, "sent").await;
    assert!(!server.taken()[1].content.contains("DKIM-Signature"));
}

fn notification(to: &str, action: &str, status: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nContent-Type: multipart/report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; nobody of that name\r\n\r\n--b--\r\n"
    )
}

async fn bounces_are_noted(app: &TestApp, project: &Project<'_>, (id, to): (&str, &str)) {
    let hand_in = async |text: String| {
        let call = project.control(Method::POST, "/email/bounces");
        let call = call.header("content-type", "message/rfc822");
        call.body(text).send().await
    };
    let delayed = hand_in(notification(to, "delayed", "4.4.1"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&delayed["bounced"], &delayed["message"]),
        (&json!(false), &json!(id))
    );
    logged(project, id, "sent").await;
    let stranger = "bounces+0198c5d400007000800000000000000f@shop.example";
    let unknown = hand_in(notification(stranger, "failed", "5.1.1")).await;
    unknown.problem(404, "unknown_message");
    let reply = format!("To: {to}\r\nSubject: Re: hi\r\n\r\nThank you.\r\n");
    hand_in(reply).await.problem(400, "invalid_field");
    hand_in("a".repeat(300 << 10))
        .await
        .problem(413, "body_too_large");

    let cli = CommandLine::of(app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let text = notification(to, "failed", "5.1.1");
    std::fs::write(folder.path().join("bounce.eml"), text).unwrap();
    let said = cli
        .run(folder.path(), &["email", "bounce", "bounce.eml"])
        .await
        .expect(0);
    assert!(
        said.contains("bounced") && said.contains("no more mail"),
        "{said}"
    );
    let bounced = logged(project, id, "bounced").await;
    assert!(
        bounced["reason"]
            .as_str()
            .unwrap()
            .contains("nobody of that name"),
        "{bounced}"
    );
    let listed = project.list("/email/suppressions").await;
    assert_eq!(listed[0]["address"], "ann@example.com");
    let said = cli
        .run(
            folder.path(),
            &[
                "email",
                "sign",
                "shop@shop.example",
                "--selector",
                "k2",
                "--algorithm",
                "ed25519-sha256",
            ],
        )
        .await
        .expect(0);
    assert!(said.contains("k2._domainkey.shop.example"), "{said}");
}
