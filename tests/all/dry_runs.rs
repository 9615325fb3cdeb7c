//! Cases on live rows: what a statement would do, found by doing and undoing it, and what the policies
//! say to each row.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{ALICE, Answer, BOB, CommandLine, Project, TestApp};

async fn explain(project: &Project<'_>, case: &Value) -> Answer {
    let call = project.control(Method::POST, "/policies/explain");
    call.json(case).send().await
}

fn alice_does(command: &str, more: Value) -> Value {
    let mut case = json!({ "identity": { "user": { "sub": ALICE } }, "command": command,
                           "table": "notes" });
    let fields = case.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    case
}

/// The verdicts on the rows, and the first test that speaks against each.
fn judged(explained: &Value) -> Vec<(String, Option<String>)> {
    let rows = explained["dry_run"]["rows"].as_array().unwrap();
    let of = |row: &Value| {
        let failing = row["failing"][0]["text"].as_str().map(str::to_owned);
        (row["verdict"].as_str().unwrap().to_owned(), failing)
    };
    rows.iter().map(of).collect()
}

#[tokio::test]
async fn a_write_is_explained_by_doing_it_and_nothing_of_it_remains() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    let own = Some("owner_id = auth.uid()".to_owned());
    let mut expected = vec![("allowed".to_owned(), None), ("denied".to_owned(), own)];
    let check = async |case: Value, verdict: &str, affected: Value, code: Value| {
        let said = explain(&project, &case).await.expect(200).json();
        assert_eq!(said["verdict"], verdict, "{said}");
        assert_eq!(said["dry_run"]["affected"], affected, "{said}");
        assert_eq!(said["dry_run"]["error"]["code"], code, "{said}");
        assert_eq!(titles(&project, &alice).await, json!(["a"]));
        assert_eq!(titles(&project, &bob).await, json!(["b"]));
        said
    };
    let nothing = Value::Null;
    let both = alice_does(
        "insert",
        json!({ "rows": [{ "owner_id": ALICE, "title": "c" },
                                                     { "owner_id": BOB, "title": "d" }] }),
    );
    let said = check(both, "denied", nothing.clone(), json!("check_failed")).await;
    assert_eq!(judged(&said), expected);
    assert_eq!(said["dry_run"]["rows"][1]["index"], 1, "{said}");
    let one = alice_does(
        "insert",
        json!({ "rows": [{ "owner_id": ALICE, "title": "c" }] }),
    );
    check(one, "allowed", json!(1), nothing.clone()).await;

    let given = alice_does(
        "update",
        json!({ "filter": "true", "set": { "owner_id": BOB } }),
    );
    let said = check(given, "denied", nothing.clone(), json!("check_failed")).await;
    assert!(judged(&said).iter().all(|(verdict, _)| verdict == "denied"));
    expected.sort();
    for case in [
        alice_does(
            "update",
            json!({ "filter": "true", "set": { "title": "z" } }),
        ),
        alice_does("delete", json!({ "filter": "title in ('a', 'b')" })),
        alice_does("select", json!({ "filter": "" })),
    ] {
        let said = check(case, "allowed", json!(1), nothing.clone()).await;
        let mut found = judged(&said);
        found.sort();
        assert_eq!(found, expected, "{said}");
        let row = &said["dry_run"]["rows"][0];
        assert_eq!(row["key"].as_object().unwrap().len(), 1, "{said}");
        assert!(!said.to_string().contains("\"title\":"), "{said}");
        assert!(said["dry_run"]["statement"].is_string(), "{said}");
    }
    let nobody = json!({ "command": "delete", "table": "notes", "filter": "" });
    check(nobody, "denied", nothing, json!("denied_by_claims")).await;
}

#[tokio::test]
async fn rows_of_other_tables_decide_in_a_dry_run() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let shared = json!({ "name": "beside", "table": "notes", "commands": ["select"],
        "using": "exists (select 1 from shares s where s.note = notes.title)" });
    let shares = json!({ "tables": [{ "name": "shares", "columns": [
        { "name": "note", "type": "text", "primary_key": true }], "policies": [
        { "name": "all", "commands": ["select"], "using": "true" }] }]});
    project.schema(&shares).await;
    let rows = json!({ "rows": [{ "note": "b" }] });
    let path = "/tables/shares/rows";
    let filled = project.control(Method::POST, path).json(&rows).send().await;
    filled.expect(201);
    let made = project.control(Method::POST, "/policies").json(&shared);
    made.send().await.expect(201);
    let case = alice_does("select", json!({ "filter": "title = 'b'" }));
    let said = explain(&project, &case).await.expect(200).json();
    assert_eq!(judged(&said), [("allowed".to_owned(), None)], "{said}");
    assert_eq!(said["dry_run"]["affected"], 1, "{said}");
}

#[tokio::test]
async fn live_rows_are_for_those_who_may_change_policies_and_ask_for_them_rightly() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let viewer = app.operator(ControlRole::Viewer);
    let as_viewer = async |case: &Value| {
        let call = project.control(Method::POST, "/policies/explain");
        call.bearer(&viewer).json(case).send().await
    };
    as_viewer(&alice_does("select", json!({})))
        .await
        .expect(200);
    let live = alice_does("select", json!({ "filter": "title = 'a'" }));
    let refused = as_viewer(&live).await.problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("policy:write"));

    let check = async |case: Value, code: &str, field: &str| {
        let said = explain(&project, &case).await.problem(400, code);
        let named = said["errors"][0]["field"].as_str().unwrap_or_default();
        assert_eq!(named, field, "{said}");
    };
    let both = json!({ "filter": "true", "row": {} });
    check(alice_does("select", both), "invalid_field", "row").await;
    let rows = json!({ "rows": [] });
    check(alice_does("delete", rows), "invalid_field", "rows").await;
    let found = json!({ "filter": "true" });
    check(
        alice_does("insert", found.clone()),
        "invalid_field",
        "filter",
    )
    .await;
    let cases = json!({ "cases": [alice_does("select", found)] });
    let test = project.control(Method::POST, "/policies/test").json(&cases);
    let said = test.send().await.problem(400, "invalid_field");
    assert_eq!(said["errors"][0]["field"], "cases[0].filter", "{said}");
    let odd = explain(
        &project,
        &alice_does("select", json!({ "filter": "title +" })),
    )
    .await;
    assert_eq!(odd.status, 400, "{odd:?}");
}

#[tokio::test]
async fn the_command_line_shows_a_dry_run() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["policies", "explain", "--table", "notes", "--as", ALICE];
    let run = async |more: &[&str]| {
        let arguments = [&arguments[..], more].concat();
        shell.run(folder.path(), &arguments).await.expect(0)
    };
    let said = run(&["--command", "delete", "--filter", "true"]).await;
    assert!(
        said.contains("tried and undone: 1 row\n  DELETE FROM"),
        "{said}"
    );
    assert!(
        said.contains(": denied\n  \"own_rows\", using of delete: because of"),
        "{said}"
    );
    let rows = format!("[{{\"owner_id\": \"{BOB}\", \"title\": \"c\"}}]");
    let said = run(&["--command", "insert", "--rows", &rows]).await;
    assert!(
        said.starts_with("denied: ") && said.contains("[check_failed]"),
        "{said}"
    );
    assert!(said.contains("row 1: denied"), "{said}");
}
