//! The second wall: what Postgres itself allows a project's role, whatever statement it is given.

use koyalite_host_api::tables::{SelectQuery, select};
use koyalite_policy::Command;
use serde_json::json;
use tokio_postgres::error::SqlState;

use crate::support::{TODOS, TestDatabase, policy, rows, user};

#[tokio::test]
async fn a_projects_role_cannot_reach_anothers_tables_even_with_raw_sql() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (db.todos().await, db.todos().await);
    let raw = db.tenant(&ann).await;
    let theirs = format!("{}.todos", bob.access.schema);
    let own = format!("{}.todos", ann.access.schema);
    raw.batch_execute(&format!("SELECT * FROM {own}"))
        .await
        .unwrap();
    for statement in [
        format!("SELECT * FROM {theirs}"),
        format!("DELETE FROM {theirs}"),
        format!("UPDATE {theirs} SET title = ''"),
        format!("INSERT INTO {theirs} DEFAULT VALUES"),
        format!("COPY {theirs} TO STDOUT"),
        format!("TRUNCATE {own}"),
        format!("DROP TABLE {own}"),
        format!("ALTER TABLE {own} ADD COLUMN x int"),
        format!("CREATE TABLE {}.x (i int)", ann.access.schema),
        "CREATE TABLE public.x (i int)".to_owned(),
        "CREATE ROLE mallory".to_owned(),
        format!("SET ROLE {}", bob.access.role),
        "SET ROLE postgres".to_owned(),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
        "SELECT * FROM pg_authid".to_owned(),
    ] {
        let error = raw.batch_execute(&statement).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn two_projects_with_the_same_table_name_do_not_meet() {
    let db = TestDatabase::new().await;
    let everyone = || vec![policy("todos", &Command::ALL, "true")];
    let one = db.project(&[("todos", TODOS)], everyone()).await;
    let other = db.project(&[("todos", TODOS)], everyone()).await;
    let fill = format!(
        "INSERT INTO {}.todos (id, owner_id, title) VALUES (1, gen_random_uuid(), 'one')",
        one.access.schema
    );
    db.admin.batch_execute(&fill).await.unwrap();
    let query = SelectQuery {
        table: "todos".into(),
        columns: vec!["title".into()],
        ..SelectQuery::default()
    };
    let seen = rows(select(&one.project, &user("u"), query.clone()).await);
    assert_eq!(seen, json!([{"title": "one"}]));
    assert_eq!(
        rows(select(&other.project, &user("u"), query).await),
        json!([])
    );
}

#[tokio::test]
async fn what_the_role_may_not_do_is_a_fault_of_the_host_and_tells_nothing() {
    let db = TestDatabase::new().await;
    let demo = db
        .project(
            &[("todos", TODOS)],
            vec![policy("todos", &Command::ALL, "true")],
        )
        .await;
    let revoke = format!(
        "REVOKE ALL ON {}.todos FROM {}",
        demo.access.schema, demo.access.role
    );
    db.admin.batch_execute(&revoke).await.unwrap();
    let query = SelectQuery {
        table: "todos".into(),
        ..SelectQuery::default()
    };
    let error = select(&demo.project, &user("u"), query).await.unwrap_err();
    assert_eq!(error.code(), "internal");
    assert!(!error.message().contains("todos") && !error.message().contains("permission"));
    assert!(error.inside().unwrap().contains("42501"));
}
