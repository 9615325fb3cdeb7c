//! A node that looks once an hour, and hears of changes all the same.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::registry::nodes::ThisNode;

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that follows and listens. Ends with the test's runtime.
fn go(registry: &Arc<Registry>) {
    let node = ThisNode {
        id: Uuid::now_v7(),
        name: "a node".to_owned(),
        region: "eu".to_owned(),
        address: None,
        stale_after: HOUR,
    };
    let (following, listening) = (Arc::clone(registry), Arc::clone(registry));
    tokio::spawn(async move { following.follow(node, CancellationToken::new()).await });
    tokio::spawn(async move { listening.listen(CancellationToken::new()).await });
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Ends every connection that listens, or only counts them.
async fn listeners(t: &TestRegistry, with_each: &'static str) -> i64 {
    let sql = format!(
        "SELECT count({with_each}) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    );
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
    count.fetch_one(&t.registry.pool).await.unwrap()
}

#[tokio::test]
async fn a_change_is_heard_of_long_before_the_next_look() {
    let t = TestRegistry::new().await;
    let other = Arc::new(t.another_node().await.looking_every(HOUR));
    go(&t.registry);
    go(&other);
    let hears_of = async |name: &str| {
        t.project(name).await;
        let name = name.parse().unwrap();
        eventually("the other node serves it", async || {
            other.snapshot().project(&name).is_some()
        })
        .await;
    };
    eventually("both listen", async || listeners(&t, "*").await == 2).await;
    hears_of("first").await;
    // Without the connection nothing is lost but the hint: what it missed is found when it is back.
    assert_eq!(listeners(&t, "pg_terminate_backend(pid)").await, 2);
    hears_of("second").await;
}
