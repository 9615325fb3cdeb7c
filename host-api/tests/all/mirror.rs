//! The mirror: the same requests with Postgres' own row security beside the host and without it
//! answer the same, and it holds where the host's own predicate is lost.

mod requests;

use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_host_api::db::{Mirror, NodeLimits};
use koyalite_host_api::tables::{
    InsertQuery, Operation, Outcome, SelectQuery, Transaction, batch, insert, run, select,
    select_page,
};
use koyalite_host_api::{CallBudget, GuestLog, HostError, Invocation, LogLevel, LogSink};
use koyalite_policy::{Command, Identity, Schema, Service};
use serde_json::json;
use uuid::Uuid;

use self::requests::{FILL, TABLES, callers, policies, requests};
use crate::support::{Owner, TODOS, TestDatabase, TestProject, policy, rows, user};

/// What can be told of an answer without looking at ids of its own.
type Answer = Result<Outcome, &'static str>;

fn answer(answer: Result<Outcome, HostError>) -> Answer {
    answer.map_err(|error| error.code())
}

/// As [`answer`] with the mirror. A row that is forbidden and has a key that is taken is refused for
/// the first of these by Postgres, and for the second by the host, who looks at what was written.
fn beside<T>(
    plain: &Result<T, &'static str>,
    mirrored: Result<T, &'static str>,
) -> Result<T, &'static str> {
    match (plain, mirrored) {
        (Err("already_exists"), Err("check_failed")) => Err("already_exists"),
        (_, mirrored) => mirrored,
    }
}

/// The same project twice, the second under the mirror.
async fn pair(db: &TestDatabase) -> [TestProject; 2] {
    let off = filled(db).await;
    let mut on = filled(db).await;
    let schema = Arc::clone(&on.project.schema);
    db.mirror(&mut on, &schema).await;
    [off, on]
}

async fn filled(db: &TestDatabase) -> TestProject {
    let demo = db.project(TABLES, policies()).await;
    let fill = format!("SET search_path = {};{FILL}", demo.access.schema);
    db.admin.batch_execute(&fill).await.unwrap();
    demo
}

/// All rows of all tables, by the superuser's eyes.
async fn stored(db: &TestDatabase, demo: &TestProject) -> Vec<String> {
    let mut all = Vec::new();
    for (table, _) in TABLES {
        let query = format!(
            "SELECT coalesce(json_agg(t ORDER BY t::text), '[]')::text FROM {}.{table} AS t",
            demo.access.schema
        );
        all.push(db.admin.query_one(&query, &[]).await.unwrap().get(0));
    }
    all
}

#[tokio::test]
async fn every_request_answers_the_same_with_the_mirror_and_without() {
    let db = TestDatabase::new().await;
    let [off, on] = pair(&db).await;
    let mut written = 0;
    for (name, caller) in callers() {
        for request in requests() {
            let plain = answer(run(&off.project, &caller, &request).await);
            let mirrored = answer(run(&on.project, &caller, &request).await);
            let mirrored = beside(&plain, mirrored);
            assert_eq!(plain, mirrored, "{name}: {request:?}");
            written += usize::from(mirrored.is_ok());
        }
    }
    assert!(written > 40, "nearly everything was refused: {written}");
    assert_eq!(stored(&db, &off).await, stored(&db, &on).await);
}

