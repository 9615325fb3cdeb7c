//! Passwords changed and forgotten: codes by mail, good once, at the door where they were asked for.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Launch, MailServer, Project, TestApp};

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "another horse battery";

struct Door<'a> {
    app: &'a TestApp,
    project: Project<'a>,
    mail: MailServer,
}

impl<'a> Door<'a> {
    /// A project with sign-up, which sends mail, and a page for who has forgotten their password.
    async fn open(app: &'a TestApp, mail: MailServer) -> Door<'a> {
        let project = app.project().await;
        let door = Door { app, project, mail };
        let sender = json!({ "address": "shop@shop.example", "name": "The shop" });
        door.set(Method::POST, "/email/senders", sender, 201).await;
        door.set(Method::PUT, "/sign-up", json!({ "enabled": true }), 200)
            .await;
        let page = json!({ "settings": { "password_reset_url": "https://shop.example/reset" } });
        door.set(Method::PATCH, "", page, 200).await;
        door
    }

    async fn set(&self, method: Method, path: &str, body: Value, status: u16) {
        let call = self.project.control(method, path).json(&body);
        call.send().await.expect(status);
    }

    async fn ask(&self, action: &str, body: Value) -> Answer {
        let path = format!("/auth/{}/{action}", self.project.name);
        self.app.call(Method::POST, &path).json(&body).send().await
    }

    async fn sign(&self, action: &str, email: &str, password: &str) -> Answer {
        self.ask(action, json!({ "email": email, "password": password }))
            .await
    }

    /// The code in the last of so many mails.
    async fn code(&self, mails: usize) -> String {
        let taken = self.mail.wait_for(mails).await;
        let content = &taken.last().unwrap().content;
        let unfolded = content.replace("=\r\n", "").replace("=3D", "=");
        let (_, after) = unfolded.split_once("/reset#token=").unwrap();
        after.split_whitespace().next().unwrap().to_owned()
    }
}

async fn app_with_mail() -> (TestApp, MailServer) {
    let server = MailServer::start().await;
    let launch = Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url);
    let launch = launch.set("KOYALITE_MAIL_FROM", "koyalite@ops.example");
    (TestApp::launch(launch).await, server)
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_code_that_is_good_once() {
    let (app, mail) = app_with_mail().await;
    let door = Door::open(&app, mail).await;
    let email = "ann@example.com";
    let signed = door
        .sign("sign-up", email, PASSWORD)
        .await
        .expect(201)
        .json();
    let refresh = signed["refresh_token"].clone();
    // Whoever asks learns nothing: the same answer for who is there and who is not.
    let nobody = door
        .ask("password/forgot", json!({ "email": "no@example.com" }))
        .await;
    let known = door
        .ask("password/forgot", json!({ "email": "Ann@example.com" }))
        .await;
    assert_eq!((nobody.status, nobody.text()), (204, String::new()));
    assert_eq!((known.status, known.text()), (204, String::new()));
    let code = door.code(1).await;
    assert_eq!(door.mail.wait_for(1).await[0].to, email);

    let reset = async |token: &str, password: &str| {
        door.ask(
            "password/reset",
            json!({ "token": token, "password": password }),
        )
        .await
    };
    reset("made up", OTHER).await.problem(401, "invalid_token");
    reset(&code, "short").await.problem(400, "invalid_field");
    // Elsewhere it is nothing.
    let control = json!({ "token": code, "password": OTHER });
    let control = app
        .control(Method::POST, "/v1/auth/password/reset")
        .json(&control);
    control.send().await.problem(401, "invalid_token");
    reset(&code, OTHER).await.expect(204);
    reset(&code, OTHER).await.problem(401, "invalid_token");
    door.sign("sign-in", email, PASSWORD)
        .await
        .problem(401, "wrong_credentials");
    door.sign("sign-in", email, OTHER).await.expect(200);
    let over = door
        .ask("refresh", json!({ "refresh_token": refresh }))
        .await;
    over.problem(401, "session_over");
    let actions = door.project.list("/audit?limit=1000").await;
    let actions: Vec<_> = actions.iter().map(|one| one["action"].clone()).collect();
    for expected in ["password.forgotten", "password.reset"] {
        assert!(actions.contains(&json!(expected)), "{actions:?}");
    }
}

#[tokio::test]
async fn a_later_code_ends_the_one_before_and_too_many_are_refused() {
    let (app, mail) = app_with_mail().await;
    let door = Door::open(&app, mail).await;
    door.sign("sign-up", "ben@example.com", PASSWORD)
        .await
        .expect(201);
    let forgot = async || {
        door.ask("password/forgot", json!({ "email": "ben@example.com" }))
            .await
    };
    forgot().await.expect(204);
    let first = door.code(1).await;
    forgot().await.expect(204);
    let second = door.code(2).await;
    let reset = async |token: &str| {
        door.ask(
            "password/reset",
            json!({ "token": token, "password": OTHER }),
        )
        .await
    };
    reset(&first).await.problem(401, "invalid_token");
    reset(&second).await.expect(204);
    forgot().await.expect(204);
    let refused = forgot().await;
    refused.problem(429, "too_many_requests");
    // The same for an address that nobody has.
    let nobody = async || {
        door.ask("password/forgot", json!({ "email": "no@example.com" }))
            .await
    };
    for _ in 0..3 {
        nobody().await.expect(204);
    }
    nobody().await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn an_operators_password_is_reset_at_the_control_api_and_at_no_projects_door() {
    let (app, mail) = app_with_mail().await;
    let door = Door::open(&app, mail).await;
    let email = "ops@example.com";
    let user = json!({ "email": email, "password": PASSWORD, "role": "developer" });
    app.control(Method::POST, "/v1/users")
        .json(&user)
        .send()
        .await
        .expect(201);
    door.sign("sign-in", email, PASSWORD).await.expect(200);
    door.ask("password/forgot", json!({ "email": email }))
        .await
        .expect(204);
    let control = async |path: &str, body: Value| {
        let path = format!("/v1/auth/{path}");
        app.control(Method::POST, &path).json(&body).send().await
    };
    control("password/forgot", json!({ "email": email }))
        .await
        .expect(204);
    let taken = door.mail.wait_for(1).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].header("From").contains("koyalite@ops.example"));
    let unfolded = taken[0].content.replace("=\r\n", "").replace("=3D", "=");
    let (_, after) = unfolded.split_once("Enter this code:").unwrap();
    let code = after.split_whitespace().next().unwrap();
    let reset = json!({ "token": code, "password": OTHER });
    control("password/reset", reset).await.expect(204);
    let sign_in = json!({ "email": email, "password": OTHER });
    control("sign-in", sign_in).await.expect(200);
}

