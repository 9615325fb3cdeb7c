//! Connections: shared fairly, closed when idle, replaced when lost.

use std::time::{Duration, Instant};

use koyalite_host_api::db::{DatabaseAccess, Mirror, NodeLimits, Password};
use koyalite_host_api::error::ErrorKind;
use koyalite_host_api::invocation::Project;
use koyalite_host_api::limits::STATEMENT_TIME;
use koyalite_host_api::tables::{InsertQuery, SelectQuery, UpdateQuery, insert, select, update};
use koyalite_policy::Command;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::support::{Owner, Server, TODOS, TestDatabase, TestProject, filter, policy, user};

pub(crate) fn all() -> SelectQuery {
    SelectQuery {
        table: "todos".into(),
        ..SelectQuery::default()
    }
}

pub(crate) async fn open(db: &TestDatabase) -> TestProject {
    let everyone = vec![policy("todos", &Command::ALL, "true")];
    let demo = db.project(&[("todos", TODOS)], everyone).await;
    let row = Owner::new().todo(1, "t");
    let query = InsertQuery {
        table: "todos".into(),
        rows: json!([row]).to_string(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &user("u"), query).await.unwrap();
    demo
}

pub(crate) async fn read(project: &Project) -> Result<String, koyalite_host_api::error::HostError> {
    select(project, &user("u"), all()).await
}

/// Makes every statement on the project's table wait until the lock is given up.
pub(crate) async fn lock(db: &TestDatabase, demo: &TestProject) {
    let lock = format!(
        "BEGIN; LOCK TABLE {}.todos IN ACCESS EXCLUSIVE MODE",
        demo.access.schema
    );
    db.admin.batch_execute(&lock).await.unwrap();
}

/// How many of the project's connections wait for a lock right now.
pub(crate) async fn wait_for_blocked(watch: &Client, demo: &TestProject, count: i64) {
    let query =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'";
    wait_for(watch, query, demo, count).await;
}

async fn wait_for(watch: &Client, query: &str, demo: &TestProject, count: i64) {
    let reached = async {
        while watch
            .query_one(query, &[&demo.access.role])
            .await
            .unwrap()
            .get::<_, i64>(0)
            != count
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .expect("it never came to that");
}

#[tokio::test]
async fn who_waits_too_long_for_a_connection_is_told_to_come_back() {
    let limits = NodeLimits {
        project_connections: 2,
        wait: Duration::from_millis(1500),
        ..NodeLimits::default()
    };
    let db = TestDatabase::with_limits(Server::shared(), limits).await;
    let (busy, other) = (open(&db).await, open(&db).await);
    let watch = Server::shared().admin("postgres").await;
    lock(&db, &busy).await;
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let project = busy.project.clone();
        waiting.spawn(async move { read(&project).await });
    }
    wait_for_blocked(&watch, &busy, 2).await;
    let error = read(&busy.project).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "database_busy")
    );
    read(&other.project).await.unwrap();
    db.admin.batch_execute("COMMIT").await.unwrap();
    while let Some(answer) = waiting.join_next().await {
        answer.unwrap().unwrap();
    }
    read(&busy.project).await.unwrap();
}

#[tokio::test]
async fn the_nodes_cap_holds_and_idle_connections_make_room() {
    let limits = NodeLimits {
        node_connections: 3,
        ..NodeLimits::default()
    };
    let db = TestDatabase::with_limits(Server::shared(), limits).await;
    let mut projects = Vec::new();
    for _ in 0..6 {
        projects.push(open(&db).await);
        assert!(db.databases.open_connections() <= 3);
    }
    let mut reads = JoinSet::new();
    for _ in 0..10 {
        for demo in &projects {
            let project = demo.project.clone();
            reads.spawn(async move { read(&project).await });
        }
    }
    while let Some(answer) = reads.join_next().await {
        answer.unwrap().unwrap();
        assert!(db.databases.open_connections() <= 3);
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let limits = NodeLimits {
        idle: Duration::from_millis(40),
        ..NodeLimits::default()
    };
    let db = TestDatabase::with_limits(Server::shared(), limits).await;
    let demo = open(&db).await;
    let query = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    wait_for(&db.admin, query, &demo, 0).await;
    assert_eq!(db.databases.open_connections(), 0);
    read(&demo.project).await.unwrap();
}

#[tokio::test]
async fn after_a_crash_of_postgres_the_next_call_works() {
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let db = TestDatabase::with_limits(server, NodeLimits::default()).await;
    let demo = open(&db).await;
    let mut reads = JoinSet::new();
    for _ in 0..8 {
        let project = demo.project.clone();
        reads.spawn(async move { read(&project).await });
    }
    while let Some(answer) = reads.join_next().await {
        answer.unwrap().unwrap();
    }
    server.crash();
    for _ in 0..8 {
        assert!(
            read(&demo.project)
                .await
                .unwrap()
                .contains("\"title\":\"t\"")
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_a_wrong_password_is_our_fault() {
    let db = TestDatabase::new().await;
    let demo = open(&db).await;
    let wrong = DatabaseAccess {
        password: Password::new("wrong"),
        ..demo.access.clone()
    };
    let database = db.databases.project(demo.project.id, &wrong);
    let error = read(&Project {
        database,
        ..demo.project.clone()
    })
    .await
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Internal, "internal")
    );

    let mut nowhere = tokio_postgres::Config::new();
    nowhere.host_path("/nonexistent").dbname("x");
    let databases = koyalite_host_api::db::Databases::new(nowhere, NodeLimits::default()).unwrap();
    let database = databases.project(demo.project.id, &demo.access);
    let error = read(&Project {
        database,
        ..demo.project.clone()
    })
    .await
    .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "database_away")
    );
}

