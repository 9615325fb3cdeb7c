//! People through the front door: operators who sign in, and users of a project's functions, who do so
//! at another door with tokens that open no other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CommandLine, Launch, Project, TestApp, own_rows};

const PASSWORD: &str = "correct horse battery";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A project whose table belongs to whoever wrote the row, with sign-up on.
async fn open_project(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let on = project
        .control(Method::PUT, "/sign-up")
        .json(&json!({ "enabled": true }));
    on.send().await.expect(200);
    project
}

/// A request at the project's door.
async fn door(app: &TestApp, project: &Project<'_>, action: &str, body: Value) -> Answer {
    let path = format!("/auth/{}/{action}", project.name);
    app.call(Method::POST, &path).json(&body).send().await
}

fn claimed(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

async fn user(app: &TestApp, project: &Project<'_>, token: &str) -> Answer {
    let path = format!("/auth/{}/user", project.name);
    app.call(Method::GET, &path).bearer(token).send().await
}

#[tokio::test]
async fn a_user_of_a_function_signs_up_and_policies_know_them() {
    let app = TestApp::shared().await;
    let project = open_project(&app).await;
    let signed = door(&app, &project, "sign-up", claimed("reader@example.org")).await;
    let signed = signed.expect(201).json();
    let (token, id) = (text(&signed["access_token"]), text(&signed["user"]["id"]));
    assert_eq!(signed["user"]["role"], "member");

    let row = json!({ "table": "notes", "rows": [{ "owner_id": id, "title": "mine" }] });
    let insert = async |token: &str, row: &Value| {
        let call = project
            .call(Method::POST, "/behaviours/insert")
            .bearer(token);
        call.json(row).send().await.status
    };
    assert_eq!(
        insert(&token, &row).await,
        200,
        "auth.uid() is the user's id"
    );
    let team = json!({
        "name": "editors", "table": "notes", "commands": ["select"], "roles": ["viewer"],
        "using": "title = 'mine'",
    });
    project
        .control(Method::POST, "/policies")
        .json(&team)
        .send()
        .await
        .expect(201);
    let other = door(&app, &project, "sign-up", claimed("other@example.org"))
        .await
        .expect(201);
    let other = text(&other.json()["access_token"]);
    assert_eq!(
        crate::policies::titles(&project, &token).await,
        json!(["mine"])
    );
    assert_eq!(crate::policies::titles(&project, &other).await, json!([]));
    // A role in the project is the claim that policies are narrowed by, from the next token on.
    let put = project.control(Method::PUT, "/members/other@example.org");
    put.json(&json!({ "role": "viewer" }))
        .send()
        .await
        .expect(200);
    let again = door(&app, &project, "sign-in", claimed("Other@Example.org"))
        .await
        .expect(200);
    let again = text(&again.json()["access_token"]);
    assert_eq!(
        crate::policies::titles(&project, &again).await,
        json!(["mine"])
    );
    assert_eq!(
        user(&app, &project, &again).await.expect(200).json()["role"],
        "viewer"
    );
}

#[tokio::test]
async fn no_token_opens_another_door() {
    let app = TestApp::shared().await;
    let (project, elsewhere) = (open_project(&app).await, open_project(&app).await);
    let signed = door(&app, &project, "sign-up", claimed("doors@example.org"))
        .await
        .expect(201);
    let users = signed.json();
    let token = text(&users["access_token"]);
    let operator = app.control(Method::POST, "/v1/auth/sign-in").anonymous();
    let operator = operator
        .json(&claimed("doors@example.org"))
        .send()
        .await
        .expect(200)
        .json();
    let control = text(&operator["access_token"]);

    let whoami = async |project: &Project<'_>, token: &str| {
        project
            .call(Method::GET, "/behaviours/whoami")
            .bearer(token)
            .send()
            .await
            .status
    };
    assert_eq!(whoami(&project, &token).await, 200);
    assert_eq!(whoami(&project, &control).await, 401);
    assert_eq!(whoami(&elsewhere, &token).await, 401);
    user(&app, &project, &control)
        .await
        .problem(401, "invalid_token");
    user(&app, &elsewhere, &token)
        .await
        .problem(401, "invalid_token");
    let asked = app
        .control(Method::GET, "/v1/auth/user")
        .bearer(&token)
        .send()
        .await;
    asked.problem(401, "invalid_token");
    // Neither do refresh tokens.
    let refresh = |of: &Value| json!({ "refresh_token": of["refresh_token"] });
    let swapped = door(&app, &project, "refresh", refresh(&operator)).await;
    swapped.problem(401, "session_over");
    let swapped = door(&app, &elsewhere, "refresh", refresh(&users)).await;
    swapped.problem(401, "session_over");
    let swapped = app.control(Method::POST, "/v1/auth/refresh").anonymous();
    swapped
        .json(&refresh(&users))
        .send()
        .await
        .problem(401, "session_over");
    door(&app, &project, "refresh", refresh(&users))
        .await
        .expect(200);
    // A token that no signing in has made is a user's for functions, and has no session.
    let minted = project.token(&text(&users["user"]["id"])).await;
    assert_eq!(whoami(&project, &minted).await, 200);
    user(&app, &project, &minted)
        .await
        .problem(401, "invalid_token");
}

