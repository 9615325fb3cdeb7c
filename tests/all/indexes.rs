//! Indexes over the control API, and what a unique one means to functions.

use http::Method;
use serde_json::json;

use crate::support::{ALICE, CommandLine, TestApp, own_rows};

#[tokio::test]
async fn a_unique_index_on_one_column_is_a_target_for_upserts_until_it_is_dropped() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    let upsert = async |rank: u32| {
        let rows = json!([{ "owner_id": ALICE, "title": "one", "rank": rank }]);
        let query =
            json!({ "table": "notes", "rows": rows, "conflict": ["title"], "returning": ["rank"] });
        let call = project
            .call(Method::POST, "/behaviours/upsert")
            .bearer(&alice);
        call.json(&query).send().await
    };
    assert_eq!(upsert(1).await.status, 400);

    let path = "/tables/notes/indexes";
    let made = project
        .control(Method::POST, path)
        .json(&json!({ "columns": ["title"], "unique": true }))
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(made["indexes"][0]["name"], "notes_title_idx", "{made}");
    for rank in [1, 2] {
        let stored = upsert(rank).await.of_function(200).json();
        assert_eq!(stored, json!([{ "rank": rank }]));
    }
    let table = project.control(Method::GET, "/tables/notes").send().await;
    assert_eq!(table.expect(200).json()["indexes"], made["indexes"]);

    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let shown = shell.run(here.path(), &["tables", "notes"]).await.expect(0);
    assert!(shown.contains("notes_title_idx"), "{shown}");

    let dropped = || {
        project
            .control(Method::DELETE, "/tables/notes/indexes/notes_title_idx")
            .send()
    };
    assert_eq!(dropped().await.expect(200).json()["indexes"], json!([]));
    dropped().await.problem(404, "unknown_index");
    assert_eq!(upsert(3).await.status, 400);
    let wrong = project
        .control(Method::POST, path)
        .json(&json!({ "columns": ["nothing"] }));
    wrong.send().await.problem(400, "invalid_schema");
}

#[tokio::test]
async fn a_unique_index_on_two_columns_is_a_target_for_upserts_by_both() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let made = project
        .control(Method::POST, "/tables/notes/indexes")
        .json(&json!({ "columns": ["owner_id", "title"], "unique": true }));
    made.send().await.expect(201);
    let alice = project.token(ALICE).await;
    for rank in [1, 2] {
        let query = json!({ "table": "notes", "conflict": ["title", "owner_id"], "returning": ["rank"],
            "rows": [{ "owner_id": ALICE, "title": "one", "rank": rank }] });
        let call = project
            .call(Method::POST, "/behaviours/upsert")
            .bearer(&alice);
        let stored = call.json(&query).send().await.of_function(200).json();
        assert_eq!(stored, json!([{ "rank": rank }]));
    }
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let index = "notes_owner_id_title_idx";
    let drop = ["tables", "drop", "notes", "--index", index];
    let said = shell.run(here.path(), &drop).await.expect(0);
    assert_eq!(said, format!("dropped {index}\n"));
    let shown = shell.run(here.path(), &["tables", "notes"]).await.expect(0);
    assert!(!shown.contains(index), "{shown}");
}
