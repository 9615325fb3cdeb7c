//! Lists that are narrowed: by how a name begins, by a state, by whom; and words that no list knows.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};

use crate::support::{CommandLine, Project, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// What the items of a list are called there, in its order, read in parts of one.
async fn named(app: &TestApp, path: &str, query: &str, field: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = format!("{path}?limit=1&{query}{cursor}");
        let part = app.control(Method::GET, &part).send().await;
        let part = part.expect(200).json();
        let items = part["items"].as_array().unwrap();
        names.extend(
            items
                .iter()
                .map(|one| one[field].as_str().unwrap().to_owned()),
        );
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
    }
}

fn below(project: &Project<'_>, path: &str) -> String {
    format!("/v1/projects/{}{path}", project.name)
}

/// The refusal of a word names those that there are.
async fn refused(app: &TestApp, path: &str, query: &str, words: &[&str]) {
    let asked = app.control(Method::GET, &format!("{path}?{query}"));
    let problem = asked.send().await.problem(400, "invalid_query");
    let detail = problem["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "{path}?{query}: {detail}");
    }
}

async fn post(app: &TestApp, path: &str, body: Value) -> Value {
    let made = app.control(Method::POST, path).json(&body).send().await;
    made.expect(201).json()
}

#[tokio::test]
async fn projects_are_found_by_name_environment_and_owner() {
    let app = TestApp::shared().await;
    let first = app.project().await;
    let name = format!("{}-find", first.name);
    for (end, environment) in [("a", "dev"), ("b", "prod"), ("c", "prod")] {
        let wanted = json!({ "name": format!("{name}-{end}"), "environment": environment });
        post(&app, "/v1/projects", wanted).await;
    }
    let found = async |query: &str| {
        let query = format!("name={name}&{query}");
        let names = named(&app, "/v1/projects", &query, "name").await;
        let ends = names.iter().map(|one| one[name.len() + 1..].to_owned());
        ends.collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["a", "b", "c"]);
    assert_eq!(found("environment=prod").await, ["b", "c"]);
    assert_eq!(found("environment=staging").await, [] as [&str; 0]);
    let owner = first.get("").await["owner_id"].as_str().unwrap().to_owned();
    assert_eq!(found(&format!("owner={owner}")).await.len(), 3);
    let nobody = "owner=00000000-0000-4000-8000-000000000000";
    assert_eq!(found(nobody).await, [] as [&str; 0]);
    // A beginning is a text, and no pattern.
    assert_eq!(found("").await.len(), 3);
    let pattern = named(&app, "/v1/projects", "name=%25", "name").await;
    assert_eq!(pattern, [] as [&str; 0]);
    let environments = ["dev", "staging", "prod"];
    refused(&app, "/v1/projects", "environment=live", &environments).await;
    refused(&app, "/v1/projects", "owner=me", &["UUID"]).await;
    refused(
        &app,
        "/v1/projects",
        "environmnt=dev",
        &["environmnt", "environment"],
    )
    .await;

    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &first.name);
    let shown = ["projects", "--name", &name, "--environment", "prod"];
    let shown = cli.run(home.path(), &shown).await.expect(0);
    assert!(shown.contains(&format!("{name}-b")), "{shown}");
    assert!(!shown.contains(&format!("{name}-a")), "{shown}");
}

