//! A `schema.json` from the command line: planned, refused, applied, remembered.

use serde_json::{Value, json};

use crate::support::{CommandLine, TestApp};

fn file(columns: &Value, using: &str) -> String {
    let policies = json!([{ "name": "some", "using": using }]);
    json!({ "tables": [{ "name": "notes", "columns": columns, "policies": policies }] }).to_string()
}

#[tokio::test]
async fn a_file_is_planned_refused_applied_and_remembered_from_the_command_line() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(here.path(), arguments).await;
    let write = |text: String| std::fs::write(here.path().join("schema.json"), text).unwrap();
    let rank = json!({ "name": "rank", "type": "integer" });
    let old = json!({ "name": "old", "type": "text", "nullable": true });
    write(file(&json!([rank, old]), "old is null"));
    let planned = run(&["tables", "plan", "--sql"]).await.expect(0);
    for line in [
        "+ create table notes: id, rank, old",
        "CREATE TABLE",
        "+ create policy notes: some",
    ] {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    assert_eq!(
        project.list("/tables").await.len(),
        0,
        "a plan makes nothing"
    );
    let applied = run(&["tables", "apply"]).await.expect(0);
    assert!(applied.contains("applied as change "), "{applied}");

    std::fs::write(
        here.path().join("rows.json"),
        r#"[{"rank": 1, "old": "x"}]"#,
    )
    .unwrap();
    run(&["tables", "seed", "notes", "rows.json"])
        .await
        .expect(0);
    let wider = json!([{ "name": "rank", "type": "bigint" }]);
    write(file(&wider, "old is null"));
    let broken = run(&["tables", "plan", "--prune", "--lose-data"]).await;
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(
        broken
            .output
            .contains("policy \"some\": there is no column old"),
        "{broken:?}"
    );

    write(file(&wider, "rank > 0"));
    let losing = run(&["tables", "apply", "--prune"]).await;
    assert_eq!(losing.code, 1, "{losing:?}");
    assert!(
        losing
            .output
            .contains("- drop column notes.old (1 values are lost)"),
        "{losing:?}"
    );
    let plan = run(&["tables", "plan", "--prune", "--lose-data", "--json"])
        .await
        .expect(0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let state = plan["state"].as_str().unwrap();
    let terms = [
        "tables",
        "apply",
        "--prune",
        "--lose-data",
        "--state",
        state,
    ];
    run(&terms).await.expect(0);
    let stale = run(&terms).await;
    assert!(stale.output.contains("schema_changed"), "{stale:?}");
    let said = run(&["tables", "apply"]).await.expect(0);
    assert!(said.contains("nothing to do"), "{said}");

    let history = run(&["tables", "history"]).await.expect(0);
    assert!(
        history.contains("- drop column notes.old (1 values are lost)"),
        "{history}"
    );
    let history = run(&["tables", "history", "--json"]).await.expect(0);
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
}