#[tokio::test]
async fn a_statement_ends_at_its_time_limit_and_changes_nothing() {
    let db = TestDatabase::new().await;
    let demo = open(&db).await;
    let role = &demo.access.role;
    let faster = format!("ALTER ROLE {role} SET statement_timeout = '300ms'");
    db.admin.batch_execute(&faster).await.unwrap();
    // Forgetting the project closes its connections; new ones read the role's settings.
    db.databases.forget(demo.project.id);
    let database = db.databases.project(demo.project.id, &demo.access);
    let project = Project {
        database,
        ..demo.project.clone()
    };
    lock(&db, &demo).await;
    let query = UpdateQuery {
        table: "todos".into(),
        changes: r#"{"title": "late"}"#.into(),
        ..UpdateQuery::default()
    };
    let error = update(&project, &user("u"), query).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Limit, "statement_timeout")
    );
    db.admin.batch_execute("COMMIT").await.unwrap();
    assert!(read(&project).await.unwrap().contains("\"title\":\"t\""));
}

/// Alone, in a transaction of its own as where Postgres is told who asks, and in one that stays open.
#[tokio::test]
async fn a_function_may_have_less_time_for_a_statement_and_what_was_stopped_changed_nothing() {
    let db = TestDatabase::new().await;
    let demo = open(&db).await;
    let plain = Project {
        database: demo
            .project
            .database
            .clone()
            .within(Duration::from_millis(300)),
        ..demo.project.clone()
    };
    let told = Project {
        mirror: Mirror::On,
        ..plain.clone()
    };
    assert!(read(&plain).await.is_ok(), "there is time enough");
    lock(&db, &demo).await;
    for project in [&plain, &told] {
        let query = UpdateQuery {
            table: "todos".into(),
            changes: r#"{"title": "late"}"#.into(),
            ..UpdateQuery::default()
        };
        let began = Instant::now();
        let error = update(project, &user("u"), query).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Limit, "statement_timeout")
        );
        assert!(began.elapsed() < STATEMENT_TIME, "{:?}", began.elapsed());
    }
    db.admin.batch_execute("COMMIT").await.unwrap();
    // On the same connections, which are as good as new.
    assert!(read(&plain).await.unwrap().contains("\"title\":\"t\""));
    assert!(read(&told).await.unwrap().contains("\"title\":\"t\""));
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_any_more_is_stopped() {
    let db = TestDatabase::new().await;
    let demo = open(&db).await;
    let watch = Server::shared().admin("postgres").await;
    lock(&db, &demo).await;
    let project = demo.project.clone();
    let waiting = tokio::spawn(async move { read(&project).await });
    wait_for_blocked(&watch, &demo, 1).await;
    waiting.abort();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    wait_for(&watch, gone, &demo, 0).await;
    db.admin.batch_execute("COMMIT").await.unwrap();
    read(&demo.project).await.unwrap();
}

#[tokio::test]
async fn prepared_statements_stay_bounded_and_survive_a_changed_table() {
    let limits = NodeLimits {
        statements: 4,
        project_connections: 1,
        ..NodeLimits::default()
    };
    let db = TestDatabase::with_limits(Server::shared(), limits).await;
    let demo = open(&db).await;
    for n in 1..=20 {
        let text = vec!["id = 1"; n].join(" or not done and ");
        let query = SelectQuery {
            filter: filter(&text, vec![]),
            ..all()
        };
        select(&demo.project, &user("u"), query).await.unwrap();
    }
    read(&demo.project).await.unwrap();
    let wider = format!(
        "ALTER TABLE {}.todos ALTER id TYPE integer",
        demo.access.schema
    );
    db.admin.batch_execute(&wider).await.unwrap();
    read(&demo.project).await.unwrap();
}