#[tokio::test]
async fn functions_are_found_by_name_state_region_and_deployer() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy_as("hello", "hello", "").await;
    project
        .deploy_as("help", "hello", "region = [\"eu\"]")
        .await;
    project.deploy_as("other", "hello", "").await;
    let off = project.control(Method::PATCH, "/functions/other");
    off.json(&json!({ "enabled": false }))
        .send()
        .await
        .expect(200);
    let path = below(&project, "/functions");
    let found = async |query: &str| named(&app, &path, query, "name").await;
    assert_eq!(found("name=hel").await, ["hello", "help"]);
    assert_eq!(found("enabled=false").await, ["other"]);
    assert_eq!(found("enabled=true").await, ["hello", "help"]);
    assert_eq!(found("region=eu").await, ["hello", "help", "other"]);
    assert_eq!(found("region=us").await, ["hello", "other"]);
    let deployer = project.get("/functions/hello").await;
    let deployer = deployer["user_id"].as_str().unwrap();
    assert_eq!(found(&format!("user={deployer}&name=o")).await, ["other"]);
    let nobody = "user=00000000-0000-4000-8000-000000000000";
    assert_eq!(found(nobody).await, [] as [&str; 0]);
    refused(&app, &path, "enabled=off", &["true", "false"]).await;
    refused(&app, &path, "state=on", &["state", "enabled"]).await;

    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &project.name);
    let shown = cli.run(home.path(), &["functions", "--state", "off"]).await;
    let shown = shown.expect(0);
    assert!(
        shown.contains("other") && !shown.contains("hello"),
        "{shown}"
    );
}

#[tokio::test]
async fn keys_are_found_by_name_scope_and_whether_they_are_good_still() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let path = below(&project, "/api-keys");
    let soon = (Utc::now() + TimeDelta::seconds(2)).to_rfc3339();
    let later = (Utc::now() + TimeDelta::days(1)).to_rfc3339();
    let mut begins = Vec::new();
    for (name, scope, end) in [
        ("job", "service", Some(&later)),
        ("old", "anon", Some(&soon)),
        ("web", "anon", None),
    ] {
        let wanted = json!({ "name": name, "scopes": [scope], "expires_at": end });
        let made = post(&app, &path, wanted).await;
        begins.push(made["prefix"].as_str().unwrap().to_owned());
    }
    let found = async |query: &str| named(&app, &path, query, "name").await;
    assert_eq!(found("scope=anon").await, ["old", "web"]);
    assert_eq!(found("scope=service").await, ["job"]);
    assert_eq!(found("name=we").await, ["web"]);
    assert_eq!(found(&format!("prefix={}", begins[1])).await, ["old"]);
    eventually("a key ends", PATIENCE, async || {
        (found("status=expired").await == ["old"]).then_some(())
    })
    .await;
    assert_eq!(found("status=active").await, ["job", "web"]);
    refused(&app, &path, "status=gone", &["active", "expired"]).await;
    refused(&app, &path, "scope=admin", &["anon", "service"]).await;

    let one = project.get("/api-keys/web").await;
    let id = one["id"].as_str().unwrap();
    assert_eq!(project.get(&format!("/api-keys/{id}")).await, one);
    assert_eq!(one.get("key"), None);
    let unknown = project.control(Method::GET, "/api-keys/none").send().await;
    unknown.problem(404, "unknown_api_key");
    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &project.name);
    let shown = ["api-keys", "list", "--status", "expired"];
    let shown = cli.run(home.path(), &shown).await.expect(0);
    assert!(shown.contains("old") && !shown.contains("web"), "{shown}");
}

#[tokio::test]
async fn control_tokens_are_found_by_subject_role_and_whether_they_are_good_still() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let name = format!("{}-ci", project.name);
    for (end, role, ttl_s) in [
        ("1", "viewer", 1),
        ("2", "viewer", 600),
        ("3", "developer", 600),
    ] {
        let wanted = json!({ "subject": format!("{name}-{end}"), "role": role, "ttl_s": ttl_s });
        let id = post(&app, "/v1/tokens", wanted).await["id"].clone();
        if end == "3" {
            let path = format!("/v1/tokens/{}", id.as_str().unwrap());
            let gone = app.control(Method::DELETE, &path).send().await;
            gone.expect(204);
        }
    }
    let found = async |query: &str| {
        let query = format!("subject={name}&{query}");
        let names = named(&app, "/v1/tokens", &query, "subject").await;
        let ends = names.iter().map(|one| one[name.len() + 1..].to_owned());
        ends.collect::<Vec<_>>()
    };
    assert_eq!(found("role=viewer").await, ["2", "1"]);
    assert_eq!(found("status=revoked").await, ["3"]);
    eventually("a token ends", PATIENCE, async || {
        (found("status=expired").await == ["1"]).then_some(())
    })
    .await;
    assert_eq!(found("status=active").await, ["2"]);
    let states = ["active", "expired", "revoked"];
    refused(&app, "/v1/tokens", "status=gone", &states).await;

    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &project.name);
    let shown = ["token", "list", "--subject", &name, "--status", "revoked"];
    let shown = cli.run(home.path(), &shown).await.expect(0);
    assert!(shown.contains(&format!("{name}-3")), "{shown}");
    assert!(!shown.contains(&format!("{name}-2")), "{shown}");
}

