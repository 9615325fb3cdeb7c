//! Mails about forgotten passwords in the words of a project and of the installation, and the commands by
//! which an operator asks for one and spends its code.

use http::Method;
use serde_json::json;

use crate::support::{CommandLine, Launch, MailServer, TestApp};

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "another horse battery";

/// What a mail says, as it was written.
fn unfolded(content: &str) -> String {
    content.replace("=\r\n", "").replace("=3D", "=")
}

async fn app(words: Option<&str>) -> (TestApp, MailServer) {
    let server = MailServer::start().await;
    let launch = Launch::serve().await.set("KOYALITE_SMTP_URL", &server.url);
    let launch = launch.set("KOYALITE_MAIL_FROM", "koyalite@ops.example");
    let launch = match words {
        None => launch,
        Some(words) => {
            let file = launch.folder().join("reset.toml");
            std::fs::write(&file, words).unwrap();
            launch.set("KOYALITE_PASSWORD_RESET_TEMPLATE", file.to_str().unwrap())
        }
    };
    (TestApp::launch(launch).await, server)
}

#[tokio::test]
async fn a_project_writes_its_own_words_about_forgotten_passwords() {
    let (app, mail) = app(None).await;
    let project = app.project_named("shop").await;
    let set = async |method: Method, path: &str, body| {
        project.control(method, path).json(&body).send().await
    };
    let sender = json!({ "address": "shop@shop.example", "name": "The shop" });
    set(Method::POST, "/email/senders", sender)
        .await
        .expect(201);
    let page = json!({ "settings": { "password_reset_url": "https://shop.example/reset" } });
    set(Method::PATCH, "", page).await.expect(200);
    set(Method::PUT, "/sign-up", json!({ "enabled": true }))
        .await
        .expect(200);
    let template = "/email/templates/password-reset";
    let silent = json!({ "subject": "Hello", "text": "Have another password." });
    let refused = set(Method::PUT, template, silent).await;
    let refused = refused.problem(400, "invalid_field").to_string();
    assert!(refused.contains("{{code}} or {{link}}"), "{refused}");
    let words =
        json!({ "subject": "Your key to {{name}}", "text": "{{email}}: {{link}} ({{minutes}})" });
    set(Method::PUT, template, words).await.expect(200);

    let door = async |action: &str, body| {
        let path = format!("/auth/shop/{action}");
        app.call(Method::POST, &path).json(&body).send().await
    };
    let email = "ann@example.com";
    let claimed = json!({ "email": email, "password": PASSWORD });
    door("sign-up", claimed).await.expect(201);
    door("password/forgot", json!({ "email": email }))
        .await
        .expect(204);
    let taken = mail.wait_for(1).await;
    assert_eq!(taken[0].header("Subject"), "Your key to shop");
    let said = unfolded(&taken[0].content);
    let (_, after) = said
        .split_once("ann@example.com: https://shop.example/reset#token=")
        .unwrap();
    let (code, rest) = after.split_once(' ').unwrap();
    assert!(rest.starts_with("(30)"), "{rest}");
    let reset = json!({ "token": code, "password": OTHER });
    door("password/reset", reset).await.expect(204);
    let sent = project.list("/email/messages").await;
    assert_eq!(sent[0]["template"], "password-reset", "{sent:?}");
}

#[tokio::test]
async fn an_operator_resets_and_changes_a_password_on_the_command_line() {
    let words = "subject = \"Ops\"\ntext = \"\"\"Code of the house:\n{{code}}\n\"\"\"";
    let (app, mail) = app(Some(words)).await;
    let email = "ops@example.com";
    let user = json!({ "email": email, "password": PASSWORD, "role": "developer" });
    let made = app.control(Method::POST, "/v1/users").json(&user);
    made.send().await.expect(201);
    let home = tempfile::tempdir().unwrap();
    let shell = CommandLine::person(&app, "demo", home.path());
    let run = async |line: &str| shell.shell(home.path(), line).await;

    let said = run(&format!("koyalite password forgot {email}")).await;
    assert!(said.expect(0).contains("koyalite password reset"));
    let taken = mail.wait_for(1).await;
    assert_eq!(taken[0].header("Subject"), "Ops");
    let said = unfolded(&taken[0].content);
    let (_, after) = said.split_once("Code of the house:").unwrap();
    let code = after.split_whitespace().next().unwrap();
    let reset = |code: &str| format!("printf '%s\\n' {code} '{OTHER}' | koyalite password reset");
    run(&reset("made-up")).await.expect(1);
    run(&reset(code)).await.expect(0);
    run(&reset(code)).await.expect(1);
    let login = async |password: &str| {
        let line = format!("echo '{password}' | koyalite login {email}");
        run(&line).await
    };
    login(PASSWORD).await.expect(1);
    login(OTHER).await.expect(0);
    let change = format!("printf '%s\\n' '{OTHER}' '{PASSWORD}' | koyalite password change");
    run(&change).await.expect(0);
    run("koyalite whoami").await.expect(0);
    login(OTHER).await.expect(1);
    login(PASSWORD).await.expect(0);
    run("koyalite logout").await.expect(0);
    run(&change).await.expect(2);
}
