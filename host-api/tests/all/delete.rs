//! Deleting rows.

use koyalite_host_api::error::ErrorKind;
use koyalite_host_api::tables::{DeleteQuery, delete};
use koyalite_policy::{Identity, Value};
use serde_json::json;

use crate::support::{Owner, TestDatabase, TestProject, filter, rows};

fn todos(text: &str, params: Vec<Value>) -> DeleteQuery {
    DeleteQuery {
        table: "todos".into(),
        filter: filter(text, params),
        ..DeleteQuery::default()
    }
}

async fn with_rows(db: &TestDatabase, owners: &[&Owner]) -> TestProject {
    let demo = db.todos().await;
    for (index, owner) in (0..).zip(owners) {
        demo.add_todos(owner, index * 10 + 1, &["t"; 3]).await;
    }
    demo
}

#[tokio::test]
async fn a_delete_removes_the_callers_rows_and_answers_them() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, &[&ann, &bob]).await;
    let query = DeleteQuery {
        returning: vec!["id".into()],
        ..todos("id = $1", vec![Value::Integer(2)])
    };
    assert_eq!(
        rows(delete(&demo.project, &ann.identity, query).await),
        json!([{"id": 2}])
    );
    assert_eq!(
        delete(&demo.project, &ann.identity, todos("", vec![]))
            .await
            .unwrap(),
        "[]"
    );
    assert_eq!(
        db.count(&demo, "todos").await,
        3,
        "bob's three are still there"
    );
}

#[tokio::test]
async fn more_rows_than_max_affected_delete_nothing() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_rows(&db, &[&ann]).await;
    for returning in [vec![], vec!["id".to_owned()]] {
        let query = DeleteQuery {
            max_affected: Some(2),
            returning,
            ..todos("", vec![])
        };
        let error = delete(&demo.project, &ann.identity, query)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Limit, "max_affected")
        );
        assert_eq!(db.count(&demo, "todos").await, 3);
    }
    let query = DeleteQuery {
        max_affected: Some(3),
        ..todos("", vec![])
    };
    delete(&demo.project, &ann.identity, query).await.unwrap();
    assert_eq!(db.count(&demo, "todos").await, 0);
}

#[tokio::test]
async fn nobody_deletes_where_claims_can_not_pass() {
    let db = TestDatabase::new().await;
    let demo = with_rows(&db, &[&Owner::new()]).await;
    let statements = db.databases.statements();
    let error = delete(&demo.project, &Identity::Anonymous, todos("", vec![]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Denied, "denied_by_claims")
    );
    assert_eq!(db.databases.statements(), statements);
    assert_eq!(db.count(&demo, "todos").await, 3);
}

#[tokio::test]
async fn a_delete_of_what_is_not_there_or_not_understood_is_refused() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let check = async |query: DeleteQuery, expected: &str| {
        let error = delete(&demo.project, &ann.identity, query)
            .await
            .unwrap_err();
        assert_eq!(error.code(), expected, "{}", error.message());
    };
    check(todos("colour = 1", vec![]), "unknown_column").await;
    check(
        DeleteQuery {
            table: "nope".into(),
            ..todos("", vec![])
        },
        "unknown_table",
    )
    .await;
    check(
        DeleteQuery {
            returning: vec!["nope".into()],
            ..todos("", vec![])
        },
        "unknown_column",
    )
    .await;
    check(todos(&"x".repeat(20_000), vec![]), "filter_too_long").await;
}

#[tokio::test]
async fn a_row_that_others_point_at_is_a_conflict() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_rows(&db, &[&ann]).await;
    let schema = &demo.access.schema;
    let point = format!(
        "CREATE TABLE {schema}.notes (todo bigint REFERENCES {schema}.todos);
         INSERT INTO {schema}.notes VALUES (1)"
    );
    db.admin.batch_execute(&point).await.unwrap();
    let error = delete(&demo.project, &ann.identity, todos("", vec![]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "reference_conflict")
    );
    assert_eq!(db.count(&demo, "todos").await, 3);
}
