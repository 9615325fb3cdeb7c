//! Projects: made once each, however many are made at the same time, and apart from each other.

use std::time::Duration;

use chrono::Utc;
use futures::future::join_all;
use http::Method;
use koyalite_runtime::keys::{Audience, Grant, SigningKey, token};
use serde_json::{Map, json};

use crate::support::{ALICE, Project, TestApp};

#[tokio::test]
async fn projects_that_are_made_at_once_all_come_to_be() {
    let app = TestApp::shared().await;
    let made = join_all((0..8).map(|_| app.project())).await;
    let listed = app
        .control(Method::GET, "/v1/projects?limit=1000")
        .send()
        .await;
    let listed = listed.expect(200).text();
    for project in made {
        assert!(
            listed.contains(&format!("\"{}\"", project.name)),
            "{listed}"
        );
        project.deploy("hello").await;
        project.fetch("/hello").await.of_function(200);
    }
}

#[tokio::test]
async fn a_name_is_given_once_and_must_be_one() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let make = |body| app.control(Method::POST, "/v1/projects").json(&body).send();
    let again = make(json!({ "name": project.name })).await;
    again.problem(409, "already_exists");
    for name in ["", "No_Name", "-a", "a-", "a b", "../etc", &"a".repeat(64)] {
        make(json!({ "name": name }))
            .await
            .problem(400, "invalid_name");
    }
    let odd = make(json!({ "name": "fine", "environment": "mars" })).await;
    assert_eq!(odd.status, 400, "{odd:?}");
    make(json!({ "name": "fine", "owner": "me" }))
        .await
        .problem(400, "unknown_field");
    app.control(Method::GET, "/v1/projects/fine")
        .send()
        .await
        .problem(404, "unknown_project");
}

/// In production a project is reached by its own host alone: below `/f/` all share one origin.
#[tokio::test]
async fn a_project_in_production_does_not_share_an_origin() {
    let app = TestApp::shared().await;
    let wanted = json!({ "name": "live", "environment": "prod" });
    app.control(Method::POST, "/v1/projects")
        .json(&wanted)
        .send()
        .await
        .expect(201);
    let project = app.existing("live");
    project.deploy("hello").await;
    project.fetch("/hello").await.problem(404, "unknown_route");
    let request = "GET /hello HTTP/1.1\r\nhost: live.localhost\r\nconnection: close\r\n\r\n";
    let answer = crate::support::raw(app.functions_authority(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A user's token, signed here as an identity server would.
async fn signed(project: &Project<'_>, secret: &str) -> String {
    let shown = project.get("").await;
    let grant = Grant {
        subject: ALICE.to_owned(),
        audience: Audience::Project(shown["id"].as_str().unwrap().parse().unwrap()),
        lifetime: Duration::from_secs(600),
        claims: Map::new(),
    };
    let key = SigningKey::hs256(secret.as_bytes()).unwrap();
    token::issue(&key, grant, Utc::now())
        .unwrap()
        .expose()
        .to_owned()
}

async fn whoami(project: &Project<'_>, token: &str) -> u16 {
    let call = project
        .call(Method::GET, "/behaviours/whoami")
        .bearer(token);
    call.send().await.status
}

#[tokio::test]
async fn tokens_of_an_identity_server_count_from_when_its_secret_is_set_until_the_next_one() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let put = |body| {
        project
            .control(Method::PUT, "/jwt-secret")
            .json(&body)
            .send()
    };

    let first = project.get("/jwt-secret").await;
    assert_eq!(first["encoding"], "text", "{first}");
    let by_first = signed(&project, first["secret"].as_str().unwrap()).await;
    assert_eq!(whoami(&project, &by_first).await, 200);

    let ours = "a secret that an identity server has had for years";
    let set = put(json!({ "secret": ours })).await.expect(204);
    assert!(set.body.is_empty());
    assert_eq!(project.get("/jwt-secret").await["secret"], ours);
    let by_ours = signed(&project, ours).await;
    assert_eq!(whoami(&project, &by_ours).await, 200);
    assert_eq!(whoami(&project, &by_first).await, 401);
    // What the host signs itself is signed with it too.
    assert_eq!(whoami(&project, &project.token(ALICE).await).await, 200);

    let rotated = put(json!({})).await.expect(200).json();
    let by_rotated = signed(&project, rotated["secret"].as_str().unwrap()).await;
    assert_eq!(whoami(&project, &by_rotated).await, 200);
    assert_eq!(whoami(&project, &by_ours).await, 401);

    for short in [
        "",
        "too short",
        &"x".repeat(31),
        &format!("{ours}\n"),
        &"x".repeat(1025),
    ] {
        put(json!({ "secret": short }))
            .await
            .problem(400, "invalid_field");
    }
    assert_eq!(whoami(&project, &by_rotated).await, 200);
    let log = std::fs::read_to_string(app.launch.log()).unwrap();
    assert!(
        log.contains("replaced a JWT secret"),
        "nobody is told who did it"
    );
    for secret in [
        ours,
        rotated["secret"].as_str().unwrap(),
        first["secret"].as_str().unwrap(),
    ] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}
