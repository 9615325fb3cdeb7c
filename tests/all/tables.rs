//! The tables interface through a function: works, refused by policy, bad input, over the limit.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, BOB, Project, TestApp, eventually, own_rows};

/// A project with the table `notes`, a function, and two users.
pub(crate) struct Notes<'a> {
    pub(crate) project: Project<'a>,
    pub(crate) alice: String,
    bob: String,
}

impl<'a> Notes<'a> {
    pub(crate) async fn of(app: &'a TestApp) -> Notes<'a> {
        let project = app.project().await;
        project.schema(&own_rows("notes")).await;
        project.deploy("behaviours").await;
        let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
        Notes {
            project,
            alice,
            bob,
        }
    }

    /// One call of the tables interface by the guest, as the bearer.
    async fn ask(&self, operation: &str, token: Option<&str>, call: Value) -> Answer {
        let path = format!("/behaviours/{operation}");
        let post = self.project.call(Method::POST, &path).json(&call);
        token
            .into_iter()
            .fold(post, |call, token| call.bearer(token))
            .send()
            .await
    }

    async fn ok(&self, operation: &str, token: &str, call: Value) -> Value {
        self.ask(operation, Some(token), call)
            .await
            .of_function(200)
            .json()
    }

    async fn fails(&self, operation: &str, call: Value, status: u16, code: &str) -> String {
        let shown = call.to_string();
        let answer = self.ask(operation, Some(&self.alice), call).await;
        let said = answer.text();
        assert_eq!(answer.status, status, "{operation} {shown}: {said}");
        assert!(
            said.contains(code),
            "{operation} {shown}: no {code} in {said}"
        );
        said
    }

    pub(crate) async fn add(&self, token: &str, owner: &str, titles: &[&str]) {
        let row = |(rank, title)| json!({ "owner_id": owner, "title": title, "rank": rank });
        let rows: Vec<Value> = titles.iter().enumerate().map(row).collect();
        self.ok("insert", token, json!({ "table": "notes", "rows": rows }))
            .await;
    }
}

#[tokio::test]
async fn rows_are_written_read_changed_and_deleted() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    notes.add(&notes.alice, ALICE, &["a", "b", "c"]).await;
    notes.add(&notes.bob, BOB, &["x"]).await;
    let select = json!({
        "table": "notes", "columns": ["title", "rank"], "filter": "rank >= $1 and title <> $2",
        "params": [0, "b"], "order": [["title", "desc"]], "limit": 5,
    });
    let rows = notes.ok("select", &notes.alice, select).await;
    assert_eq!(
        rows,
        json!([{ "title": "c", "rank": 2 }, { "title": "a", "rank": 0 }])
    );

    let update = json!({
        "table": "notes", "changes": { "title": "z" }, "filter": "rank = $1", "params": [0],
        "returning": ["title", "owner_id"],
    });
    let changed = notes.ok("update", &notes.alice, update).await;
    assert_eq!(changed, json!([{ "title": "z", "owner_id": ALICE }]));

    let all = json!({ "table": "notes", "returning": ["title"] });
    let gone = notes.ok("delete", &notes.alice, all).await;
    assert_eq!(gone.as_array().unwrap().len(), 3, "{gone}");
    let rest = notes
        .ok("select", &notes.bob, json!({ "table": "notes" }))
        .await;
    assert_eq!(rest[0]["title"], "x", "bob's row is not alice's to delete");
}

#[tokio::test]
async fn what_the_policy_forbids_changes_nothing() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    notes.add(&notes.alice, ALICE, &["mine"]).await;
    let forged = json!({ "table": "notes", "rows": [
        { "owner_id": ALICE, "title": "one" }, { "owner_id": BOB, "title": "two" },
    ]});
    notes.fails("insert", forged, 403, "check_failed").await;
    let given = json!({ "table": "notes", "changes": { "owner_id": BOB } });
    notes.fails("update", given, 403, "check_failed").await;
    let rows = notes
        .ok("select", &notes.alice, json!({ "table": "notes" }))
        .await;
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(rows[0]["owner_id"], ALICE);
}

