//! API keys of projects: shown once, good for their scope, in their project, until their end.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, Call, CommandLine, Project, TestApp, eventually};

async fn make(project: &Project<'_>, wanted: Value) -> Answer {
    project
        .control(Method::POST, "/api-keys")
        .json(&wanted)
        .send()
        .await
}

async fn key(project: &Project<'_>, name: &str, scope: &str) -> String {
    let wanted = json!({ "name": name, "scopes": [scope] });
    let made = make(project, wanted).await.expect(201).json();
    made["key"].as_str().unwrap().to_owned()
}

fn whoami(project: &Project<'_>) -> Call {
    project.call(Method::GET, "/behaviours/whoami")
}

async fn role(call: Call) -> Value {
    call.send().await.of_function(200).json()["role"].clone()
}

#[tokio::test]
async fn a_key_is_shown_once_and_decides_as_whom_its_bearer_calls() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let (anon, service) = (
        key(&project, "web", "anon").await,
        key(&project, "job", "service").await,
    );
    assert!(anon.starts_with("koya_dev_"), "{anon}");
    let listed = project
        .control(Method::GET, "/api-keys")
        .send()
        .await
        .expect(200);
    for secret in [&anon, &service] {
        assert!(!listed.text().contains(secret.as_str()), "a key is listed");
    }
    let keys = listed.json();
    assert_eq!(keys["items"][1]["name"], "web");
    let prefix = keys["items"][1]["prefix"].as_str().unwrap().to_owned();
    assert!(anon.starts_with(&prefix), "{prefix}");

    let user = project.token(ALICE).await;
    for (call, expected) in [
        (whoami(&project), "anon"),
        (whoami(&project).bearer(&anon), "anon"),
        (whoami(&project).header("apikey", &anon), "anon"),
        (
            whoami(&project).header("apikey", &anon).bearer(&anon),
            "anon",
        ),
        (whoami(&project).bearer(&service), "service_role"),
        (whoami(&project).header("apikey", &service), "service_role"),
        (
            whoami(&project).header("apikey", &anon).bearer(&user),
            "authenticated",
        ),
        (
            whoami(&project).header("apikey", "the function's own"),
            "anon",
        ),
    ] {
        assert_eq!(role(call).await, expected);
    }
    let both = whoami(&project).header("apikey", &anon).bearer(&service);
    both.send().await.problem(401, "invalid_token");
    let twice = whoami(&project)
        .header("apikey", &anon)
        .header("apikey", &anon);
    twice.send().await.problem(401, "invalid_token");

    eventually("the use is noted", Duration::from_secs(60), async || {
        let keys = project.list("/api-keys").await;
        keys.iter()
            .all(|key| key["last_used_at"].is_string())
            .then_some(())
    })
    .await;
    let log = std::fs::read_to_string(app.launch.log()).unwrap();
    assert!(!log.contains(&anon) && log.contains("made an API key"));
}

#[tokio::test]
async fn a_key_is_good_in_its_project_until_its_end_and_never_controls() {
    let app = TestApp::shared().await;
    let (project, other) = (app.project().await, app.project().await);
    project.deploy("behaviours").await;
    other.deploy("behaviours").await;
    let service = key(&project, "job", "service").await;
    whoami(&other)
        .bearer(&service)
        .send()
        .await
        .problem(401, "invalid_token");
    let altered = format!("{}x", &service[..service.len() - 1]);
    whoami(&project)
        .bearer(&altered)
        .send()
        .await
        .problem(401, "invalid_token");
    let control = project.control(Method::GET, "/api-keys").bearer(&service);
    control.send().await.problem(401, "invalid_token");

    let soon = Utc::now() + TimeDelta::seconds(2);
    let short = json!({ "name": "short", "scopes": ["anon"], "expires_at": soon });
    let short = make(&project, short).await.expect(201).json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    eventually("the key ends", Duration::from_secs(30), async || {
        let answer = whoami(&project).bearer(&short).send().await;
        (answer.status == 401).then(|| answer.problem(401, "expired_token"))
    })
    .await;

    project
        .control(Method::DELETE, "/api-keys/job")
        .send()
        .await
        .expect(204);
    let gone = project
        .control(Method::DELETE, "/api-keys/job")
        .send()
        .await;
    gone.problem(404, "unknown_api_key");
    whoami(&project)
        .bearer(&service)
        .send()
        .await
        .problem(401, "invalid_token");
}

#[tokio::test]
async fn keys_for_services_are_made_by_those_who_may_grant_that() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let developer = app.operator(ControlRole::Developer);
    let ask = |body: Value| {
        project
            .control(Method::POST, "/api-keys")
            .bearer(&developer)
            .json(&body)
            .send()
    };
    ask(json!({ "name": "web", "scopes": ["anon"] }))
        .await
        .expect(201);
    let strong = ask(json!({ "name": "job", "scopes": ["anon", "service"] })).await;
    assert!(
        strong.problem(403, "forbidden")["detail"]
            .to_string()
            .contains("service_key:grant")
    );
    for (wrong, code) in [
        (
            json!({ "name": "web", "scopes": ["anon"] }),
            (409, "already_exists"),
        ),
        (
            json!({ "name": "", "scopes": ["anon"] }),
            (400, "invalid_field"),
        ),
        (json!({ "name": "x", "scopes": [] }), (400, "invalid_field")),
        (
            json!({ "name": "x", "scopes": ["root"] }),
            (400, "invalid_field"),
        ),
        (
            json!({ "name": "x", "scopes": ["anon"], "expires_at": "2020-01-01T00:00:00Z" }),
            (400, "invalid_field"),
        ),
    ] {
        make(&project, wrong).await.problem(code.0, code.1);
    }
}

/// The function sees who calls, and not by what key.
#[tokio::test]
async fn a_key_never_reaches_a_function() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let anon = key(&project, "web", "anon").await;
    let call = project.call(Method::GET, "/behaviours/headers");
    let seen = call
        .bearer(&anon)
        .header("apikey", &anon)
        .send()
        .await
        .of_function(200)
        .text();
    assert!(!seen.contains("koya_dev_"), "{seen}");
}

#[tokio::test]
async fn keys_are_kept_from_the_terminal() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let says = async |arguments: &[&str]| shell.run(here.path(), arguments).await.expect(0);
    let made = says(&["api-keys", "create", "job", "--scope", "service"]).await;
    assert_eq!(
        role(whoami(&project).bearer(made.trim())).await,
        "service_role"
    );
    let list = says(&["api-keys", "list"]).await;
    assert!(
        list.contains("job") && !list.contains(made.trim()),
        "{list}"
    );
    says(&["api-keys", "delete", "job"]).await;
    assert!(says(&["api-keys", "list"]).await.contains("no keys yet"));
}
