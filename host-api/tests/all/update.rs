//! Changing rows.

use koyalite_host_api::error::{ErrorKind, HostError};
use koyalite_host_api::tables::{UpdateQuery, update};
use koyalite_policy::{Command, Identity, PolicySource, Value};
use serde_json::json;

use crate::support::{Owner, TODOS, TestDatabase, TestProject, filter, policy, rows};

fn change(changes: &str, text: &str) -> UpdateQuery {
    UpdateQuery {
        table: "todos".into(),
        filter: filter(text, vec![]),
        changes: changes.to_owned(),
        ..UpdateQuery::default()
    }
}

async fn with_rows(
    db: &TestDatabase,
    owners: &[&Owner],
    policies: Vec<PolicySource>,
) -> TestProject {
    let demo = db.project(&[("todos", TODOS)], policies).await;
    for (index, owner) in (0..).zip(owners) {
        demo.add_todos(owner, index * 10 + 1, &["old"; 5]).await;
    }
    demo
}

fn own() -> Vec<PolicySource> {
    vec![policy("todos", &Command::ALL, "owner_id = auth.uid()")]
}

async fn titled(db: &TestDatabase, demo: &TestProject, title: &str) -> i64 {
    let query = format!(
        "SELECT count(*) FROM {}.todos WHERE title = $1",
        demo.access.schema
    );
    db.admin.query_one(&query, &[&title]).await.unwrap().get(0)
}

fn refused(answer: Result<String, HostError>) -> (ErrorKind, &'static str) {
    let error = answer.unwrap_err();
    (error.kind(), error.code())
}

#[tokio::test]
async fn an_update_changes_the_callers_rows_and_answers_them() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, &[&ann, &bob], own()).await;
    let query = UpdateQuery {
        filter: filter("id < $1", vec![Value::Integer(3)]),
        returning: vec!["id".into(), "title".into()],
        ..change(r#"{"title": "new", "note": "n"}"#, "")
    };
    let answer = rows(update(&demo.project, &ann.identity, query).await);
    assert_eq!(
        answer,
        json!([{"id": 1, "title": "new"}, {"id": 2, "title": "new"}])
    );

    let everything = change(r#"{"title": "all"}"#, "");
    assert_eq!(
        update(&demo.project, &bob.identity, everything)
            .await
            .unwrap(),
        "[]"
    );
    assert_eq!(
        titled(&db, &demo, "all").await,
        5,
        "bob's five, none of ann's"
    );
}

#[tokio::test]
async fn an_update_of_nothing_is_an_empty_answer() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, &[&ann], own()).await;
    for (max_affected, returning) in [
        (None, vec![]),
        (Some(0), vec![]),
        (Some(9), vec!["id".into()]),
    ] {
        let query = UpdateQuery {
            max_affected,
            returning,
            ..change(r#"{"title": "x"}"#, "")
        };
        assert_eq!(
            update(&demo.project, &bob.identity, query).await.unwrap(),
            "[]"
        );
    }
    assert_eq!(titled(&db, &demo, "x").await, 0);
}

#[tokio::test]
async fn a_row_may_not_be_given_away() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, &[&ann], own()).await;
    let give = json!({"owner_id": bob.id, "title": "given"}).to_string();
    for returning in [vec![], vec!["id".to_owned()]] {
        let query = UpdateQuery {
            returning,
            ..change(&give, "id = 1")
        };
        let answer = update(&demo.project, &ann.identity, query).await;
        assert_eq!(refused(answer), (ErrorKind::Denied, "check_failed"));
    }
    assert_eq!(titled(&db, &demo, "given").await, 0);
}

#[tokio::test]
async fn a_row_may_not_be_moved_out_of_its_writers_sight() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let policies = vec![
        policy("todos", &[Command::Insert, Command::Update], "true"),
        policy("todos", &[Command::Select], "not done"),
    ];
    let demo = with_rows(&db, &[&ann], policies).await;
    let query = UpdateQuery {
        returning: vec!["id".into()],
        ..change(r#"{"done": true, "title": "gone"}"#, "id = 1")
    };
    let answer = update(&demo.project, &ann.identity, query).await;
    assert_eq!(refused(answer), (ErrorKind::Denied, "check_failed"));
    assert_eq!(titled(&db, &demo, "gone").await, 0);
}

#[tokio::test]
async fn more_rows_than_max_affected_change_nothing() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    for policies in [own(), vec![policy("todos", &Command::ALL, "true")]] {
        let demo = with_rows(&db, &[&ann], policies).await;
        for returning in [vec![], vec!["id".to_owned()]] {
            let query = UpdateQuery {
                max_affected: Some(4),
                returning: returning.clone(),
                ..change(r#"{"title": "x"}"#, "")
            };
            let answer = update(&demo.project, &ann.identity, query.clone()).await;
            assert_eq!(refused(answer), (ErrorKind::Limit, "max_affected"));
            assert_eq!(titled(&db, &demo, "x").await, 0);
            let query = UpdateQuery {
                max_affected: Some(5),
                ..query
            };
            update(&demo.project, &ann.identity, query).await.unwrap();
            assert_eq!(titled(&db, &demo, "x").await, 5);
            update(
                &demo.project,
                &ann.identity,
                change(r#"{"title": "old"}"#, ""),
            )
            .await
            .unwrap();
        }
    }
}

#[tokio::test]
async fn nobody_changes_where_claims_can_not_pass() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_rows(&db, &[&ann], own()).await;
    let statements = db.databases.statements();
    let answer = update(
        &demo.project,
        &Identity::Anonymous,
        change(r#"{"title": "x"}"#, ""),
    )
    .await;
    assert_eq!(refused(answer), (ErrorKind::Denied, "denied_by_claims"));
    assert_eq!(db.databases.statements(), statements);
}

#[tokio::test]
async fn bad_changes_are_refused_before_postgres() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let check = async |changes: &str, expected: &str| {
        let answer = update(&demo.project, &ann.identity, change(changes, "")).await;
        assert_eq!(answer.unwrap_err().code(), expected, "{changes}");
    };
    check("[]", "invalid_rows").await;
    check("{}", "nothing_to_change").await;
    check(r#"{"colour": 1}"#, "unknown_column").await;
    check(r#"{"title": "a", "title": "b"}"#, "repeated_column").await;
    check(r#"{"title": null}"#, "missing_value").await;
    check(r#"{"done": "maybe"}"#, "invalid_value").await;
    check(r#"{"title": "a\u0000b"}"#, "invalid_value").await;
    assert_eq!(db.databases.statements(), 0);
}
