use super::*;
use crate::keys::Signature;
use crate::registry::webhooks::due::{self, Attempt, Bounds, Then};
use crate::registry::webhooks::endpoints;
use crate::registry::webhooks::input::NewEndpoint;

const EMIT: &str = "SELECT koyalite_api.emit_webhook('order.paid', '{\"n\": 1}', 'key', NULL,
     gen_random_uuid(), 'f', gen_random_uuid())";
const BOUNDS: Bounds = Bounds {
    all: 10,
    per_endpoint: 4,
};

async fn subscribe(registry: &TestRegistry, project: &Project) {
    let new = NewEndpoint {
        target_url: "https://example.com/".to_owned(),
        description: String::new(),
        event_types: vec!["*".to_owned()],
        columns: Default::default(),
        signature: Signature::Hmac,
        ordered: false,
        order_key: None,
        rate_per_minute: None,
    };
    endpoints::create(registry, &project.name, &new)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_project_emits_in_its_own_name_and_sees_its_own_events() {
    let registry = TestRegistry::new().await;
    let (one, two) = (registry.project("one").await, registry.project("two").await);
    for project in [&one, &two] {
        subscribe(&registry, project).await;
    }
    let (mut first, mut second) = (
        registry.as_tenant(&one).await,
        registry.as_tenant(&two).await,
    );
    let of_one: Uuid = sqlx::query_scalar(EMIT)
        .fetch_one(&mut first)
        .await
        .unwrap();
    let again: Uuid = sqlx::query_scalar(EMIT)
        .fetch_one(&mut first)
        .await
        .unwrap();
    let of_two: Uuid = sqlx::query_scalar(EMIT)
        .fetch_one(&mut second)
        .await
        .unwrap();
    assert_eq!(of_one, again, "a key is one event");
    assert_ne!(of_one, of_two, "within its project");
    let other = EMIT.replace("1}", "2}");
    assert_eq!(refusal(&mut first, &other).await, "KY011");
    let seen = "SELECT count(*) FROM koyalite_api.webhook_event($1)";
    for (id, expected) in [(of_one, 0_i64), (of_two, 1)] {
        let seen: i64 = sqlx::query_scalar(seen)
            .bind(id)
            .fetch_one(&mut second)
            .await
            .unwrap();
        assert_eq!(seen, expected);
    }
    let deliveries: i64 = registry
        .ask("SELECT count(*) FROM koyalite.webhooks w
              JOIN koyalite.webhook_events v ON v.id = w.event_id AND v.project_id = w.project_id
              JOIN koyalite.webhook_endpoints e ON e.id = w.endpoint_id AND e.project_id = w.project_id")
        .await;
    assert_eq!(deliveries, 2, "each to its own endpoint");
    for sql in [
        "SELECT koyalite.calling_project()",
        "SELECT * FROM koyalite.webhook_endpoints",
        "SELECT koyalite.fan_out(NULL)",
        "INSERT INTO koyalite.webhook_events DEFAULT VALUES",
    ] {
        assert_eq!(refusal(&mut first, sql).await, "42501", "{sql}");
    }
}

#[tokio::test]
async fn over_its_quota_a_project_emits_nothing() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await;
    let emit = EMIT.replace("'key'", "NULL");
    let mut tenant = registry.as_tenant(&project).await;
    let _: Option<i32> = registry
        .ask(
            "WITH set AS (UPDATE koyalite.projects
                  SET settings = '{\"webhook_events_per_minute\": 2}' RETURNING 1)
              SELECT max(1) FROM set",
        )
        .await;
    for _ in 0..2 {
        sqlx::raw_sql(sqlx::AssertSqlSafe(emit.clone()))
            .execute(&mut tenant)
            .await
            .unwrap();
    }
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(emit))
        .execute(&mut tenant)
        .await;
    let refused = refused.unwrap_err().into_database_error().unwrap();
    assert_eq!(refused.code().unwrap(), "KY012");
    let said: Vec<&str> = refused.message().split(' ').collect();
    assert_eq!(said[..2], ["webhook_events_per_minute", "2"]);
    assert!((1..=60).contains(&said[2].parse::<u32>().unwrap()));
}

#[tokio::test]
async fn a_node_that_lost_its_lease_has_no_say() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await;
    subscribe(&registry, &project).await;
    let mut tenant = registry.as_tenant(&project).await;
    sqlx::raw_sql(EMIT).execute(&mut tenant).await.unwrap();
    let lost = due::claim(&registry, BOUNDS, -1.0).await.unwrap().remove(0);
    assert!(
        due::claim(&registry, BOUNDS, 60.0)
            .await
            .unwrap()
            .is_empty(),
        "claimed once"
    );
    let mut conn = registry.acquire().await.unwrap();
    assert_eq!(due::expire(&mut conn, "lease_lost").await.unwrap(), 1);
    let held = due::claim(&registry, BOUNDS, 60.0).await.unwrap().remove(0);
    assert!(held.id == lost.id && held.fence > lost.fence);
    let finish = async |claimed: &due::Claimed, conn: &mut DbConnection| {
        let (claim, attempt) = ((claimed.id, claimed.fence), Attempt::default());
        due::finish(conn, claim, &attempt, Then::Delivered)
            .await
            .unwrap()
    };
    assert!(!finish(&lost, &mut conn).await);
    assert!(finish(&held, &mut conn).await);
    assert_eq!(due::expire(&mut conn, "lease_lost").await.unwrap(), 0);
}

/// As behind an endpoint that is switched off.
#[tokio::test]
async fn old_events_that_wait_keep_no_others_from_being_forgotten() {
    let registry = TestRegistry::new().await;
    let project = registry.project("one").await;
    subscribe(&registry, &project).await;
    let mut tenant = registry.as_tenant(&project).await;
    for emit in [EMIT.to_owned(), EMIT.replace("'key'", "'other'")] {
        let emit = sqlx::AssertSqlSafe(emit);
        sqlx::raw_sql(emit).execute(&mut tenant).await.unwrap();
    }
    let over = due::claim(&registry, BOUNDS, 60.0)
        .await
        .unwrap()
        .pop()
        .unwrap();
    let mut conn = registry.acquire().await.unwrap();
    let claim = (over.id, over.fence);
    due::finish(&mut conn, claim, &Attempt::default(), Then::Delivered)
        .await
        .unwrap();
    // The one that waits is the older one.
    let aged = "UPDATE koyalite.webhook_events e SET created_at = now() - make_interval(days =>
        CASE WHEN EXISTS (SELECT FROM koyalite.webhooks w
            WHERE w.event_id = e.id AND w.status = 'delivered') THEN 31 ELSE 40 END)";
    sqlx::raw_sql(aged).execute(&mut conn).await.unwrap();
    assert_eq!(due::forget(&mut conn, 30, 1).await.unwrap(), 1);
    assert_eq!(due::forget(&mut conn, 30, 1).await.unwrap(), 0);
}
