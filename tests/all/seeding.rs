//! Rows from a file into a table: an administrator's, past the policies, all or nothing a batch.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, CommandLine, TestApp, own_rows};

#[tokio::test]
async fn a_file_of_rows_fills_a_table_and_its_policies_hold_afterwards() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let row = |n: u32| {
        let owner = if n.is_multiple_of(2) { ALICE } else { BOB };
        json!({ "owner_id": owner, "title": format!("note {n}"), "rank": n })
    };
    let lines: String = (0..1200).map(|n| format!("{}\n", row(n))).collect();
    std::fs::write(folder.path().join("rows.ndjson"), lines).unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await;
    let said = run(&["tables", "seed", "notes", "rows.ndjson"])
        .await
        .expect(0);
    assert_eq!(said, "1200 rows in notes\n");
    let alice = project.token(ALICE).await;
    let query = json!({ "table": "notes", "columns": ["rank"] });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .bearer(&alice);
    let seen = call.json(&query).send().await.of_function(200).json();
    assert_eq!(seen.as_array().unwrap().len(), 600, "hers, and no other's");

    let bad = json!([row(1), { "owner_id": ALICE }]);
    std::fs::write(folder.path().join("bad.json"), bad.to_string()).unwrap();
    let refused = run(&["tables", "seed", "notes", "bad.json"]).await;
    assert!(
        refused.code == 1 && refused.errors.contains("0 of 2 rows"),
        "{refused:?}"
    );
    let post = |table: &str, rows: Value| {
        let path = format!("/tables/{table}/rows");
        project
            .control(Method::POST, &path)
            .json(&json!({ "rows": rows }))
            .send()
    };
    post("notes", json!([{ "colour": 1 }]))
        .await
        .problem(400, "invalid_field");
    post("nothing", json!([{}]))
        .await
        .problem(404, "unknown_table");
    let many: Vec<Value> = (0..1001).map(row).collect();
    post("notes", json!(many))
        .await
        .problem(400, "invalid_field");
    let id = json!("11111111-1111-4111-8111-111111111111");
    let twice = json!([{ "id": id, "owner_id": BOB, "title": "x" }]);
    post("notes", twice.clone()).await.expect(201);
    post("notes", twice).await.problem(409, "already_exists");
}
