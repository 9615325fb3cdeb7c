//! What operators ask for: pauses, runs by hand, backfills.

use super::*;
use crate::registry::run_history::Range;
use crate::registry::schedules::Firing;

#[tokio::test]
async fn a_task_is_paused_resumed_and_run_by_hand() {
    let t = Hourly::new().await;
    let set = async |firing| {
        schedules::set_firing(&t.registry, &t.project, "ticker.tick", firing)
            .await
            .unwrap()
    };
    let paused = set(Firing::Paused).await;
    assert_eq!((paused.status.as_str(), paused.next_run), ("paused", None));
    // A deploy leaves it paused.
    t.deploy("retries = 2").await.unwrap();
    assert_eq!(t.task().await.status, "paused");
    let asked = run_history::run_now(&t.registry, &t.project, "ticker.tick")
        .await
        .unwrap();
    assert_eq!(
        (asked.status.as_str(), asked.trigger.as_str()),
        ("waiting", "manual")
    );
    assert_eq!(t.start().await.len(), 1);
    let resumed = set(Firing::On).await;
    assert_eq!(resumed.status, "active");
    assert!(resumed.next_run.is_some());
}

#[tokio::test]
async fn a_backfill_enqueues_what_has_not_run_and_no_more() {
    let t = Hourly::new().await;
    t.due_since_hours(3).await;
    let latest = t.claim().await.remove(0);
    t.succeed(latest.claimed).await;
    let hours = |hours| chrono::TimeDelta::hours(hours);
    let range = Range {
        from: latest.scheduled_for - hours(5),
        to: latest.scheduled_for + chrono::TimeDelta::seconds(1),
    };
    let fill = async || {
        run_history::backfill(&t.registry, &t.project, "ticker.tick", range)
            .await
            .unwrap()
    };
    let done = fill().await;
    assert_eq!((done.due, done.enqueued, done.left), (6, 5, 1));
    assert_eq!(fill().await.enqueued, 0);
    // One by one, in their order; what was missed is tried as a second attempt.
    let first = t.start().await.remove(0);
    assert_eq!((first.scheduled_for, first.attempt), (range.from, 1));
    assert!(
        t.runs()
            .await
            .iter()
            .any(|run| run.trigger == "backfill" && run.attempt == 2)
    );
    for bad in [
        Range {
            to: range.from,
            ..range
        },
        Range {
            to: range.to + hours(48),
            ..range
        },
        Range {
            from: range.from - hours(24 * 365),
            ..range
        },
    ] {
        let refused = run_history::backfill(&t.registry, &t.project, "ticker.tick", bad).await;
        assert!(
            matches!(refused, Err(RegistryError::Invalid { .. })),
            "{refused:?}"
        );
    }
}
