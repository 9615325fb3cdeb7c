//! Connections for a pooler that gives each transaction another one: nothing is left on them.

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

/// sqlx forgets that it said BEGIN to a server which has not answered when nobody waits any more.
#[tokio::test]
async fn a_transaction_that_nobody_waits_for_is_undone() {
    let t = TestRegistry::new().await;
    for polls in 0..400 {
        let mut begin = Box::pin(t.registry.begin());
        for _ in 0..polls % 20 {
            if futures::poll!(&mut begin).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        let mut conn = t.registry.acquire().await.unwrap();
        // What is said for a transaction is gone with it: at once, where there is none.
        let say = sqlx::query("SELECT set_config('koyalite.said', 'yes', true)");
        say.execute(&mut conn).await.unwrap();
        let ask = sqlx::query_scalar("SELECT current_setting('koyalite.said', true)");
        let said: Option<String> = ask.fetch_one(&mut conn).await.unwrap();
        assert_ne!(said.as_deref(), Some("yes"), "after {polls}");
    }
}
