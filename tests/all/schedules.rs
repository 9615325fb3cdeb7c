//! Cron: every due time once, each with its row, failures with their reason.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Project, TestApp, eventually, guest, other_bytes};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn firings() -> Value {
    json!({ "tables": [{
        "name": "firings",
        "columns": [
            { "name": "task", "type": "text" },
            { "name": "scheduled_for", "type": "timestamptz" },
            { "name": "attempt", "type": "integer" },
            { "name": "role", "type": "text" },
        ],
        "policies": [
            { "name": "services_write", "commands": ["insert"], "roles": ["service_role"], "check": "true" },
            { "name": "everyone_reads", "commands": ["select"], "using": "true" },
        ],
    }]})
}

fn schedule(name: &str, cron: &str) -> String {
    format!("[[schedules]]\nname = \"{name}\"\ncron = \"{cron}\"\n")
}

/// The runs of the task of that name, oldest first, once `enough` of them are over.
async fn runs(project: &Project<'_>, task: &str, enough: usize) -> Vec<Value> {
    let tasks = project.list("/schedules").await;
    let task = tasks
        .iter()
        .find(|known| known["name"] == task)
        .expect("a task");
    let path = format!("/schedules/{}/runs", task["id"].as_str().unwrap());
    eventually("runs of a task", PATIENCE, async || {
        let mut runs = project.list(&path).await;
        runs.retain(|run| run["finished_at"].is_string());
        runs.sort_by_key(|run| run["scheduled_for"].to_string());
        (runs.len() >= enough).then_some(runs)
    })
    .await
}

fn due(runs: &[Value]) -> Vec<String> {
    runs.iter()
        .map(|run| run["scheduled_for"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_due_time_fires_once_and_acts_as_the_service() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&firings()).await;
    project
        .deploy_as(
            "clock",
            "cron-only",
            &schedule("each-second", "* * * * * *"),
        )
        .await;
    project.deploy("behaviours").await;
    let runs = runs(&project, "each-second", 5).await;
    let times = due(&runs);
    let mut unique = times.clone();
    unique.dedup();
    assert_eq!(times, unique, "one row for each due time");
    for run in &runs {
        assert_eq!(run["status"], "succeeded", "{run}");
        assert!(
            run["invocation_id"].is_string() && run["finished_at"].is_string(),
            "{run}"
        );
        assert_eq!((&run["attempt"], &run["version"]), (&json!(1), &json!(1)));
    }
    let query = json!({ "table": "firings", "order": [["scheduled_for", "asc"]] });
    let rows = project
        .call(Method::POST, "/behaviours/select")
        .json(&query)
        .send()
        .await
        .json();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 5, "{rows:?}");
    assert!(
        rows.iter().all(|row| row["role"] == "service_role"),
        "{rows:?}"
    );
    let mut seen: Vec<_> = rows
        .iter()
        .map(|row| row["scheduled_for"].to_string())
        .collect();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "each due time came to the function once");

    let task = project.list("/schedules").await.remove(0);
    assert_eq!(
        (&task["function"], &task["status"]),
        (&json!("clock"), &json!("active"))
    );
    assert!(
        task["last_run"].is_string() && task["next_run"].is_string(),
        "{task}"
    );
}

#[tokio::test]
async fn a_firing_that_fails_is_a_row_with_its_reason() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("clock", "cron-only", &schedule("fails", "* * * * * *"))
        .await;
    let run = runs(&project, "fails", 1).await.remove(0);
    assert_eq!(run["status"], "failed", "{run}");
    assert!(run["reason"].as_str().unwrap().contains("failed"), "{run}");
}

/// Without the `scheduled` export a firing is a request that only the host can make.
#[tokio::test]
async fn any_handler_can_be_scheduled_and_is_told_what_is_due() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let lines = "[[schedules]]\nname = \"ping\"\ncron = \"* * * * * *\"\npath = \"/hello/ping\"\n";
    project.deploy_as("hello", "hello", lines).await;
    let run = runs(&project, "ping", 1).await.remove(0);
    assert_eq!(run["status"], "succeeded", "{run}");
    let lines = "[[schedules]]\nname = \"gone\"\ncron = \"* * * * * *\"\npath = \"/behaviours/status/503\"\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    let run = runs(&project, "gone", 1).await.remove(0);
    assert_eq!(run["status"], "failed", "{run}");
    assert!(run["reason"].as_str().unwrap().contains("503"), "{run}");
}

#[tokio::test]
async fn a_new_version_keeps_the_clock_and_one_without_schedules_stops_it() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let lines = schedule("often", "* * * * * *");
    project.deploy_as("hello", "hello", &lines).await;
    runs(&project, "often", 1).await;
    let manifest = format!("name = \"hello\"\n{lines}");
    let next = other_bytes(&guest("hello"), "next");
    project
        .upload_with("hello", &next, &manifest)
        .send()
        .await
        .expect(201);
    let all = eventually("a run of the new version", PATIENCE, async || {
        let all = runs(&project, "often", 1).await;
        all.iter().any(|run| run["version"] == 2).then_some(all)
    })
    .await;
    let times = due(&all);
    let mut unique = times.clone();
    unique.dedup();
    assert_eq!(times, unique, "the switch fired nothing twice");

    project
        .upload_with("hello", &next, "name = \"hello\"")
        .send()
        .await
        .expect(201);
    assert_eq!(project.list("/schedules").await, Vec::<Value>::new());
}