#[tokio::test]
async fn a_project_decides_who_may_sign_up_and_who_is_out() {
    let app = TestApp::shared().await;
    let (open, closed) = (open_project(&app).await, app.project().await);
    let mail = "member@example.org";
    let refused = door(&app, &closed, "sign-up", claimed(mail)).await;
    refused.problem(403, "forbidden");
    let signed = door(&app, &open, "sign-up", claimed(mail))
        .await
        .expect(201)
        .json();
    door(&app, &open, "sign-up", claimed(mail))
        .await
        .problem(409, "already_exists");
    door(&app, &closed, "sign-in", claimed(mail))
        .await
        .problem(403, "forbidden");
    let wrong = json!({ "email": mail, "password": "not the one" });
    door(&app, &closed, "sign-in", wrong)
        .await
        .problem(401, "wrong_credentials");
    let put = closed.control(Method::PUT, &format!("/members/{mail}"));
    put.json(&json!({ "role": "member" }))
        .send()
        .await
        .expect(200);
    let inside = door(&app, &closed, "sign-in", claimed(mail))
        .await
        .expect(200)
        .json();

    // Out of one project, and still in the other.
    let out = closed
        .control(Method::DELETE, &format!("/members/{mail}"))
        .send()
        .await;
    out.expect(204);
    let refresh = |of: &Value| json!({ "refresh_token": of["refresh_token"] });
    door(&app, &closed, "refresh", refresh(&inside))
        .await
        .problem(401, "session_over");
    user(&app, &closed, &text(&inside["access_token"]))
        .await
        .problem(401, "session_over");
    let token = text(&signed["access_token"]);
    user(&app, &open, &token).await.expect(200);

    let path = format!("/auth/{}/sign-out", open.name);
    let sign_out = || app.call(Method::POST, &path).json(&json!({}));
    sign_out().send().await.problem(401, "unauthorized");
    sign_out().bearer(&token).send().await.expect(204);
    user(&app, &open, &token).await.problem(401, "session_over");
    door(&app, &open, "refresh", refresh(&signed))
        .await
        .problem(401, "session_over");
}

#[tokio::test]
async fn what_is_wrong_at_the_door_is_said() {
    let app = TestApp::shared().await;
    let project = open_project(&app).await;
    let path = |action: &str| format!("/auth/{}/{action}", project.name);
    let post = |action: &str| app.call(Method::POST, &path(action));
    for (body, code) in [
        (json!({ "email": "x@example.org" }), "invalid_field"),
        (
            json!({ "email": "x@example.org", "password": PASSWORD, "role": "admin" }),
            "invalid_field",
        ),
        (
            json!({ "email": "x", "password": PASSWORD }),
            "invalid_field",
        ),
        (
            json!({ "email": "x@example.org", "password": "short" }),
            "invalid_field",
        ),
    ] {
        post("sign-up").json(&body).send().await.problem(400, code);
    }
    let large = json!({ "email": "x@example.org", "password": "x".repeat(20_000) });
    post("sign-in")
        .json(&large)
        .send()
        .await
        .problem(413, "body_too_large");
    let form = post("sign-in")
        .header("content-type", "text/plain")
        .body("{}");
    form.send().await.problem(415, "unsupported_media_type");
    post("sign-in")
        .body("{")
        .send()
        .await
        .problem(400, "invalid_json");
    let get = app.call(Method::GET, &path("sign-in")).send().await;
    get.problem(405, "method_not_allowed");
    app.call(Method::POST, "/auth/nobody/sign-in")
        .json(&claimed("a@b"))
        .send()
        .await
        .problem(404, "unknown_project");
    app.call(Method::GET, &path("nothing"))
        .send()
        .await
        .problem(404, "unknown_route");
}

#[tokio::test]
async fn a_production_server_gives_no_accounts_away() {
    let app = TestApp::shared().await;
    let sign_up = app.control(Method::POST, "/v1/auth/sign-up").anonymous();
    let refused = sign_up.json(&claimed("anybody@example.org")).send().await;
    refused.problem(403, "forbidden");
}

