//! Whose word counts: leases, attempts, and what is forgotten in the end.

use sqlx::Connection as _;

use super::*;
use crate::registry::leases::{extend, forget};

#[tokio::test]
async fn a_run_whose_node_went_silent_is_tried_again_and_its_late_word_is_refused() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let first = t.claim().await.remove(0);
    assert_eq!(t.expire().await, 0);
    t.silence().await;
    assert_eq!(t.expire().await, 1);
    assert_eq!(t.statuses().await, ["failed", "waiting"]);
    let again = t.start().await.remove(0);
    assert_eq!((first.attempt, again.attempt), (1, 2));
    assert!(again.claimed.fence > first.claimed.fence);

    let mut conn = t.registry.acquire().await.unwrap();
    let extended = extend(&mut conn, first.claimed, 60.0).await.unwrap();
    assert_eq!(extended, Lease::Lost);
    assert_eq!(t.succeed(first.claimed).await, Lease::Lost);
    assert_eq!(t.fail(first.claimed).await, Lease::Lost);
    assert_eq!(t.statuses().await, ["failed", "running"]);
    assert_eq!(t.succeed(again.claimed).await, Lease::Held);
    let runs = t.runs().await;
    assert!(runs[0].reason.as_deref().unwrap().starts_with("lease_lost"));
    assert_eq!(runs[1].status, "succeeded");
}

#[tokio::test]
async fn a_run_that_ends_its_nodes_is_given_up_in_the_end() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    t.enqueue().await;
    let mut attempts = 0;
    while !t.start().await.is_empty() {
        attempts += 1;
        t.silence().await;
        t.expire().await;
    }
    assert_eq!(attempts, 4);
    assert!(t.statuses().await.iter().all(|status| status == "failed"));
}

#[tokio::test]
async fn a_failed_run_is_tried_again_as_often_as_its_schedule_says_with_longer_pauses() {
    let t = Hourly::with("retries = 3\nbackoff_s = 10\nbackoff_max_s = 25").await;
    t.due_since_hours(0).await;
    t.enqueue().await;
    let mut pauses: Vec<f64> = Vec::new();
    loop {
        let Some(run) = t.start().await.pop() else {
            break;
        };
        t.fail(run.claimed).await;
        let pause: Option<f64> = t
            .registry
            .ask(
                "SELECT max(extract(epoch FROM not_before - created_at))::float8
                 FROM koyalite.runs WHERE status = 'waiting'",
            )
            .await;
        pauses.extend(pause);
        t.registry
            .run("UPDATE koyalite.runs SET not_before = now() WHERE status = 'waiting'")
            .await;
    }
    let rounded: Vec<i64> = pauses.iter().map(|pause| pause.round() as i64).collect();
    assert_eq!(rounded, [10, 20, 25]);
    assert_eq!(t.statuses().await, ["failed"; 4]);
}

#[tokio::test]
async fn only_the_holder_of_a_lease_in_its_own_project_may_write() {
    let t = Hourly::new().await;
    let project = schedules::find(&t.registry, &t.project, "ticker.tick")
        .await
        .unwrap()
        .project_id;
    let other = t.registry.project("other").await;
    t.due_since_hours(0).await;
    let Claimed { run, fence } = t.claim().await.remove(0).claimed;
    let hold = |run, fence| format!("SELECT koyalite_api.hold_run('{run}', {fence})");
    let role = |id| {
        t.registry
            .snapshot()
            .project_by_id(id)
            .unwrap()
            .database
            .role
            .clone()
    };
    let mut own =
        sqlx::PgConnection::connect_with(&t.registry.options().clone().username(&role(project)))
            .await
            .unwrap();
    let mut foreign =
        sqlx::PgConnection::connect_with(&t.registry.options().clone().username(&role(other.id)))
            .await
            .unwrap();
    let ask = async |connection: &mut sqlx::PgConnection, sql: String| {
        let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(connection)
            .await;
        asked.map(drop).map_err(|error| {
            error
                .into_database_error()
                .unwrap()
                .code()
                .unwrap()
                .into_owned()
        })
    };
    assert_eq!(ask(&mut own, hold(run, fence)).await, Ok(()));
    assert_eq!(
        ask(&mut own, hold(run, fence + 1)).await,
        Err("KY002".to_owned())
    );
    assert_eq!(
        ask(&mut foreign, hold(run, fence)).await,
        Err("KY002".to_owned())
    );
    // While a write holds the run, nobody takes it over.
    ask(&mut own, "BEGIN".to_owned()).await.unwrap();
    ask(&mut own, hold(run, fence)).await.unwrap();
    let mut held = t.registry.acquire().await.unwrap();
    sqlx::query("SET lock_timeout = '100ms'")
        .execute(&mut held)
        .await
        .unwrap();
    let silenced = sqlx::query("UPDATE koyalite.runs SET lease_until = now()")
        .execute(&mut held)
        .await;
    assert!(silenced.is_err(), "the row is held");
    ask(&mut own, "COMMIT".to_owned()).await.unwrap();
    t.silence().await;
    assert_eq!(
        ask(&mut own, hold(run, fence)).await,
        Err("KY002".to_owned())
    );
}

#[tokio::test]
async fn old_runs_are_forgotten_and_others_are_kept() {
    let t = Hourly::new().await;
    t.due_since_hours(3).await;
    t.claim().await;
    t.registry
        .run(
            "UPDATE koyalite.runs SET finished_at = now() - interval '31 days'
              WHERE id = (SELECT id FROM koyalite.runs WHERE status = 'missed' LIMIT 1)",
        )
        .await;
    let mut conn = t.registry.acquire().await.unwrap();
    assert_eq!(forget(&mut conn, 30, 1000).await.unwrap(), 1);
    assert_eq!(t.statuses().await, ["missed", "missed", "running"]);
}
