//! Several operations in one flight.

use koyalite_host_api::error::HostError;
use koyalite_host_api::limits::BATCH_OPERATIONS;
use koyalite_host_api::tables::{
    CountQuery, InsertQuery, Operation, OrderKey, Outcome, SelectQuery, UpdateQuery, batch,
};
use serde_json::{Value as Json, json};

use crate::support::{Owner, TestDatabase, filter};

fn add(rows: Json) -> Operation {
    Operation::Insert(InsertQuery {
        table: "todos".into(),
        rows: rows.to_string(),
        ..InsertQuery::default()
    })
}

fn count(condition: &str) -> Operation {
    Operation::Count(CountQuery {
        table: "todos".into(),
        filter: filter(condition, vec![]),
    })
}

fn titles() -> Operation {
    Operation::Select(SelectQuery {
        table: "todos".into(),
        columns: vec!["title".into()],
        order: vec![OrderKey::ascending("id")],
        ..SelectQuery::default()
    })
}

fn retitle(title: &str) -> Operation {
    Operation::Update(UpdateQuery {
        table: "todos".into(),
        changes: json!({ "title": title }).to_string(),
        returning: vec!["id".into()],
        ..UpdateQuery::default()
    })
}

fn code(answer: Result<Vec<Outcome>, HostError>) -> &'static str {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn each_step_sees_those_before_it() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let steps = [
        add(json!([ann.todo(1, "a"), ann.todo(2, "b")])),
        count(""),
        count("1 = 2"),
        titles(),
        retitle("c"),
        titles(),
    ];
    let rows = |text: &str| Outcome::Rows(text.to_owned());
    let expected = vec![
        rows("[]"),
        Outcome::Count(2),
        Outcome::Count(0),
        rows(r#"[{"title":"a"},{"title":"b"}]"#),
        rows(r#"[{"id":1},{"id":2}]"#),
        rows(r#"[{"title":"c"},{"title":"c"}]"#),
    ];
    let answer = batch(&demo.project, &ann.identity, &steps).await.unwrap();
    assert_eq!(answer, expected);
    let answer = batch(&demo.project, &ann.identity, &[]).await.unwrap();
    assert_eq!(answer, []);
    let answer = batch(&demo.project, &ann.identity, &[count("")]).await;
    assert_eq!(answer.unwrap(), [Outcome::Count(2)]);
}

#[tokio::test]
async fn one_step_that_fails_leaves_nothing_behind() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = db.todos().await;
    let good = || add(json!([ann.todo(1, "a")]));
    for (bad, expected) in [
        (add(json!([ann.todo(1, "again")])), "already_exists"),
        (add(json!([bob.todo(2, "not mine")])), "check_failed"),
        (add(json!([{"id": 2}])), "missing_value"),
        (count("colour = 1"), "unknown_column"),
    ] {
        for steps in [
            vec![good(), bad.clone(), titles()],
            vec![good(), titles(), bad.clone()],
        ] {
            let answer = batch(&demo.project, &ann.identity, &steps).await;
            assert_eq!(code(answer), expected);
            assert_eq!(db.count(&demo, "todos").await, 0, "{expected}");
        }
    }
    // The connection is as good as new.
    batch(&demo.project, &ann.identity, &[good(), titles()])
        .await
        .unwrap();
    assert_eq!(db.databases.open_connections(), 1);
}

#[tokio::test]
async fn what_policies_refuse_is_refused_before_anything_is_done() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let steps = [add(json!([ann.todo(1, "a")])), count("")];
    let answer = batch(&demo.project, &koyalite_policy::Identity::Anonymous, &steps).await;
    assert_eq!(code(answer), "denied_by_claims");
    let many = vec![count(""); BATCH_OPERATIONS + 1];
    let answer = batch(&demo.project, &ann.identity, &many).await;
    assert_eq!(code(answer), "too_many_operations");
    assert_eq!(db.databases.statements(), 0);
    let most = vec![count(""); BATCH_OPERATIONS];
    let answer = batch(&demo.project, &ann.identity, &most).await.unwrap();
    assert_eq!(answer.len(), BATCH_OPERATIONS);
}

#[tokio::test]
async fn a_table_that_changed_under_a_prepared_batch_is_read_as_it_is() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let steps = [add(json!([ann.todo(1, "a")])), titles()];
    batch(&demo.project, &ann.identity, &steps).await.unwrap();
    let alter = format!(
        "ALTER TABLE {0}.todos ALTER COLUMN title TYPE varchar; DELETE FROM {0}.todos",
        demo.access.schema
    );
    db.admin.batch_execute(&alter).await.unwrap();
    let answer = batch(&demo.project, &ann.identity, &steps).await.unwrap();
    assert_eq!(answer[1], Outcome::Rows(r#"[{"title":"a"}]"#.into()));
}
