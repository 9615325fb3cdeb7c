//! Dry runs: what a statement would do, found by doing it, and nothing left of it.

use std::sync::Arc;

use koyalite_host_api::tables::query::Filter;
use koyalite_host_api::tables::trial::{JsonRow, attempt, reached, stored, written};
use koyalite_host_api::tables::{
    CountQuery, DeleteQuery, InsertQuery, Operation, UpdateQuery, insert,
};
use koyalite_policy::{Command, Identity};
use serde_json::{Value as Json, json};

use crate::support::{Owner, TestDatabase, TestProject, filter, policy};

/// Two rows of each; the ids are 1, 2 and 11, 12.
async fn filled(db: &TestDatabase, owners: [&Owner; 2]) -> TestProject {
    let demo = db.todos().await;
    for (first, owner) in [(1, owners[0]), (11, owners[1])] {
        demo.add_todos(owner, first, &["a", "b"]).await;
    }
    demo
}

fn added(rows: Json) -> Operation {
    Operation::Insert(InsertQuery {
        table: "todos".into(),
        rows: rows.to_string(),
        ..InsertQuery::default()
    })
}

fn changed(changes: Json, text: &str) -> Operation {
    Operation::Update(UpdateQuery {
        table: "todos".into(),
        filter: filter(text, vec![]),
        changes: changes.to_string(),
        ..UpdateQuery::default()
    })
}

fn gone(text: &str) -> Operation {
    Operation::Delete(DeleteQuery {
        table: "todos".into(),
        filter: filter(text, vec![]),
        ..DeleteQuery::default()
    })
}

fn counted(text: &str) -> Operation {
    Operation::Count(CountQuery {
        table: "todos".into(),
        filter: filter(text, vec![]),
    })
}

/// All rows, by the superuser's eyes.
async fn all(db: &TestDatabase, demo: &TestProject) -> String {
    let query = format!(
        "SELECT coalesce(json_agg(t ORDER BY id), '[]')::text FROM {}.todos t",
        demo.access.schema
    );
    db.admin.query_one(&query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_leaves_nothing_behind() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut demo = filled(&db, [&ann, &bob]).await;
    let before = all(&db, &demo).await;
    let schema = Arc::clone(&demo.project.schema);
    for mirrored in [false, true] {
        if mirrored {
            db.mirror(&mut demo, &schema).await;
        }
        let check = async |identity: &Identity, operation: Operation, expected| {
            let trial = attempt(&demo.project, identity, &operation).await;
            let said = trial.affected.map_err(|error| error.code());
            assert_eq!(said, expected, "{operation:?}, mirrored: {mirrored}");
            assert_eq!(all(&db, &demo).await, before, "{operation:?}");
        };
        let ann_is = &ann.identity;
        check(
            ann_is,
            added(json!([ann.todo(3, "c"), ann.todo(4, "d")])),
            Ok(2),
        )
        .await;
        let forged = added(json!([ann.todo(3, "c"), bob.todo(4, "d")]));
        check(ann_is, forged, Err("check_failed")).await;
        let taken = added(json!([ann.todo(1, "c")]));
        check(ann_is, taken, Err("already_exists")).await;
        check(ann_is, changed(json!({"title": "z"}), "id < 12"), Ok(2)).await;
        check(ann_is, changed(json!({"title": "z"}), "id = 12"), Ok(0)).await;
        let given = changed(json!({"owner_id": bob.id}), "");
        check(ann_is, given, Err("check_failed")).await;
        check(ann_is, gone(""), Ok(2)).await;
        check(ann_is, gone("title = 'b'"), Ok(1)).await;
        check(ann_is, counted("id > 1"), Ok(1)).await;
        check(ann_is, gone("colour = 1"), Err("unknown_column")).await;
        check(&Identity::Anonymous, gone(""), Err("denied_by_claims")).await;
    }
}

/// As often as there are connections, so that each would have been spoilt.
#[tokio::test]
async fn a_statement_that_fails_in_a_dry_run_spoils_no_connection() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = filled(&db, [&ann, &bob]).await;
    for round in 0..20 {
        let forged = added(json!([bob.todo(99, "c")]));
        let trial = attempt(&demo.project, &ann.identity, &forged).await;
        assert_eq!(trial.affected.unwrap_err().code(), "check_failed");
        let query = InsertQuery {
            table: "todos".into(),
            rows: json!([ann.todo(100 + round, "kept")]).to_string(),
            ..InsertQuery::default()
        };
        insert(&demo.project, &ann.identity, query).await.unwrap();
        assert_eq!(db.count(&demo, "todos").await, 5 + round, "it is kept");
    }
}

fn ids(rows: &[JsonRow]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_rows_of_a_dry_run_are_those_of_the_table_and_those_that_the_caller_reaches() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut demo = filled(&db, [&ann, &bob]).await;
    let before = all(&db, &demo).await;
    let schema = Arc::clone(&demo.project.schema);
    let todos = "todos".parse().unwrap();
    for mirrored in [false, true] {
        if mirrored {
            db.mirror(&mut demo, &schema).await;
        }
        let found = stored(&demo.project, &todos, filter("title = 'b'", vec![])).await;
        assert_eq!(ids(&found.unwrap()), [2, 12]);
        for operation in [
            counted("title = 'b'"),
            changed(json!({"title": "z"}), "title = 'b'"),
            gone("title = 'b'"),
        ] {
            let found = reached(&demo.project, &ann.identity, &operation).await;
            assert_eq!(ids(&found.unwrap()), [2], "{operation:?}");
            let nobody = reached(&demo.project, &Identity::Anonymous, &operation).await;
            assert!(nobody.unwrap().is_empty());
        }
        let odd = stored(&demo.project, &todos, filter("colour = 1", vec![])).await;
        assert_eq!(odd.unwrap_err().code(), "unknown_column");
        let theirs = bob.todo(50, "c").as_object().unwrap().clone();
        let rows = written(&demo.project, &ann.identity, &todos, &[theirs]).await;
        assert_eq!(rows.unwrap()[0]["done"], json!(false), "its default");
        let everything = stored(&demo.project, &todos, Filter::default()).await;
        assert_eq!(ids(&everything.unwrap()), [1, 2, 11, 12]);
        assert_eq!(all(&db, &demo).await, before);
    }
}

#[tokio::test]
async fn a_constraint_that_waits_for_the_commit_is_looked_at() {
    let db = TestDatabase::new().await;
    let lines: &[&str] = &[
        "id bigint primary key",
        "parent bigint references lines(id) deferrable initially deferred",
    ];
    let open = policy("lines", &Command::ALL, "true");
    let demo = db.project(&[("lines", lines)], vec![open]).await;
    let check = async |rows: Json, expected| {
        let operation = Operation::Insert(InsertQuery {
            table: "lines".into(),
            rows: rows.to_string(),
            ..InsertQuery::default()
        });
        let trial = attempt(&demo.project, &Identity::Anonymous, &operation).await;
        assert_eq!(
            trial.affected.map_err(|error| error.code()),
            expected,
            "{rows}"
        );
        assert_eq!(db.count(&demo, "lines").await, 0);
    };
    check(
        json!([{"id": 1, "parent": 2}, {"id": 2, "parent": 1}]),
        Ok(2),
    )
    .await;
    check(json!([{"id": 1, "parent": 3}]), Err("reference_conflict")).await;
}