#[tokio::test]
async fn batches_and_pages_answer_the_same_with_the_mirror_and_without() {
    let db = TestDatabase::new().await;
    let [off, on] = pair(&db).await;
    for (name, caller) in callers() {
        for several in requests().chunks(3) {
            let plain = batch(&off.project, &caller, several).await;
            let plain = plain.map_err(|error| error.code());
            let mirrored = batch(&on.project, &caller, several).await;
            let mirrored = beside(&plain, mirrored.map_err(|error| error.code()));
            assert_eq!(plain, mirrored, "{name}: {several:?}");
        }
        let query = SelectQuery {
            table: "posts".into(),
            columns: vec!["id".into()],
            limit: Some(2),
            ..SelectQuery::default()
        };
        let (mut after, mut seen) = (None::<String>, 0);
        loop {
            let plain = select_page(&off.project, &caller, &query, after.as_deref()).await;
            let mirrored = select_page(&on.project, &caller, &query, after.as_deref()).await;
            let codes = |error: HostError| error.code();
            let (plain, mirrored) = (plain.map_err(codes), mirrored.map_err(codes));
            assert_eq!(plain, mirrored, "{name}");
            after = mirrored.ok().and_then(|page| page.next);
            seen += 1;
            if after.is_none() || seen > 20 {
                break;
            }
        }
    }
    assert_eq!(stored(&db, &off).await, stored(&db, &on).await);
}

struct Silence;

impl LogSink for Silence {
    fn line(&self, _: LogLevel, _: String) {}
}

fn invocation(demo: &TestProject, identity: &Identity) -> Invocation {
    Invocation {
        id: Uuid::new_v4(),
        project: Arc::new(demo.project.clone()),
        function: "hello".parse().unwrap(),
        version: 1,
        identity: identity.clone(),
        config: Default::default(),
        log: GuestLog::new(Silence),
        calls: CallBudget::default(),
        transaction: Default::default(),
        usage: Default::default(),
    }
}

#[tokio::test]
async fn transactions_answer_the_same_with_the_mirror_and_without() {
    let db = TestDatabase::new().await;
    let [off, on] = pair(&db).await;
    for (name, caller) in callers() {
        for several in requests().chunks(4) {
            let calls = [&off, &on].map(|demo| invocation(demo, &caller));
            let plain = Transaction::begin(&calls[0]).await.unwrap();
            let mirrored = Transaction::begin(&calls[1]).await.unwrap();
            for request in several {
                let plain = answer(plain.run(&calls[0], request).await);
                let mirrored = answer(mirrored.run(&calls[1], request).await);
                let mirrored = beside(&plain, mirrored);
                assert_eq!(plain, mirrored, "{name}: {request:?}");
            }
            let ends = [
                plain.commit(&calls[0]).await,
                mirrored.commit(&calls[1]).await,
            ];
            let [plain, mirrored] = ends.map(|end| end.map_err(|error| error.code()));
            assert_eq!(plain, mirrored, "{name}: {several:?}");
        }
    }
    assert_eq!(stored(&db, &off).await, stored(&db, &on).await);
}

/// Todos of two owners. The host thinks that everybody may do everything, as if its own predicate had
/// been lost; Postgres knows better.
async fn lost(db: &TestDatabase, owners: [&Owner; 2]) -> TestProject {
    let open = policy("todos", &Command::ALL, "true");
    let mut demo = db.project(&[("todos", TODOS)], vec![open]).await;
    for (id, owner) in owners.into_iter().enumerate() {
        let query = InsertQuery {
            table: "todos".into(),
            rows: json!([owner.todo(id as i64, "old")]).to_string(),
            ..InsertQuery::default()
        };
        insert(&demo.project, &owner.identity, query).await.unwrap();
    }
    let rules = demo.project.schema.tables();
    let shapes = rules.map(|rules| rules.shape().clone()).collect();
    let own = policy("todos", &Command::ALL, "owner_id = auth.uid()");
    let schema = Schema::build(shapes, vec![own]).unwrap();
    db.mirror(&mut demo, &schema).await;
    demo
}

