//! Policies over the control API: stored as written, listed, changed, and in force at once.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, Project, TestApp, own_rows};

pub(crate) async fn titles(project: &Project<'_>, token: &str) -> Value {
    let query = json!({ "table": "notes", "columns": ["title"], "order": [["title", "asc"]] });
    let call = project
        .call(Method::POST, "/behaviours/select")
        .bearer(token)
        .json(&query);
    let answer = call.send().await;
    match answer.status {
        200 => answer
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["title"].clone())
            .collect(),
        _ => answer.json()["code"].clone(),
    }
}

pub(crate) async fn prepared<'a>(app: &'a TestApp) -> (Project<'a>, String, String) {
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    for (token, owner, title) in [(&alice, ALICE, "a"), (&bob, BOB, "b")] {
        let row = json!({ "table": "notes", "rows": [{ "owner_id": owner, "title": title }] });
        let call = project
            .call(Method::POST, "/behaviours/insert")
            .bearer(token)
            .json(&row);
        call.send().await.of_function(200);
    }
    (project, alice, bob)
}

#[tokio::test]
async fn a_policy_is_stored_as_text_listed_changed_and_takes_effect_at_once() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    let listed = project.list("/policies?table=notes").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["using"], "owner_id = auth.uid()");
    assert_eq!(listed[0]["name"], "own_rows");
    assert_eq!(titles(&project, &bob).await, json!(["b"]));

    let shared = json!({
        "name": "shared_a", "table": "notes", "commands": ["select"],
        "using": "title = 'a' and (select auth.uid()) is not null",
    });
    let saved = project
        .control(Method::POST, "/policies")
        .json(&shared)
        .send()
        .await;
    let saved = saved.expect(201).json();
    assert!(saved["warnings"].is_array(), "{saved}");
    assert_eq!(titles(&project, &bob).await, json!(["a", "b"]));
    assert_eq!(titles(&project, &alice).await, json!(["a"]));

    let path = format!("/policies/{}", saved["id"].as_str().unwrap());
    let change = async |patch: Value| {
        let call = project.control(Method::PATCH, &path).json(&patch);
        call.send().await.expect(200).json()
    };
    change(json!({ "using": "title = 'b'" })).await;
    assert_eq!(titles(&project, &alice).await, json!(["a", "b"]));
    assert_eq!(project.get(&path).await["using"], "title = 'b'");
    change(json!({ "enabled": false })).await;
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    change(json!({ "enabled": true, "effect": "deny", "using": "title = 'a'" })).await;
    assert_eq!(
        titles(&project, &alice).await,
        json!([]),
        "a deny wins over an allow"
    );
    assert_eq!(titles(&project, &bob).await, json!(["b"]));

    let bad = project
        .control(Method::PATCH, &path)
        .json(&json!({ "using": "colour = 1" }));
    bad.send().await.problem(400, "invalid_policy");
    project
        .control(Method::DELETE, &path)
        .send()
        .await
        .expect(204);
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    let again = project.control(Method::DELETE, &path).send().await;
    again.problem(404, "unknown_policy");
}

#[tokio::test]
async fn claims_beyond_the_subject_count_in_a_policy() {
    let app = TestApp::shared().await;
    let (project, alice, _) = prepared(&app).await;
    let team = json!({
        "name": "auditors", "table": "notes", "commands": ["select"],
        "using": "(auth.jwt() ->> 'team') = 'audit'",
    });
    project
        .control(Method::POST, "/policies")
        .json(&team)
        .send()
        .await
        .expect(201);
    let auditor = project.token_with(ALICE, &json!({ "team": "audit" })).await;
    assert_eq!(titles(&project, &auditor).await, json!(["a", "b"]));
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
}

#[tokio::test]
async fn a_policy_is_judged_before_it_is_saved_and_warned_about() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let check = async |effect: &str, using: &str| {
        let draft = json!({ "table": "notes", "effect": effect, "using": using });
        let call = project
            .control(Method::POST, "/policies/check")
            .json(&draft);
        call.send().await.expect(200).json()
    };
    let fine = check("allow", "owner_id = auth.uid()").await;
    assert_eq!(
        (&fine["valid"], &fine["errors"]),
        (&json!(true), &json!([]))
    );
    let nullable = check("deny", "rank > 3").await;
    assert_eq!(nullable["valid"], true);
    assert!(
        nullable["warnings"].to_string().contains("rank"),
        "{nullable}"
    );
    assert_eq!(
        project.list("/policies").await.len(),
        1,
        "asking saved something"
    );
}

#[tokio::test]
async fn a_schema_applied_twice_does_nothing_the_second_time_and_never_loses_data() {
    let app = TestApp::shared().await;
    let (project, alice, _) = prepared(&app).await;
    let again = project.schema(&own_rows("notes")).await;
    for done in [
        "created_tables",
        "added_columns",
        "created_policies",
        "changed_policies",
    ] {
        assert_eq!(again[done], json!([]), "{done}: {again}");
    }
    let mut wider = own_rows("notes");
    let columns = wider["tables"][0]["columns"].as_array_mut().unwrap();
    columns.push(json!({ "name": "colour", "type": "text", "default": "red" }));
    wider["tables"][0]["policies"][0]["using"] = json!("true");
    let done = project.schema(&wider).await;
    assert_eq!(done["added_columns"], json!(["notes.colour"]), "{done}");
    assert_eq!(
        done["changed_policies"].as_array().unwrap().len(),
        1,
        "{done}"
    );
    assert_eq!(titles(&project, &alice).await, json!(["a", "b"]));

    let mut other = wider.clone();
    other["tables"][0]["columns"][2]["type"] = json!("bigint");
    let refused = project
        .control(Method::PUT, "/schema")
        .json(&other)
        .send()
        .await;
    refused.problem(409, "would_lose_data");
    assert_eq!(titles(&project, &alice).await, json!(["a", "b"]));
}