#[tokio::test]
async fn a_user_of_functions_changes_their_password_and_their_other_sessions_end() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let on = project
        .control(Method::PUT, "/sign-up")
        .json(&json!({ "enabled": true }));
    on.send().await.expect(200);
    let ask = async |action: &str, body: Value, token: Option<&Value>| {
        let path = format!("/auth/{}/{action}", project.name);
        let call = app.call(Method::POST, &path).json(&body);
        let bearer =
            |call: crate::support::Call, token: &Value| call.bearer(token.as_str().unwrap());
        token.into_iter().fold(call, bearer).send().await
    };
    let email = format!("cleo@{}.example", project.name);
    let claimed = |password: &str| json!({ "email": email, "password": password });
    let first = ask("sign-up", claimed(PASSWORD), None)
        .await
        .expect(201)
        .json();
    let second = ask("sign-in", claimed(PASSWORD), None)
        .await
        .expect(200)
        .json();
    let change = |current: &str| json!({ "current": current, "new": OTHER });
    let token = &second["access_token"];
    ask("password", change(PASSWORD), None)
        .await
        .problem(401, "unauthorized");
    let wrong = ask("password", change("not this one"), Some(token)).await;
    wrong.problem(401, "wrong_credentials");
    ask("password", change(PASSWORD), Some(token))
        .await
        .expect(204);
    ask("sign-in", claimed(PASSWORD), None)
        .await
        .problem(401, "wrong_credentials");
    let refresh = |of: &Value| json!({ "refresh_token": of["refresh_token"] });
    ask("refresh", refresh(&first), None)
        .await
        .problem(401, "session_over");
    ask("refresh", refresh(&second), None).await.expect(200);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_the_door_and_others_may_not() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let page = "https://shop.example";
    let settings = json!({ "settings": { "allowed_origins": [page] } });
    let patch = project.control(Method::PATCH, "").json(&settings);
    patch.send().await.expect(200);
    let path = format!("/auth/{}/sign-in", project.name);
    let ask = async |method: Method, origin: &str| {
        let body = json!({ "email": "a@b.example", "password": PASSWORD });
        let call = app.call(method, &path).header("origin", origin).json(&body);
        call.send().await
    };
    let first = ask(Method::OPTIONS, page).await;
    assert_eq!(first.status, 204);
    assert_eq!(first.header("access-control-allow-origin"), page);
    assert_eq!(first.header("access-control-allow-methods"), "POST");
    assert!(
        first
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    // A refusal can be read by the page too.
    let refused = ask(Method::POST, page).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), page);
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "null",
    ] {
        for method in [Method::OPTIONS, Method::POST] {
            let other = ask(method, origin).await;
            assert!(
                !other.headers.contains_key("access-control-allow-origin"),
                "{origin}"
            );
            assert_eq!(other.header("vary"), "origin");
        }
    }
    // The same door at the project's own host.
    let host = format!("{}.localhost", project.name);
    let request = format!(
        "OPTIONS /auth/sign-in HTTP/1.1\r\nhost: {host}\r\norigin: {page}\r\nconnection: close\r\n\r\n"
    );
    let answer = crate::support::raw(app.functions_authority(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: https://shop.example"),
        "{answer}"
    );
}
