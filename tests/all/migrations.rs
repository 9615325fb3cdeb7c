//! A `schema.json` from the command line: planned, refused, applied, remembered.

use serde_json::{Value, json};

use crate::support::{CommandLine, Finished, Project, TestApp};

fn file(columns: &Value, using: &str) -> String {
    let policies = json!([{ "name": "some", "using": using }]);
    json!({ "tables": [{ "name": "notes", "columns": columns, "policies": policies }] }).to_string()
}

/// A folder with a `schema.json`, and a shell in it.
struct Folder {
    shell: CommandLine,
    here: tempfile::TempDir,
}

impl Folder {
    fn of(app: &TestApp, project: &Project<'_>) -> Self {
        Self {
            shell: CommandLine::of(app, &project.name),
            here: tempfile::tempdir().unwrap(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.here.path().join(name), text).unwrap();
    }

    async fn tables(&self, line: &str) -> Finished {
        let arguments: Vec<&str> = ["tables"].into_iter().chain(line.split(' ')).collect();
        self.shell.run(self.here.path(), &arguments).await
    }
}

/// A table with a row, whose column `old` the next file does not have.
async fn with_a_value_to_lose(folder: &Folder) -> Value {
    let rank = json!({ "name": "rank", "type": "integer" });
    let old = json!({ "name": "old", "type": "text", "nullable": true });
    folder.write("schema.json", &file(&json!([rank, old]), "old is null"));
    folder.tables("apply").await.expect(0);
    folder.write("rows.json", r#"[{"rank": 1, "old": "x"}]"#);
    folder.tables("seed notes rows.json").await.expect(0);
    json!([{ "name": "rank", "type": "bigint" }])
}

#[tokio::test]
async fn a_plan_is_shown_with_its_statements_and_changes_nothing() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let folder = Folder::of(&app, &project);
    let columns = json!([{ "name": "rank", "type": "integer" }]);
    folder.write("schema.json", &file(&columns, "rank > 0"));
    let planned = folder.tables("plan --sql").await.expect(0);
    for line in [
        "+ create table notes: id, rank",
        "CREATE TABLE",
        "+ create policy notes: some",
    ] {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    assert_eq!(project.list("/tables").await.len(), 0);
    let applied = folder.tables("apply").await.expect(0);
    assert!(applied.contains("applied as change "), "{applied}");
    let again = folder.tables("apply").await.expect(0);
    assert!(again.contains("nothing to do"), "{again}");
}

#[tokio::test]
async fn what_breaks_a_policy_or_loses_data_is_refused_by_the_plan_and_by_applying() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let folder = Folder::of(&app, &project);
    let wider = with_a_value_to_lose(&folder).await;
    folder.write("schema.json", &file(&wider, "old is null"));
    let broken = folder.tables("plan --prune --lose-data").await;
    let reason = "policy \"some\": there is no column old";
    assert!(
        broken.code == 1 && broken.output.contains(reason),
        "{broken:?}"
    );

    folder.write("schema.json", &file(&wider, "rank > 0"));
    for line in ["plan --prune", "apply --prune"] {
        let losing = folder.tables(line).await;
        let step = "- drop column notes.old (1 values are lost)";
        assert!(
            losing.code == 1 && losing.output.contains(step),
            "{losing:?}"
        );
        assert!(losing.output.contains("would_lose_data"), "{losing:?}");
    }
    assert_eq!(
        project.get("/tables/notes").await["columns"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_plan_is_applied_for_its_state_and_remembered() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let folder = Folder::of(&app, &project);
    let wider = with_a_value_to_lose(&folder).await;
    folder.write("schema.json", &file(&wider, "rank > 0"));
    let plan = folder
        .tables("plan --prune --lose-data --json")
        .await
        .expect(0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let state = plan["state"].as_str().unwrap();
    let apply = format!("apply --prune --lose-data --state {state}");
    folder.tables(&apply).await.expect(0);
    let stale = folder.tables(&apply).await;
    assert!(stale.output.contains("schema_changed"), "{stale:?}");

    let history = folder.tables("history").await.expect(0);
    let step = "- drop column notes.old (1 values are lost)";
    assert!(history.contains(step), "{history}");
    let history = folder.tables("history --json").await.expect(0);
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
}
