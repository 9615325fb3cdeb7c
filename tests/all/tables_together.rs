//! Writing through a function what belongs together: upserts, batches, transactions.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, BOB, Project, TestApp, eventually, own_rows};

const ONE: &str = "00000000-0000-0000-0000-000000000001";
const TWO: &str = "00000000-0000-0000-0000-000000000002";

async fn call(project: &Project<'_>, path: &str, token: &str, body: Value) -> Answer {
    let path = format!("/behaviours/{path}");
    let call = project.call(Method::POST, &path).bearer(token);
    call.json(&body).send().await
}

async fn ask(project: &Project<'_>, path: &str, token: &str, body: Value) -> Value {
    call(project, path, token, body)
        .await
        .of_function(200)
        .json()
}

async fn notes(project: &Project<'_>) -> (String, String) {
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    (project.token(ALICE).await, project.token(BOB).await)
}

fn note(id: &str, owner: &str, title: &str) -> Value {
    json!({ "table": "notes", "rows": [{ "id": id, "owner_id": owner, "title": title }] })
}

fn all() -> Value {
    json!({ "table": "notes", "columns": ["title"], "order": [["title", "asc"]] })
}

#[tokio::test]
async fn an_upsert_adds_or_changes_and_takes_nothing_from_others() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, bob) = notes(&project).await;
    ask(&project, "upsert", &alice, note(ONE, ALICE, "first")).await;
    let mut again = note(ONE, ALICE, "second");
    again["returning"] = json!(["title", "rank"]);
    let stored = ask(&project, "upsert", &alice, again).await;
    assert_eq!(stored, json!([{ "title": "second", "rank": null }]));
    let stolen = call(&project, "upsert", &bob, note(ONE, BOB, "mine")).await;
    assert_eq!(stolen.status, 403);
    assert!(stolen.text().contains("check_failed"), "{}", stolen.text());
    let mut elsewhere = note(TWO, ALICE, "x");
    elsewhere["conflict"] = json!(["title"]);
    let refused = call(&project, "upsert", &alice, elsewhere).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("invalid_conflict_target"));
    assert_eq!(
        ask(&project, "select", &alice, all()).await,
        json!([{ "title": "second" }])
    );
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not_at_all() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, _) = notes(&project).await;
    let steps = json!([
        ["insert", note(ONE, ALICE, "a")],
        ["upsert", note(ONE, ALICE, "b")],
        ["count", { "table": "notes" }],
        ["select", all()],
    ]);
    let done = ask(&project, "batch", &alice, steps).await;
    assert_eq!(done, json!([[], [], 1, [{ "title": "b" }]]));
    let steps = json!([
        ["delete", { "table": "notes" }],
        ["insert", note(TWO, BOB, "not mine")],
    ]);
    let refused = call(&project, "batch", &alice, steps).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        ask(&project, "select", &alice, all()).await,
        json!([{ "title": "b" }])
    );
    // Each operation is a host call.
    let many = vec![json!(["count", { "table": "notes" }]); 101];
    let refused = call(&project, "batch", &alice, json!(many)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("too_many_operations"));
}

#[tokio::test]
async fn a_transaction_ends_as_the_function_says() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, _) = notes(&project).await;
    let steps = || json!([["insert", note(ONE, ALICE, "a")], ["count", { "table": "notes" }]]);
    for end in ["drop", "rollback"] {
        let done = ask(&project, &format!("transaction?end={end}"), &alice, steps()).await;
        assert_eq!(done, json!([[], 1]));
        assert_eq!(
            ask(&project, "select", &alice, all()).await,
            json!([]),
            "{end}"
        );
    }
    let done = ask(&project, "transaction?end=commit", &alice, steps()).await;
    assert_eq!(done, json!([[], 1, "committed"]));
    let failing = json!([
        ["insert", note(TWO, ALICE, "b")],
        ["insert", note(ONE, ALICE, "again")],
        ["count", { "table": "notes" }],
    ]);
    let done = ask(&project, "transaction?end=commit", &alice, failing).await;
    let over = json!({ "error": "transaction_over" });
    assert_eq!(done, json!([[], { "error": "already_exists" }, over, over]));
    assert_eq!(
        ask(&project, "select", &alice, all()).await,
        json!([{ "title": "a" }])
    );
}

/// In a shared instance a handle can reach another request. It is of no use there.
#[tokio::test]
async fn a_transaction_is_of_no_use_to_another_caller() {
    let app = TestApp::on_one_thread().await;
    let project = app.project().await;
    let (alice, bob) = notes(&project).await;
    let lines = "isolation = \"shared\"\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    let steps = json!([["insert", note(ONE, ALICE, "a secret")]]);
    let second = ask(&project, "keep", &alice, steps).await;
    assert_eq!(second, json!("transaction_open"));
    let steps = json!([["select", all()]]);
    let codes = ask(&project, "use-kept", &bob, steps).await;
    assert_eq!(codes, json!(["foreign_transaction", "foreign_transaction"]));
    // Its handle went with bob's request, so it is undone and its place is free.
    let patience = std::time::Duration::from_secs(20);
    eventually("the row can be written again", patience, async || {
        let written = call(&project, "insert", &alice, note(ONE, ALICE, "b")).await;
        (written.status == 200).then_some(())
    })
    .await;
    assert_eq!(
        ask(&project, "select", &alice, all()).await,
        json!([{ "title": "b" }])
    );
}

#[tokio::test]
async fn plain_functions_have_transactions_too() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("todos")).await;
    project.deploy("behaviours-02").await;
    let alice = project.token(ALICE).await;
    let ask = async |path: &str| {
        let call = project.call(Method::GET, &format!("/behaviours-02/{path}"));
        call.bearer(&alice).send().await.of_function(200).text()
    };
    assert_eq!(ask("abandon").await, "Outcome::Count(2)");
    let before = ask("select").await;
    assert_eq!(before, "[]");
    assert_eq!(ask("commit").await, "Outcome::Count(2)");
    assert!(ask("select").await.contains("two"));
}
