//! Events of tables: no line of guest code, in the same statement as the rows, and no column too many.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::webhooks::{app, deliveries};
use crate::support::{
    ALICE, Launch, Project, Receiver, ReceiverAnswer, Shared, TestApp, eventually, own_rows,
};

const PATIENCE: Duration = Duration::from_secs(60);

async fn watched<'a>(app: &'a TestApp, receiver: &Receiver, types: &[&str]) -> Project<'a> {
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let endpoint = json!({
        "target_url": receiver.url, "event_types": types, "columns": { "notes": ["title"] },
    });
    let call = project.control(Method::POST, "/webhooks/endpoints");
    call.json(&endpoint).send().await.expect(201);
    project
}

async fn write(project: &Project<'_>, what: &str, call: &Value) -> u16 {
    let token = project.token(ALICE).await;
    let path = format!("/behaviours/{what}");
    let call = project.call(Method::POST, &path).bearer(&token).json(call);
    call.send().await.status
}

fn row(title: &str) -> Value {
    json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": title }] })
}

/// Type, operation and columns of what came, in the order of their operations.
async fn came(receiver: &Receiver, enough: usize) -> Vec<Value> {
    let mut all: Vec<Value> = receiver
        .wait_for(enough)
        .await
        .iter()
        .map(|one| one.json())
        .collect();
    all.sort_by_key(|one| one["timestamp"].to_string());
    all
}

#[tokio::test]
async fn what_happens_to_rows_is_told_with_the_columns_that_were_named() {
    let (app, receiver): (Shared, _) = (app().await, Receiver::start().await);
    let project = watched(&app, &receiver, &["table.notes.*"]).await;
    assert_eq!(write(&project, "insert", &row("a")).await, 200);
    let change = json!({ "table": "notes", "changes": { "title": "b" }, "filter": "title = 'a'" });
    assert_eq!(write(&project, "update", &change).await, 200);
    let same = json!({ "table": "notes", "changes": { "title": "b" }, "filter": "title = 'b'" });
    assert_eq!(
        write(&project, "update", &same).await,
        200,
        "which changes nothing"
    );
    let gone = json!({ "table": "notes", "filter": "title = 'b'" });
    assert_eq!(write(&project, "delete", &gone).await, 200);
    let came = came(&receiver, 3).await;
    let types: Vec<_> = came
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "table.notes.insert",
            "table.notes.update",
            "table.notes.delete"
        ]
    );
    let (insert, update, delete) = (&came[0]["data"], &came[1]["data"], &came[2]["data"]);
    assert_eq!(
        insert["row"],
        json!({ "title": "a" }),
        "and no other column"
    );
    assert_eq!(insert.get("old"), None);
    assert_eq!(update["row"], json!({ "title": "b" }));
    assert_eq!(update["old"], json!({ "title": "a" }));
    assert_eq!(delete["old"], json!({ "title": "b" }));
    assert!(
        insert["key"]["id"].is_string() && insert["key"] == delete["key"],
        "{insert}"
    );
}

#[tokio::test]
async fn a_refused_write_tells_nothing_and_an_unnamed_operation_neither() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = watched(&app, &receiver, &["table.notes.insert"]).await;
    let others = json!({ "table": "notes", "rows": [
        { "owner_id": ALICE, "title": "mine" },
        { "owner_id": "00000000-0000-4000-8000-000000000000", "title": "theirs" },
    ]});
    assert_eq!(write(&project, "insert", &others).await, 403);
    assert_eq!(write(&project, "insert", &row("a")).await, 200);
    let change = json!({ "table": "notes", "changes": { "title": "b" }, "filter": "title = 'a'" });
    assert_eq!(write(&project, "update", &change).await, 200);
    deliveries(&project, "delivered", 1).await;
    assert_eq!(project.list("/webhooks/deliveries").await.len(), 1);
    assert_eq!(
        came(&receiver, 1).await[0]["data"]["row"],
        json!({ "title": "a" })
    );
}

#[tokio::test]
async fn an_endpoint_that_the_host_switches_off_leaves_its_tables_silent() {
    let app = TestApp::launch(Launch::dev_beside_others().await).await;
    let gone = Receiver::answering(|_, _| ReceiverAnswer::Status(410)).await;
    let project = watched(&app, &gone, &["table.notes.insert"]).await;
    let client = app.launch.database().connect().await;
    let triggers = async || -> i64 {
        let sql = "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                   WHERE c.relname = 'notes' AND NOT t.tgisinternal";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    assert_eq!(triggers().await, 1);
    assert_eq!(write(&project, "insert", &row("a")).await, 200);
    eventually("the table is silent", PATIENCE, async || {
        (triggers().await == 0).then_some(())
    })
    .await;
    let endpoint = project.list("/webhooks/endpoints").await.remove(0);
    assert_eq!(endpoint["enabled"], false, "{endpoint}");
    let log = project.list("/audit?action=endpoint.disable").await;
    assert_eq!(log[0]["actor_id"], "system", "{log:?}");
    let path = format!("/webhooks/endpoints/{}", endpoint["id"].as_str().unwrap());
    let on = project
        .control(Method::PATCH, &path)
        .json(&json!({ "enabled": true }));
    on.send().await.expect(200);
    assert_eq!(triggers().await, 1);
}

#[tokio::test]
async fn without_an_endpoint_a_table_tells_nothing() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let project = watched(&app, &receiver, &["table.notes.insert"]).await;
    let endpoint = project.list("/webhooks/endpoints").await.remove(0);
    let path = format!("/webhooks/endpoints/{}", endpoint["id"].as_str().unwrap());
    let other = json!({ "event_types": ["order.paid"], "columns": {} });
    let call = project.control(Method::PATCH, &path).json(&other);
    call.send().await.expect(200);
    assert_eq!(write(&project, "insert", &row("a")).await, 200);
    let again = json!({ "event_types": ["table.notes.insert"] });
    let call = project.control(Method::PATCH, &path).json(&again);
    call.send().await.expect(200);
    assert_eq!(write(&project, "insert", &row("b")).await, 200);
    let came = came(&receiver, 1).await;
    assert_eq!(came[0]["data"]["row"], json!({}), "no column is named");
    assert_eq!(project.list("/webhooks/deliveries").await.len(), 1);
    let call = project.control(Method::DELETE, &path).json(&json!({}));
    call.send().await.expect(204);
    assert_eq!(write(&project, "insert", &row("c")).await, 200);
    assert_eq!(project.list("/webhooks/deliveries").await.len(), 0);
}
