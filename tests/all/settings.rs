//! What a project's settings hold its data to, and what its environment allows.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, Project, TestApp, guest, own_rows};

async fn patch(project: &Project<'_>, body: Value) -> Answer {
    project.control(Method::PATCH, "").json(&body).send().await
}

#[tokio::test]
async fn settings_are_a_closed_set_and_each_is_checked() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let all = json!({ "settings": {
        "rate_limits": { "caller": { "requests": 10, "seconds": 1 } },
        "retention_days": 30, "data_residency": null, "pii_redaction": ["users.email"],
        "webhook_events_per_minute": 60, "emails_per_hour": 0 } });
    let set = patch(&project, all).await.expect(200).json();
    assert_eq!(set["settings"]["retention_days"], 30);
    assert_eq!(set["settings"]["rate_limits"]["caller"]["requests"], 10);
    assert_eq!(project.get("").await["settings"], set["settings"]);
    let less = patch(&project, json!({ "settings": { "retention_days": null } })).await;
    let less = less.expect(200).json();
    assert_eq!(less["settings"]["retention_days"], Value::Null);
    assert_eq!(less["settings"]["pii_redaction"], json!(["users.email"]));

    let unknown = patch(&project, json!({ "settings": { "retention_day": 3 } })).await;
    let unknown = unknown.problem(400, "unknown_field");
    assert_eq!(unknown["errors"][0]["field"], "settings.retention_day");
    let deeper = json!({ "settings": { "rate_limits": { "user": null } } });
    let deeper = patch(&project, deeper).await.problem(400, "unknown_field");
    assert_eq!(deeper["errors"][0]["field"], "settings.rate_limits.user");
    for wrong in [
        json!({ "retention_days": 0 }),
        json!({ "retention_days": "ever" }),
        json!({ "rate_limits": { "key": { "requests": 0, "seconds": 1 } } }),
        json!({ "data_residency": ["*"] }),
        json!({ "pii_redaction": ["email"] }),
    ] {
        let refused = patch(&project, json!({ "settings": wrong })).await;
        refused.problem(400, "invalid_field");
    }
}

#[tokio::test]
async fn a_function_is_deployed_only_where_the_projects_data_may_be() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let reside = async |regions: Value| {
        let settings = json!({ "settings": { "data_residency": regions } });
        patch(&project, settings).await
    };
    project
        .deploy_as("hello", "hello", "region = \"local\"\n")
        .await;
    reside(json!(["mars"])).await.problem(400, "invalid_field");
    reside(json!(["local", "mars"])).await.expect(200);
    let deploy = |lines: &str| {
        let manifest = format!("name = \"other\"\n{lines}");
        project
            .upload_with("other", &guest("hello"), &manifest)
            .send()
    };
    for elsewhere in ["", "region = [\"local\", \"venus\"]\n"] {
        let refused = deploy(elsewhere).await.problem(400, "invalid_manifest");
        assert_eq!(refused["errors"][0]["field"], "region", "{refused}");
    }
    deploy("region = \"local\"\n").await.expect(201);
    // An earlier version that would run anywhere is not gone back to.
    reside(Value::Null).await.expect(200);
    deploy("").await.expect(201);
    deploy("region = \"local\"\n").await.expect(201);
    reside(json!(["local"])).await.expect(200);
    let back = project
        .control(Method::POST, "/functions/other/rollback")
        .send()
        .await;
    assert_eq!(back.status, 400, "{back:?}");
    project.fetch("/other").await.of_function(200);
}

#[tokio::test]
async fn files_are_neither_taken_nor_given_where_the_projects_data_may_not_be() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let settings = json!({ "settings": { "data_residency": ["mars"] } });
    patch(&project, settings).await.expect(200);
    for method in [Method::PUT, Method::GET] {
        let call = app.call(method, &format!("/files/{}/a.txt", project.name));
        let refused = call.body("a").send().await;
        assert_eq!(refused.header("koyalite-region"), "mars");
        refused.problem(421, "wrong_region");
    }
}

#[tokio::test]
async fn personal_columns_are_masked_in_what_functions_log() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let settings = json!({ "settings": { "pii_redaction": ["users.email"] } });
    patch(&project, settings).await.expect(200);
    let line = "signed%20up%20%7B%22email%22%3A%22a%40b.c%22%2C%22plan%22%3A7%7D";
    let logged = project.fetch(&format!("/behaviours/log?line={line}")).await;
    logged.of_function(200);
    let log = project.get_logs("behaviours").await;
    assert!(log.contains("***") && log.contains("plan"), "{log}");
    assert!(!log.contains("a@b.c"), "{log}");
}

#[tokio::test]
async fn production_drops_nothing_unsaid_and_takes_no_tokens_of_development() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    patch(&project, json!({ "environment": "prod" }))
        .await
        .expect(200);
    let wanted = json!({ "subject": ALICE });
    let mint = project.control(Method::POST, "/tokens").json(&wanted);
    mint.send().await.problem(409, "conflict");
    let host = format!("{}.localhost", project.name);
    let request = format!(
        "GET /behaviours/whoami HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {alice}\r\n\
         connection: close\r\n\r\n"
    );
    let answer = crate::support::raw(app.functions_authority(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("made for development"), "{answer}");

    let delete = |path: &str| project.control(Method::DELETE, path).send();
    delete("/tables/notes")
        .await
        .problem(409, "would_lose_data");
    delete("/tables/notes/columns/rank")
        .await
        .problem(409, "would_lose_data");
    let empty = json!({ "tables": [] });
    let prune = |query: &str| {
        let path = format!("/schema?prune=true{query}");
        project.control(Method::PUT, &path).json(&empty).send()
    };
    prune("").await.problem(409, "would_lose_data");
    delete("/tables/notes/columns/rank?lose_data=true")
        .await
        .expect(200);
    prune("&lose_data=true").await.expect(200);
    assert!(project.list("/tables").await.is_empty());
}