const STATEMENTS: &str = "koyalite_tables_statements_total";
const DECIDED: &str = "koyalite_tables_decided_without_database_total";

/// The story of wall one: who can never pass is refused by the host, and Postgres hears nothing.
#[tokio::test]
async fn an_anonymous_caller_is_refused_before_postgres_is_asked() {
    // Alone on a server: what others ask for must not count.
    let app = TestApp::start().await;
    let notes = Notes::of(&app).await;
    notes.add(&notes.alice, ALICE, &["mine"]).await;
    let patience = Duration::from_secs(20);
    let before = eventually("an insert is counted", patience, async || {
        Some(app.metric(STATEMENTS).await).filter(|count| *count >= 1.0)
    })
    .await;
    for operation in ["select", "insert", "update", "delete"] {
        let call = json!({
            "table": "notes", "rows": [{ "owner_id": ALICE, "title": "t" }],
            "changes": { "title": "t" },
        });
        let refused = notes.ask(operation, None, call).await;
        assert_eq!(refused.status, 403, "{operation}: {refused:?}");
        assert!(
            refused.text().contains("denied_by_claims"),
            "{operation}: {}",
            refused.text()
        );
    }
    eventually("four refusals are counted", patience, async || {
        (app.metric(DECIDED).await >= 4.0).then_some(())
    })
    .await;
    assert_eq!(app.metric(STATEMENTS).await, before, "Postgres was asked");
    notes
        .ok("select", &notes.alice, json!({ "table": "notes" }))
        .await;
    eventually("a select is counted", patience, async || {
        (app.metric(STATEMENTS).await > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_table_without_a_policy_answers_nobody() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    let bare = json!({ "name": "bare", "columns": [{ "name": "title", "type": "text" }] });
    notes
        .project
        .control(Method::POST, "/tables")
        .json(&bare)
        .send()
        .await
        .expect(201);
    notes
        .fails("select", json!({ "table": "bare" }), 403, "no_policy")
        .await;
    let row = json!({ "table": "bare", "rows": [{ "title": "t" }] });
    notes.fails("insert", row, 403, "no_policy").await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn bad_calls_are_told_what_would_have_been_right() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    let of = |rest: Value| {
        let mut call = json!({ "table": "notes" });
        call.as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        call
    };
    for (operation, call, status, code) in [
        (
            "select",
            json!({ "table": "nothing" }),
            404,
            "unknown_table",
        ),
        (
            "select",
            json!({ "table": "pg_roles" }),
            404,
            "unknown_table",
        ),
        (
            "select",
            of(json!({ "columns": ["colour"] })),
            404,
            "unknown_column",
        ),
        (
            "select",
            of(json!({ "columns": ["ctid"] })),
            404,
            "unknown_column",
        ),
        (
            "select",
            of(json!({ "filter": "colour = 1" })),
            404,
            "unknown_column",
        ),
        (
            "select",
            of(json!({ "order": [["colour", "asc"]] })),
            404,
            "unknown_column",
        ),
        (
            "select",
            of(json!({ "filter": "title = " })),
            400,
            "position",
        ),
        ("select", of(json!({ "filter": "title = $1" })), 400, ""),
        (
            "select",
            of(json!({ "filter": "title = $1", "params": [1] })),
            400,
            "",
        ),
        (
            "select",
            of(json!({ "filter": "true; drop table notes" })),
            400,
            "",
        ),
        (
            "insert",
            of(json!({ "rows": [{ "owner_id": ALICE, "title": 7 }] })),
            400,
            "invalid_value",
        ),
        (
            "insert",
            of(json!({ "rows": [{ "owner_id": "nobody", "title": "t" }] })),
            400,
            "invalid_value",
        ),
        (
            "insert",
            of(json!({ "rows": [{ "colour": "red" }] })),
            404,
            "unknown_column",
        ),
        ("insert", of(json!({ "rows": "rows" })), 400, "invalid_rows"),
        (
            "update",
            of(json!({ "changes": {} })),
            400,
            "nothing_to_change",
        ),
        (
            "update",
            of(json!({ "changes": { "rank": "high" } })),
            400,
            "invalid_value",
        ),
    ] {
        if code == "position" {
            let said = notes.fails(operation, call, status, "").await;
            assert!(
                said.contains(':') || said.contains("column"),
                "no place in {said}"
            );
        } else {
            notes.fails(operation, call, status, code).await;
        }
    }
}

#[tokio::test]
async fn no_text_of_postgres_reaches_a_caller() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    let unique = json!({ "name": "badges", "columns": [
        { "name": "owner_id", "type": "uuid", "unique": true },
        { "name": "size", "type": "integer" },
    ]});
    notes
        .project
        .control(Method::POST, "/tables")
        .json(&unique)
        .send()
        .await
        .expect(201);
    let open = json!({ "name": "open", "table": "badges", "using": "true", "check": "true" });
    notes
        .project
        .control(Method::POST, "/policies")
        .json(&open)
        .send()
        .await
        .expect(201);
    let row =
        |size: i64| json!({ "table": "badges", "rows": [{ "owner_id": ALICE, "size": size }] });
    notes.ok("insert", &notes.alice, row(1)).await;
    let conflict = notes.fails("insert", row(2), 409, "already_exists").await;
    let range = notes.fails("insert", row(1 << 40), 400, "").await;
    for said in [conflict, range] {
        for word in [
            "constraint",
            "duplicate key",
            "badges_owner",
            "ERROR",
            "p_",
            "integer out",
        ] {
            assert!(!said.contains(word), "{word:?} in {said}");
        }
    }
}

#[tokio::test]
async fn what_is_over_a_limit_is_a_typed_error() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    let row = json!({ "owner_id": ALICE, "title": "t" });
    let thousand = vec![row.clone(); 1000];
    let insert = |rows: &[Value]| json!({ "table": "notes", "rows": rows });
    notes.ok("insert", &notes.alice, insert(&thousand)).await;
    notes
        .ok("insert", &notes.alice, insert(&thousand[..5]))
        .await;
    notes
        .fails("insert", insert(&vec![row; 1001]), 429, "rows")
        .await;

    let all = json!({ "table": "notes", "columns": ["title"], "limit": 4_000_000 });
    let rows = notes.ok("select", &notes.alice, all).await;
    assert_eq!(
        rows.as_array().unwrap().len(),
        1000,
        "the host's cap on an answer"
    );
    let one = json!({ "table": "notes", "changes": { "title": "u" }, "max_affected": 1 });
    notes.fails("update", one, 429, "max_affected").await;
    let long = format!("title = '{}'", "x".repeat(20_000));
    notes
        .fails(
            "select",
            json!({ "table": "notes", "filter": long }),
            429,
            "",
        )
        .await;
}

#[tokio::test]
async fn an_invocation_has_a_thousand_host_calls_or_what_its_manifest_says() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    let project = &notes.project;
    for (limit, calls, least) in [("cpu_ms = 30000", 1001, 990), ("host_calls = 5", 6, 1)] {
        let lines = format!("[limits]\n{limit}\n");
        project.deploy_as("many", "behaviours", &lines).await;
        let path = format!("/many/select-many?n={calls}");
        let call = project.call(Method::POST, &path);
        let query = json!({ "table": "notes", "limit": 1 });
        let call = call.bearer(&notes.alice).json(&query);
        let said = call.send().await.of_function(200).json();
        assert_eq!(said["code"], "host_calls_limit", "{said}");
        let done = said["done"].as_u64().unwrap();
        assert!((least..calls).contains(&done), "{said}");
    }
}

#[tokio::test]
async fn a_projects_tables_are_out_of_anothers_reach() {
    let app = TestApp::shared().await;
    let notes = Notes::of(&app).await;
    notes.add(&notes.alice, ALICE, &["mine"]).await;
    let other = Notes::of(&app).await;
    let rows = other
        .ok("select", &other.alice, json!({ "table": "notes" }))
        .await;
    assert_eq!(rows, json!([]), "another project's rows");
    let schema = json!({ "table": "koyalite.projects" });
    other.fails("select", schema, 404, "unknown_table").await;
}