#[tokio::test]
async fn endpoints_are_found_by_state_and_by_what_is_delivered_to_them() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let path = below(&project, "/webhooks/endpoints");
    for (host, types) in [("a", "order.*"), ("b", "order.paid"), ("c", "*")] {
        let url = format!("https://{host}.example.com/");
        let wanted = json!({ "target_url": url, "event_types": [types] });
        let id = post(&app, &path, wanted).await["id"].clone();
        if host == "b" {
            let path = format!("{path}/{}", id.as_str().unwrap());
            let off = app.control(Method::PATCH, &path);
            let off = off.json(&json!({ "enabled": false }));
            off.send().await.expect(200);
        }
    }
    let found = async |query: &str| {
        let urls = named(&app, &path, query, "target_url").await;
        let hosts = urls
            .iter()
            .map(|url| url["https://".len()..][..1].to_owned());
        hosts.collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["a", "b", "c"]);
    assert_eq!(found("status=active").await, ["a", "c"]);
    assert_eq!(found("status=disabled").await, ["b"]);
    assert_eq!(found("status=failing").await, [] as [&str; 0]);
    assert_eq!(found("event_type=order.paid").await, ["a", "b", "c"]);
    assert_eq!(found("event_type=order.sent").await, ["a", "c"]);
    assert_eq!(
        found("event_type=order.sent&status=disabled").await,
        [] as [&str; 0]
    );
    let states = ["active", "failing", "disabled"];
    refused(&app, &path, "status=off", &states).await;

    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &project.name);
    let shown = cli
        .run(home.path(), &["webhooks", "--status", "disabled"])
        .await;
    let shown = shown.expect(0);
    assert!(
        shown.contains("https://b.") && !shown.contains("https://a."),
        "{shown}"
    );
}

#[tokio::test]
async fn schedules_are_found_by_function_and_by_whether_they_fire() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let path = below(&project, "/schedules");
    for function in ["hello", "other"] {
        project.deploy_as(function, "hello", "").await;
        for name in ["one", "two"] {
            let wanted = json!({ "function": function, "name": name, "cron": "0 3 1 1 *" });
            post(&app, &path, wanted).await;
        }
    }
    let paused = project.control(Method::POST, "/schedules/hello.two/pause");
    paused.json(&json!({})).send().await.expect(200);
    let found = async |query: &str| named(&app, &path, query, "task").await;
    assert_eq!(found("function=hello").await, ["hello.one", "hello.two"]);
    assert_eq!(found("status=paused").await, ["hello.two"]);
    assert_eq!(found("status=active&function=hello").await, ["hello.one"]);
    assert_eq!(found("status=paused&function=other").await, [] as [&str; 0]);
    // Once any text was taken, and found nothing.
    refused(&app, &path, "status=pausd", &["active", "paused"]).await;

    let home = tempfile::tempdir().unwrap();
    let cli = CommandLine::of(&app, &project.name);
    let shown = cli
        .run(home.path(), &["schedules", "--status", "paused"])
        .await;
    let shown = shown.expect(0);
    assert!(
        shown.contains("hello.two") && !shown.contains("hello.one"),
        "{shown}"
    );
}
