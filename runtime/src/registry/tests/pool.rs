//! Connections for a pooler that gives each transaction another one: nothing is left on them.

use std::time::Duration;

use super::*;

const LEFT: &str = "SELECT count(*) FROM pg_prepared_statements";

/// A registry that takes its database for a pooler.
async fn pooled(t: &TestRegistry) -> Registry {
    let ring = Arc::new(KeyRing::open(&t.key_file()).unwrap());
    let route = Route::through_pooler(t.options().clone(), t.options().clone());
    Registry::connect(route, ring).await.unwrap()
}

async fn left(conn: &mut DbConnection) -> i64 {
    sqlx::query_scalar(LEFT).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn behind_a_pooler_no_statement_is_left_on_a_connection() {
    let t = TestRegistry::new().await;
    let registry = pooled(&t).await;
    let new = NewProject {
        name: "shop".parse().unwrap(),
        environment: Environment::Dev,
        owner: registry.admin(),
    };
    let made = projects::create(&registry, new).await.unwrap();
    registry.refresh().await.unwrap();
    assert!(registry.snapshot().project_by_id(made.id).is_some());

    let mut conn = registry.acquire().await.unwrap();
    assert_eq!(left(&mut conn).await, 0);
    let none: Option<i32> = sqlx::query_scalar("SELECT 1 WHERE $1")
        .bind(false)
        .fetch_optional(&mut conn)
        .await
        .unwrap();
    assert_eq!(none, None);
    let divided = sqlx::query_scalar::<_, i32>("SELECT 1 / $1").bind(0);
    divided.fetch_one(&mut conn).await.unwrap_err();
    assert_eq!(left(&mut conn).await, 0, "and it can be used again");

    let mut tx = registry.begin().await.unwrap();
    assert_eq!(left(&mut tx).await, 0);
    let sql = "UPDATE koyalite.projects SET name = 'other' WHERE id = $1";
    let renamed = sqlx::query(sql).bind(made.id).execute(&mut *tx).await;
    assert_eq!(renamed.unwrap().rows_affected(), 1);
    drop(tx);
    let stayed: String = sqlx::query_scalar("SELECT name FROM koyalite.projects WHERE id = $1")
        .bind(made.id)
        .fetch_one(&registry.pool)
        .await
        .unwrap();
    assert_eq!(stayed, "shop");

    // Elsewhere statements are kept, or this test could not fail.
    let mut session = t.registry.acquire().await.unwrap();
    left(&mut session).await;
    assert!(left(&mut session).await > 0);
}

/// Polls a future some times and drops it, as does who does not wait any more.
async fn give_up<F: Future>(work: F, polls: usize) {
    let mut work = Box::pin(work);
    for _ in 0..polls {
        if futures::poll!(&mut work).is_ready() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Is the next connection of the pool inside a transaction? What is said for one is gone with it: at once, where
/// there is none.
async fn is_left_open(registry: &Registry) -> bool {
    let mut conn = registry.acquire().await.unwrap();
    let say = sqlx::query("SELECT set_config('koyalite.said', 'yes', true)");
    say.execute(&mut conn).await.unwrap();
    let ask = sqlx::query_scalar("SELECT current_setting('koyalite.said', true)");
    let said: Option<String> = ask.fetch_one(&mut conn).await.unwrap();
    said.as_deref() == Some("yes")
}

/// sqlx forgets that it said BEGIN to a server which has not answered when nobody waits any more.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_is_undone() {
    let t = TestRegistry::new().await;
    for polls in 0..400 {
        give_up(t.registry.begin(), polls % 20).await;
        assert!(!is_left_open(&t.registry).await, "after {polls}");
    }
}

/// The same for the transaction that a lone statement gets behind a pooler.
#[tokio::test]
async fn a_lone_statement_that_nobody_waits_for_leaves_no_transaction() {
    let t = TestRegistry::new().await;
    let registry = pooled(&t).await;
    // Some of them end while the pool asks whether the connection lives, some at BEGIN, some later.
    for polls in (0..200).map(|step| 50 * step) {
        let asked = sqlx::query("SELECT $1").bind(1).execute(&registry.pool);
        give_up(asked, polls).await;
        // The next statement on the same connection would end it.
        assert!(are_over(&t.registry).await, "after {polls}");
    }
}

/// Are all transactions over, or on their way out?
async fn are_over(registry: &Registry) -> bool {
    let open = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction')";
    for _ in 0..100 {
        let open = sqlx::query_scalar(open).fetch_one(&registry.pool).await;
        if !open.unwrap_or(true) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
