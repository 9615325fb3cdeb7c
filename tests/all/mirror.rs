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
        json!({ "enabled": false })
    );
    assert_eq!(in_postgres(&app, &project).await, (0, 0));
    switch(&project, true).await.expect(200);
    assert_eq!(
        project.get("/native-mirror").await,
        json!({ "enabled": true })
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
        json!({ "enabled": false })
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