#[tokio::test]
async fn a_real_table_stands_behind_a_table() {
    let app = TestApp::shared().await;
    let (project, _, _) = prepared(&app).await;
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    let database = app.launch.database().connect().await;
    let count = format!("SELECT count(*) FROM p_{id}.notes");
    let rows: i64 = database.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2);
    let role = format!(
        "SELECT rolcanlogin AND NOT rolsuper AND NOT rolbypassrls FROM pg_roles \
         WHERE rolname = 'koya_p_{id}'"
    );
    let right: bool = database.query_one(&role, &[]).await.unwrap().get(0);
    assert!(right, "the project's role may more than it should");
    let delete = |path| project.control(Method::DELETE, path).send();
    let kept = delete("/tables/notes").await;
    kept.problem(409, "would_lose_data");
    let kept = delete("/tables/notes/columns/title").await;
    kept.problem(409, "would_lose_data");
    // No row has a rank, so nothing is lost.
    delete("/tables/notes/columns/rank").await.expect(200);
    let needed = delete("/tables/notes/columns/owner_id?lose_data=true").await;
    let needed = needed.problem(409, "in_use");
    assert!(
        needed["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("own_rows"),
        "{needed}"
    );
    let rows: i64 = database.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2);
    delete("/tables/notes?lose_data=true").await.expect(204);
    assert!(database.query_one(&count, &[]).await.is_err());
    assert_eq!(
        project.list("/policies").await.len(),
        0,
        "its policies went with it"
    );
}

#[tokio::test]
async fn masks_presets_and_listed_values_are_stored_shown_and_in_force() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let schema = json!({ "tables": [{
        "name": "notes",
        "columns": [
            { "name": "owner_id", "type": "uuid" },
            { "name": "title", "type": "text" },
            { "name": "state", "type": "enum(open, done)", "default": "open" },
            { "name": "secret", "type": "text", "nullable": true },
        ],
        "policies": [
            { "name": "own", "commands": ["select"], "using": "owner_id = auth.uid()",
              "read": ["id", "title", "state"] },
            { "name": "write", "commands": ["insert"], "check": "owner_id = auth.uid()",
              "write": ["title", "state"], "set": { "owner_id": "auth.uid()" } },
        ],
    }]});
    project.schema(&schema).await;
    let again = project.schema(&schema).await;
    assert_eq!(again["changed_policies"], json!([]), "{again}");
    let listed = project.list("/policies").await;
    assert_eq!(
        listed[0]["read"],
        json!(["id", "title", "state"]),
        "{listed:?}"
    );
    assert_eq!(
        listed[1]["set"],
        json!({ "owner_id": "auth.uid()" }),
        "{listed:?}"
    );
    let table = project.get("/tables/notes").await;
    assert_eq!(table["columns"][3]["type"], "enum(open, done)", "{table}");

    let path = format!("/policies/{}", listed[0]["id"].as_str().unwrap());
    let change = |patch: Value| project.control(Method::PATCH, &path).json(&patch).send();
    let unknown = change(json!({ "read": ["colour"] }))
        .await
        .problem(400, "invalid_policy");
    assert_eq!(unknown["errors"][0]["field"], "read", "{unknown}");
    change(json!({ "read": null })).await.expect(200);
    assert_eq!(project.get(&path).await["read"], json!(null));
    let odd = json!({ "name": "odd", "table": "notes", "commands": ["insert"], "check": "true",
                      "set": { "owner_id": "auth.uuid()" } });
    let odd = project
        .control(Method::POST, "/policies")
        .json(&odd)
        .send()
        .await;
    let odd = odd.problem(400, "invalid_policy");
    assert_eq!(odd["errors"][0]["field"], "set.owner_id", "{odd}");
}

#[tokio::test]
async fn a_policy_reads_declared_claims_and_a_declaration_in_use_stays() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let mut schema = own_rows("notes");
    schema["claims"] = json!({ "team": { "required": true } });
    schema["tables"][0]["policies"][0]["using"] = json!("auth.jwt() ->> 'team' = title");
    let applied = project.schema(&schema).await;
    assert_eq!(applied["changed_claims"], true, "{applied}");
    assert_eq!(project.schema(&schema).await["changed_claims"], false);
    assert_eq!(project.get("/claims").await, schema["claims"]);

    let typo = json!({ "table": "notes", "using": "auth.jwt() ->> 'taem' = title" });
    let call = project.control(Method::POST, "/policies/check").json(&typo);
    let verdict = call.send().await.expect(200).json();
    assert!(verdict["errors"].to_string().contains("team"), "{verdict}");
    let put = |claims: Value| project.control(Method::PUT, "/claims").json(&claims).send();
    let used = put(json!({ "org": {} })).await.problem(409, "in_use");
    assert!(used["errors"].to_string().contains("own_rows"), "{used}");
    put(json!({ "team": {}, "org": {} })).await.expect(200);
    put(json!({ "team": { "requierd": true } }))
        .await
        .problem(400, "invalid_field");
}