#[tokio::test]
async fn a_lost_predicate_of_the_host_shows_and_changes_nothing_of_others() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = lost(&db, [&ann, &bob]).await;
    let todos = |columns: &[&str]| SelectQuery {
        table: "todos".into(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..SelectQuery::default()
    };
    let seen = rows(select(&demo.project, &ann.identity, todos(&["id"])).await);
    assert_eq!(seen, json!([{"id": 0}]));
    let seen = rows(select(&demo.project, &Identity::Anonymous, todos(&["id"])).await);
    assert_eq!(seen, json!([]));
    let theirs = InsertQuery {
        table: "todos".into(),
        rows: json!([bob.todo(7, "forged")]).to_string(),
        ..InsertQuery::default()
    };
    let refused = insert(&demo.project, &ann.identity, theirs).await;
    assert_eq!(refused.unwrap_err().code(), "check_failed");
    for request in requests::on_todos() {
        run(&demo.project, &ann.identity, &request).await.unwrap();
    }
    let left = rows(select(&demo.project, &bob.identity, todos(&["id", "title"])).await);
    assert_eq!(left, json!([{"id": 1, "title": "old"}]), "bob's as it was");
    assert_eq!(db.count(&demo, "todos").await, 1, "ann's is gone");
}

#[tokio::test]
async fn the_next_caller_on_a_connection_inherits_nothing() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = lost(&db, [&ann, &bob]).await;
    let raw = db.tenant(&demo).await;
    raw.batch_execute("BEGIN; SELECT set_config('koyalite.role', 'authenticated', true); COMMIT")
        .await
        .unwrap();
    let nobody = raw.query("SELECT id FROM todos", &[]).await.unwrap_err();
    let said = nobody.as_db_error().unwrap().message();
    assert!(said.contains("koyalite: nobody asks"), "{said}");
}

/// Postgres takes no NUL in a text, so it cannot be told of this user, nor a transaction be begun.
#[tokio::test]
async fn a_transaction_that_fails_to_begin_leaves_its_connection_outside_of_one() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = lost(&db, [&ann, &bob]).await;
    let nul = invocation(&demo, &user("a\0b"));
    // As often as there are connections, so that the statements below meet one of these.
    for _ in 0..NodeLimits::default().project_connections {
        let refused = Transaction::begin(&nul).await;
        assert_eq!(
            refused.err().map(|error| error.code()),
            Some("value_out_of_range")
        );
    }
    for request in requests::on_todos() {
        run(&demo.project, &ann.identity, &request).await.unwrap();
    }
    assert_eq!(db.count(&demo, "todos").await, 1, "ann's is gone for good");
}

#[tokio::test]
async fn an_invocation_that_began_before_the_mirror_is_told_to_try_again() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut demo = lost(&db, [&ann, &bob]).await;
    demo.project.mirror = Mirror::Off;
    for request in requests::on_todos() {
        let refused = run(&demo.project, &ann.identity, &request).await;
        assert_eq!(refused.unwrap_err().code(), "try_again", "{request:?}");
    }
    let new = Operation::Insert(InsertQuery {
        table: "todos".into(),
        rows: json!([ann.todo(7, "new")]).to_string(),
        ..InsertQuery::default()
    });
    let refused = run(&demo.project, &ann.identity, &new).await;
    assert_eq!(refused.unwrap_err().code(), "try_again");
    assert_eq!(db.count(&demo, "todos").await, 2);
}

#[tokio::test]
async fn a_service_bypasses_the_mirror_of_the_tables_it_was_granted_and_no_others() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = lost(&db, [&ann, &bob]).await;
    let service = |tables: &[&str]| {
        Identity::Service(Service {
            function: "seed".parse().unwrap(),
            bypass: tables
                .iter()
                .map(|name| name.parse().unwrap())
                .collect::<BTreeSet<_>>(),
        })
    };
    let read = async |identity: &Identity| {
        let query = SelectQuery {
            table: "todos".into(),
            columns: vec!["id".into()],
            ..SelectQuery::default()
        };
        rows(select(&demo.project, identity, query).await)
    };
    assert_eq!(
        read(&service(&["todos"])).await,
        json!([{"id": 0}, {"id": 1}])
    );
    assert_eq!(read(&service(&["others"])).await, json!([]));
    assert_eq!(read(&service(&[])).await, json!([]));
}
