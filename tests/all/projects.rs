//! Projects: made once each, however many are made at the same time, and apart from each other.

use futures::future::join_all;
use http::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn projects_that_are_made_at_once_all_come_to_be() {
    let app = TestApp::shared().await;
    let made = join_all((0..8).map(|_| app.project())).await;
    let listed = app.control(Method::GET, "/v1/projects").send().await;
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
    assert_eq!(again.status, 409, "{again:?}");
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