/// A server where anybody may sign up, and a project of it.
async fn open_server() -> TestApp {
    TestApp::launch(Launch::serve().await.set("KOYALITE_SIGN_UP", "true")).await
}

/// A folder with the password in a file, as people keep none: for the shell to read it from.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    home
}

/// Ada at the terminal: signed up, or signed in again.
async fn login(ada: &CommandLine, folder: &Path, flags: &str) -> String {
    let line = format!("koyalite login ada@example.org {flags} < password");
    ada.shell(folder, &line).await.expect(0)
}

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out_on_the_command_line() {
    let app = open_server().await;
    let project = app.project_named("shop").await;
    let home = home();
    let folder = home.path();
    let admin = CommandLine::of(&app, &project.name);
    let ada = CommandLine::person(&app, &project.name, folder);

    let said = login(&ada, folder, "--sign-up").await;
    assert_eq!(said.trim(), "signed in as ada@example.org (member)");
    let kept = folder.join("koyalite/sessions.json");
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = ada.run(folder, &["functions"]).await;
    assert!(
        refused.errors.contains("there is no project `shop`"),
        "{refused:?}"
    );
    let put = ["members", "put", "ada@example.org", "--role", "developer"];
    let said = admin.run(folder, &put).await.expect(0);
    assert_eq!(said.trim(), "ada@example.org is developer in shop");
    ada.run(folder, &["functions"]).await.expect(0);
    let members = admin.run(folder, &["members"]).await.expect(0);
    assert!(members.contains("ada@example.org  developer"), "{members}");
    let who = ada.run(folder, &["whoami"]).await.expect(0);
    assert!(
        who.starts_with("ada@example.org\nrole         member"),
        "{who}"
    );

    // A token that has ended is renewed without a word.
    let ended = std::fs::read_to_string(&kept).unwrap();
    let mut sessions: Value = serde_json::from_str(&ended).unwrap();
    for session in sessions.as_object_mut().unwrap().values_mut() {
        session["expires_at"] = json!("2020-01-01T00:00:00Z");
    }
    std::fs::write(&kept, sessions.to_string()).unwrap();
    ada.run(folder, &["whoami"]).await.expect(0);
    assert_ne!(std::fs::read_to_string(&kept).unwrap(), ended);

    let said = ada.run(folder, &["logout"]).await.expect(0);
    assert_eq!(said.trim(), "signed out");
    ada.run(folder, &["logout"]).await.expect(2);
    assert_eq!(ada.run(folder, &["whoami"]).await.code, 1);
}

#[tokio::test]
async fn roles_and_users_are_kept_on_the_command_line() {
    let app = open_server().await;
    let project = app.project_named("shop").await;
    let home = home();
    let folder = home.path();
    let admin = CommandLine::of(&app, &project.name);
    let ada = CommandLine::person(&app, &project.name, folder);
    login(&ada, folder, "--sign-up").await;
    let run = async |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        admin.run(folder, &words).await
    };

    let made = run("roles create support --permissions project:read,log:read").await;
    let said = made.expect(0);
    assert_eq!(said.trim(), "support permits project:read, log:read");
    let users = run("users --email ada --json").await.expect(0);
    let users: Value = serde_json::from_str(&users).unwrap();
    let id = text(&users["items"][0]["id"]);
    let change = format!("users change {id} --role support");
    run(&change).await.expect(0);
    let who = ada.run(folder, &["whoami"]).await.expect(0);
    assert!(who.contains("log:read"), "{who}");
    let kept = run("roles delete support").await;
    assert!(kept.errors.contains("in use"), "{kept:?}");
    run(&format!("users delete {id}")).await.expect(0);
    let gone = ada.run(folder, &["whoami"]).await;
    assert_eq!(gone.code, 1, "deleted, and out at once");
}

#[tokio::test]
async fn a_token_that_was_given_out_is_listed_and_taken_back_on_the_command_line() {
    let app = open_server().await;
    let project = app.project_named("shop").await;
    let home = home();
    let folder = home.path();
    let admin = CommandLine::of(&app, &project.name);
    let given = ["token", "operator", "--subject", "ci", "--role", "viewer"];
    let given = admin.run(folder, &given).await.expect(0);
    let list = admin.run(folder, &["token", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list.expect(0)).unwrap();
    let with = ["functions", "--token", given.trim()];
    admin.run(folder, &with).await.expect(0);
    let revoke = ["token", "revoke", &text(&list["items"][0]["id"])];
    admin.run(folder, &revoke).await.expect(0);
    let refused = admin.run(folder, &with).await;
    assert!(refused.errors.contains("taken back"), "{refused:?}");
}
