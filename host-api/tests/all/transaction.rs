//! Transactions that stay open between operations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use koyalite_host_api::db::NodeLimits;
use koyalite_host_api::tables::{
    CountQuery, InsertQuery, Operation, Outcome, Transaction, TransactionSlot,
};
use koyalite_host_api::{CallBudget, GuestLog, Invocation, LogLevel, LogSink};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Owner, Server, TestDatabase, TestProject};

struct Silence;

impl LogSink for Silence {
    fn line(&self, _: LogLevel, _: String) {}
}

fn invocation(demo: &TestProject, owner: &Owner) -> Invocation {
    Invocation {
        id: Uuid::new_v4(),
        project: Arc::new(demo.project.clone()),
        function: "hello".parse().unwrap(),
        version: 1,
        identity: owner.identity.clone(),
        config: Arc::new(BTreeMap::new()),
        log: GuestLog::new(Silence),
        calls: CallBudget::default(),
        transaction: TransactionSlot::default(),
        usage: Default::default(),
    }
}

fn add(owner: &Owner, id: i64) -> Operation {
    Operation::Insert(InsertQuery {
        table: "todos".into(),
        rows: json!([owner.todo(id, "a")]).to_string(),
        ..InsertQuery::default()
    })
}

fn count() -> Operation {
    Operation::Count(CountQuery {
        table: "todos".into(),
        ..CountQuery::default()
    })
}

#[tokio::test]
async fn what_is_done_inside_is_seen_by_others_after_the_commit_only() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let call = invocation(&demo, &ann);
    let transaction = Transaction::begin(&call).await.unwrap();
    transaction.run(&call, &add(&ann, 1)).await.unwrap();
    transaction.run(&call, &add(&ann, 2)).await.unwrap();
    let inside = transaction.run(&call, &count()).await.unwrap();
    assert_eq!(inside, Outcome::Count(2));
    assert_eq!(db.count(&demo, "todos").await, 0);
    transaction.commit(&call).await.unwrap();
    assert_eq!(db.count(&demo, "todos").await, 2);
    for over in [
        transaction.run(&call, &count()).await.err(),
        transaction.commit(&call).await.err(),
    ] {
        assert_eq!(over.unwrap().code(), "transaction_over");
    }
    assert_eq!(
        db.databases.open_connections(),
        1,
        "given back as good as new"
    );
}

#[tokio::test]
async fn what_is_rolled_back_or_dropped_never_was() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let call = invocation(&demo, &ann);
    for end in ["rollback", "drop"] {
        let transaction = Transaction::begin(&call).await.unwrap();
        transaction.run(&call, &add(&ann, 1)).await.unwrap();
        match end {
            "rollback" => transaction.rollback(&call).await.unwrap(),
            _ => drop(transaction),
        }
        // A second transaction can write the same row: the first holds nothing any more.
        let next = loop {
            match Transaction::begin(&call).await {
                Ok(next) => break next,
                Err(error) => assert_eq!(error.code(), "transaction_open", "{end}"),
            }
            tokio::task::yield_now().await;
        };
        next.run(&call, &add(&ann, 1)).await.unwrap();
        next.rollback(&call).await.unwrap();
        assert_eq!(db.count(&demo, "todos").await, 0, "{end}");
    }
}

#[tokio::test]
async fn an_operation_that_fails_undoes_the_whole() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = db.todos().await;
    let call = invocation(&demo, &ann);
    let unknown = Operation::Count(CountQuery {
        table: "nothing".into(),
        ..CountQuery::default()
    });
    for (bad, expected) in [
        (add(&ann, 1), "already_exists"),
        (add(&bob, 2), "check_failed"),
        (unknown, "unknown_table"),
    ] {
        let transaction = Transaction::begin(&call).await.unwrap();
        transaction.run(&call, &add(&ann, 1)).await.unwrap();
        let error = transaction.run(&call, &bad).await.unwrap_err();
        assert_eq!(error.code(), expected);
        let error = transaction.run(&call, &count()).await.unwrap_err();
        assert_eq!(error.code(), "transaction_over");
        let error = transaction.commit(&call).await.unwrap_err();
        assert_eq!(error.code(), "transaction_over");
        assert_eq!(db.count(&demo, "todos").await, 0);
    }
}

#[tokio::test]
async fn a_transaction_serves_its_own_invocation_only() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = db.todos().await;
    let (anns, bobs) = (invocation(&demo, &ann), invocation(&demo, &bob));
    let transaction = Transaction::begin(&anns).await.unwrap();
    transaction.run(&anns, &add(&ann, 1)).await.unwrap();
    for foreign in [
        transaction.run(&bobs, &count()).await.err(),
        transaction.commit(&bobs).await.err(),
        transaction.rollback(&bobs).await.err(),
    ] {
        assert_eq!(foreign.unwrap().code(), "foreign_transaction");
    }
    let second = Transaction::begin(&anns).await.err().unwrap();
    assert_eq!(second.code(), "transaction_open");
    transaction.commit(&anns).await.unwrap();
    assert_eq!(db.count(&demo, "todos").await, 1);
    Transaction::begin(&anns).await.unwrap();
}

#[tokio::test]
async fn transactions_leave_connections_for_everybody_else() {
    let limits = NodeLimits {
        project_connections: 2,
        wait: Duration::from_millis(300),
        ..NodeLimits::default()
    };
    let db = TestDatabase::with_limits(Server::shared(), limits).await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let (one, two) = (invocation(&demo, &ann), invocation(&demo, &ann));
    let open = Transaction::begin(&one).await.unwrap();
    let busy = Transaction::begin(&two).await.err().unwrap();
    assert_eq!(busy.code(), "database_busy");
    let query = CountQuery {
        table: "todos".into(),
        ..CountQuery::default()
    };
    let counted = koyalite_host_api::tables::count(&demo.project, &ann.identity, query).await;
    assert_eq!(counted.unwrap(), 0);
    open.rollback(&one).await.unwrap();
    Transaction::begin(&two).await.unwrap();
}

#[tokio::test]
async fn a_transaction_ends_at_its_deadline() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = db.todos().await;
    let (call, other) = (invocation(&demo, &ann), invocation(&demo, &ann));
    let first = Transaction::begin(&call).await.unwrap();
    first.run(&call, &add(&ann, 1)).await.unwrap();
    // The second waits for the first one's row; the first one's end lets it go on or ends it too.
    let second = Transaction::begin(&other).await.unwrap();
    let waited = second.run(&other, &add(&ann, 1)).await;
    if let Err(error) = waited {
        assert_eq!(error.code(), "transaction_time");
    }
    let error = first.run(&call, &count()).await.unwrap_err();
    assert_eq!(error.code(), "transaction_time");
    second.rollback(&other).await.unwrap();
    assert_eq!(db.count(&demo, "todos").await, 0);
}
