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

#[tokio::test]
async fn a_csv_file_is_read_by_the_types_of_the_columns() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let seed = async |text: &str| {
        std::fs::write(folder.path().join("rows.csv"), text).unwrap();
        let arguments = ["tables", "seed", "notes", "rows.csv"];
        shell.run(folder.path(), &arguments).await
    };
    let good = format!(
        "rank,title,owner_id\r\n9007199254740993,\"a, \"\"b\"\"\nc\",{ALICE}\r\n,,{ALICE}\r\n"
    );
    assert_eq!(seed(&good).await.expect(0), "2 rows in notes\n");
    let alice = project.token(ALICE).await;
    let query = json!({ "table": "notes", "columns": ["rank", "title"] });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .bearer(&alice);
    let seen = call.json(&query).send().await.of_function(200).json();
    let seen = seen.as_array().unwrap();
    let row = json!({ "rank": "9007199254740993", "title": "a, \"b\"\nc" });
    assert_eq!(seen.len(), 2);
    assert!(seen.contains(&row), "{seen:?}");
    assert!(
        seen.contains(&json!({ "rank": null, "title": "" })),
        "{seen:?}"
    );

    for (text, said) in [
        ("colour\nred\n", "rows.csv: line 1: the table has no column"),
        ("rank,title\n1\n", "rows.csv: line 2"),
    ] {
        let refused = seed(text).await;
        assert!(
            refused.code == 2 && refused.errors.contains(said),
            "{refused:?}"
        );
    }
}
