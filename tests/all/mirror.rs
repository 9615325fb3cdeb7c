//! The mirror over the control API: on, in force, kept up with every change, refused, and off.

use http::Method;
use serde_json::{Value, json};

use crate::policies::{prepared, titles};
use crate::support::{ALICE, Answer, BOB, CommandLine, Project, TestApp};

async fn switch(project: &Project<'_>, enabled: bool) -> Answer {
    let wanted = json!({ "enabled": enabled });
    let call = project.control(Method::PUT, "/native-mirror").json(&wanted);
    call.send().await
}

/// What Postgres has on the project's tables: how many force row security, and how many policies there are.
async fn in_postgres(app: &TestApp, project: &Project<'_>) -> (i64, i64) {
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    let database = app.launch.database().connect().await;
    let count = format!(
        "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'p_{id}' AND relrowsecurity AND relforcerowsecurity),
                (SELECT count(*) FROM pg_policies WHERE schemaname = 'p_{id}')"
    );
    let row = database.query_one(&count, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_mirrored_project_answers_as_before_and_follows_every_change() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    assert_eq!(
        project.get("/native-mirror").await,
        json!({ "enabled": false, "tables": [] })
    );
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
    switch(&project, true).await.expect(200);
    assert_eq!(
        project.get("/native-mirror").await,
        json!({ "enabled": true, "tables": [] })
    );
    // The mirror's own, and one for each command of the only policy.
    assert_eq!(in_postgres(&app, &project).await, (1, 5));
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    let new = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": "c" }] });
    let insert = async |token: &str| {
        let call = project.call(Method::POST, "/behaviours/insert");
        call.bearer(token).json(&new).send().await
    };
    insert(&alice).await.of_function(200);
    let forged = insert(&bob).await;
    assert_eq!(forged.json()["code"], "check_failed", "{forged:?}");
    assert_eq!(titles(&project, &alice).await, json!(["a", "c"]));

    let shared = json!({ "name": "shared", "table": "notes", "commands": ["select"],
        "using": "title = 'a' and auth.uid() is not null" });
    let call = project.control(Method::POST, "/policies").json(&shared);
    let saved = call.send().await.expect(201).json();
    assert_eq!(in_postgres(&app, &project).await, (1, 6));
    assert_eq!(titles(&project, &bob).await, json!(["a", "b"]));
    let path = format!("/policies/{}", saved["id"].as_str().unwrap());
    project
        .control(Method::DELETE, &path)
        .send()
        .await
        .expect(204);
    assert_eq!(in_postgres(&app, &project).await, (1, 5));
    let table = json!({ "name": "more", "columns": [{ "name": "owner_id", "type": "uuid" }] });
    let call = project.control(Method::POST, "/tables").json(&table);
    call.send().await.expect(201);
    assert_eq!(in_postgres(&app, &project).await, (2, 6));
    let rows = json!({ "rows": [{ "owner_id": BOB, "title": "seeded" }] });
    let call = project
        .control(Method::POST, "/tables/notes/rows")
        .json(&rows);
    call.send().await.expect(201);
    assert_eq!(titles(&project, &bob).await, json!(["b", "seeded"]));

    switch(&project, false).await.expect(200);
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
    assert_eq!(titles(&project, &alice).await, json!(["a", "c"]));
}

#[tokio::test]
async fn what_postgres_cannot_say_keeps_the_mirror_off_and_is_not_saved_while_it_is_on() {
    let app = TestApp::shared().await;
    let (project, alice, _) = prepared(&app).await;
    let policy = |name: &str| {
        json!({ "name": name, "table": "notes", "commands": ["select"], "using": "true",
                "read": ["id", "title"] })
    };
    let save = async |policy: Value| {
        let call = project.control(Method::POST, "/policies").json(&policy);
        call.send().await
    };
    let first = save(policy("masked")).await.expect(201).json();
    let second = save(policy("also masked")).await.expect(201).json();
    let refused = switch(&project, true).await.problem(409, "not_mirrorable");
    let errors = refused["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{refused}");
    assert!(
        errors.iter().all(|error| error["field"] == "notes"),
        "{refused}"
    );
    assert!(
        refused["errors"].to_string().contains("masked"),
        "{refused}"
    );
    assert_eq!(
        project.get("/native-mirror").await,
        json!({ "enabled": false, "tables": [] })
    );
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
    for saved in [first, second] {
        let path = format!("/policies/{}", saved["id"].as_str().unwrap());
        project
            .control(Method::DELETE, &path)
            .send()
            .await
            .expect(204);
    }
    let shell = CommandLine::of(&app, &project.name);
    let run = async |what: &str| {
        let folder = std::env::temp_dir();
        shell
            .run(&folder, &["policies", "mirror", what])
            .await
            .expect(0)
    };
    assert!(run("show").await.starts_with("off:"));
    assert!(run("on").await.starts_with("on: Postgres enforces"));
    save(policy("masked")).await.problem(409, "not_mirrorable");
    assert_eq!(project.list("/policies").await.len(), 1, "it was saved");
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    assert!(run("off").await.starts_with("off:"));
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
}

#[tokio::test]
async fn one_table_is_mirrored_beside_another_that_cannot_be() {
    let app = TestApp::shared().await;
    let (project, alice, bob) = prepared(&app).await;
    let table = json!({ "name": "profiles", "columns": [{ "name": "owner_id", "type": "uuid" }] });
    let call = project.control(Method::POST, "/tables").json(&table);
    call.send().await.expect(201);
    let save = async |table: &str, using: &str, read: Value| {
        let policy = json!({ "name": using, "table": table, "commands": ["select"],
            "using": using, "read": read });
        let call = project.control(Method::POST, "/policies").json(&policy);
        call.send().await
    };
    let masked = save("profiles", "owner_id is not null", json!(["id"])).await;
    masked.expect(201);
    switch(&project, true).await.problem(409, "not_mirrorable");

    let shell = CommandLine::of(&app, &project.name);
    let run = async |words: &[&str]| {
        let words = [&["policies", "mirror"], words].concat();
        shell.run(&std::env::temp_dir(), &words).await.expect(0)
    };
    let on = run(&["on", "--table", "notes"]).await;
    assert!(
        on.starts_with("on: Postgres enforces the policies of notes"),
        "{on}"
    );
    assert_eq!(in_postgres(&app, &project).await, (1, 5));
    let setting = json!({ "enabled": false, "tables": ["notes"] });
    assert_eq!(project.get("/native-mirror").await, setting);
    assert!(run(&["show"]).await.contains("Postgres too those of notes"));
    assert_eq!(titles(&project, &alice).await, json!(["a"]));
    assert_eq!(titles(&project, &bob).await, json!(["b"]));
    let folder = std::env::temp_dir();
    let verified = shell.run(&folder, &["policies", "verify"]);
    let verified = verified.await.expect(0);
    assert!(verified.contains("0 disagreements"), "{verified}");

    // Inside a policy Postgres would show all of a table that is not mirrored.
    let inner = "exists (select 1 from profiles p where p.owner_id = notes.owner_id)";
    let refused = save("notes", inner, Value::Null).await;
    let refused = refused.problem(409, "not_mirrorable");
    assert!(
        refused["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("its policies read profiles, which is not mirrored"),
        "{refused}"
    );
    // A change elsewhere leaves the mirror of this table as it is.
    save("profiles", "owner_id = auth.uid()", Value::Null)
        .await
        .expect(201);
    assert_eq!(in_postgres(&app, &project).await, (1, 5));
    let off = run(&["off", "--table", "notes"]).await;
    assert!(off.starts_with("off:"), "{off}");
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
    let unknown = project
        .control(Method::PUT, "/tables/nothing/native-mirror")
        .json(&json!({ "enabled": true }))
        .send()
        .await;
    unknown.expect(404);
}
