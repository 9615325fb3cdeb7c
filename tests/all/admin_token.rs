//! The administrator's token in its file: listed, replaced and taken back like any other.

use std::path::Path;

use http::Method;
use koyalite_runtime::keys::{Token, token_file};
use serde_json::Value;

use crate::support::{Answer, CommandLine, Launch, TestApp};

fn kept(file: &Path) -> Token {
    token_file::read(file).unwrap()
}

async fn ask(app: &TestApp, token: &Token) -> Answer {
    let asked = app.control(Method::GET, "/v1/auth/user");
    asked.bearer(token.expose()).send().await
}

/// The tokens that the server knows, newest first.
async fn list(app: &TestApp) -> Vec<Value> {
    let list = app.control(Method::GET, "/v1/tokens").send().await;
    let list = list.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

async fn start() -> (TestApp, tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("admin.token");
    let launch = Launch::serve().await;
    let launch = launch.set("KOYALITE_ADMIN_TOKEN_FILE", file.to_str().unwrap());
    (TestApp::launch(launch).await, folder, file)
}

#[tokio::test]
async fn the_token_in_the_file_is_replaced_by_a_command_and_the_old_one_ends_at_once() {
    let (app, folder, file) = start().await;
    let first = kept(&file);
    ask(&app, &first).await.expect(200);
    let listed = list(&app).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["subject"], "admin");

    let path = file.to_str().unwrap();
    let control = app.listening().control.clone();
    let replace = ["token", "replace", "--control", &control, "--file", path];
    let bare = CommandLine::bare();
    let said = bare.run(folder.path(), &replace).await.expect(0);
    assert!(said.contains("admin.token"), "{said}");
    let second = kept(&file);
    assert!(!said.contains(second.expose()), "a terminal may be seen");
    ask(&app, &first).await.problem(401, "session_over");
    ask(&app, &second).await.expect(200);

    let listed = list(&app).await;
    assert_eq!(listed.len(), 2);
    let revoked = |token: &Value| !token["revoked_at"].is_null();
    assert!(!revoked(&listed[0]) && revoked(&listed[1]), "{listed:?}");
    // What was taken back is not brought to life by replacing it.
    let old = listed[1]["id"].as_str().unwrap();
    let again = app.control(Method::POST, &format!("/v1/tokens/{old}/replace"));
    again.send().await.problem(409, "conflict");
}

#[tokio::test]
async fn a_start_keeps_a_good_token_and_puts_another_where_it_was_taken_back() {
    let (app, _folder, file) = start().await;
    let first = kept(&file);
    let app = app.crash().await;
    assert_eq!(kept(&file), first);

    let id = token_file::id(&first).unwrap();
    let path = format!("/v1/tokens/{id}");
    let shown = app.control(Method::GET, &path).send().await;
    assert_eq!(shown.expect(200).json()["role"], "admin");
    app.control(Method::DELETE, &path).send().await.expect(204);
    ask(&app, &first).await.problem(401, "session_over");
    assert_eq!(kept(&file), first, "until the next start");
    let app = app.crash().await;
    let next = kept(&file);
    assert_ne!(next, first);
    ask(&app, &next).await.expect(200);
}
