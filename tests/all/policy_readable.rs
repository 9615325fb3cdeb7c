//! A table of members that policies read past its own policies: set by an administrator, shown, in
//! force at once, and refused where it would not go.

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::policies::titles;
use crate::support::{ALICE, BOB, CommandLine, Project, TestApp};

/// Notes of teams, and who is a member of which; members see only their own lines of that.
fn teams() -> Value {
    let id = json!({ "name": "id", "type": "bigint", "primary_key": true });
    json!({ "tables": [
        { "name": "members",
          "columns": [id, { "name": "team", "type": "text" }, { "name": "user_id", "type": "uuid" }],
          "policies": [{ "name": "own_lines", "commands": ["select"], "using": "user_id = auth.uid()" }] },
        { "name": "notes",
          "columns": [id, { "name": "title", "type": "text" }],
          "policies": [{ "name": "busy", "commands": ["select"], "roles": ["authenticated"],
            "using": "exists (select 1 from members m where m.team = notes.title and m.id = 2)" }] },
    ]})
}

async fn filled<'a>(app: &'a TestApp) -> Project<'a> {
    let project = app.project().await;
    project.schema(&teams()).await;
    project.deploy("behaviours").await;
    for (table, rows) in [
        (
            "members",
            json!([{ "id": 1, "team": "red", "user_id": ALICE },
                           { "id": 2, "team": "red", "user_id": BOB }]),
        ),
        (
            "notes",
            json!([{ "id": 1, "title": "red" }, { "id": 2, "title": "blue" }]),
        ),
    ] {
        let path = format!("/tables/{table}/rows");
        let fill = project.control(Method::POST, &path);
        fill.json(&json!({ "rows": rows })).send().await.expect(201);
    }
    project
}

const SETTING: &str = "/tables/members/policy-readable";

#[tokio::test]
async fn policies_read_past_a_tables_own_once_an_administrator_says_so() {
    let app = TestApp::shared().await;
    let project = filled(&app).await;
    let alice = project.token(ALICE).await;
    assert_eq!(
        project.get("/tables/members").await["policy_readable"],
        false
    );
    assert_eq!(
        titles(&project, &alice).await,
        json!([]),
        "the line is bob's"
    );

    let developer = app.operator(ControlRole::Developer);
    let on = json!({ "enabled": true });
    let call = project.control(Method::PUT, SETTING).json(&on);
    let refused = call.bearer(&developer).send().await;
    let refused = refused.problem(403, "forbidden");
    assert!(
        refused.to_string().contains("policy_readable:set"),
        "{refused}"
    );

    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    let said = run(&["tables", "policy-readable", "members", "on"]).await;
    assert_eq!(said.trim(), "policies read all of members");
    assert_eq!(titles(&project, &alice).await, json!(["red"]));
    let own = json!({ "table": "members", "columns": ["id"] });
    let call = project.call(Method::POST, "/behaviours/select").json(&own);
    let lines = call.bearer(&alice).send().await.of_function(200).json();
    assert_eq!(
        lines,
        json!([{ "id": 1 }]),
        "asked for, it is as guarded as ever"
    );
    let explain = ["policies", "explain", "--table", "notes", "--as", ALICE];
    let said = run(&explain).await;
    assert!(said.contains("members is read past its policies"), "{said}");

    // Its own policies may then come back to it; no longer so while they do.
    let team = json!({ "name": "team", "table": "members", "commands": ["select"],
        "using": "team in (select m.team from members m where m.user_id = auth.uid())" });
    let saved = project.control(Method::POST, "/policies").json(&team);
    saved.send().await.expect(201);
    let off = json!({ "enabled": false });
    let call = project.control(Method::PUT, SETTING).json(&off);
    let refused = call.send().await.problem(409, "in_use");
    assert!(
        refused.to_string().contains("members → members"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_mirror_and_a_table_that_policies_read_past_its_own_exclude_each_other() {
    let app = TestApp::shared().await;
    let project = filled(&app).await;
    let put = async |path: &str, enabled: bool| {
        let wanted = json!({ "enabled": enabled });
        let call = project.control(Method::PUT, path).json(&wanted);
        call.send().await
    };
    put("/native-mirror", true).await.expect(200);
    let refused = put(SETTING, true).await.problem(409, "not_mirrorable");
    assert!(refused.to_string().contains("policy_readable"), "{refused}");
    put("/native-mirror", false).await.expect(200);
    put(SETTING, true).await.expect(200);
    let refused = put("/native-mirror", true)
        .await
        .problem(409, "not_mirrorable");
    assert!(refused.to_string().contains("busy"), "{refused}");
    put(SETTING, false).await.expect(200);
    put("/native-mirror", true).await.expect(200);
}
