//! What is due becomes runs, each once: who starts, who waits, who is too late.

use super::*;
use crate::registry::condition::Condition;
use crate::registry::functions::Switch;

#[tokio::test]
async fn nothing_is_due_before_its_time() {
    let t = Hourly::new().await;
    assert_eq!((t.enqueue().await, t.start().await.len()), (0, 0));
}

#[tokio::test]
async fn two_nodes_that_see_a_firing_due_run_it_once() {
    let t = Hourly::new().await;
    let other = t.registry.another_node().await;
    let once = async |node: &Registry| {
        enqueue(node, BATCH_MAX).await.unwrap();
        start_on(node, 10).await.len()
    };
    for _ in 0..10 {
        t.registry.run("DELETE FROM koyalite.runs").await;
        t.due_since_hours(0).await;
        let (here, there) = tokio::join!(once(&t.registry), once(&other));
        let later = once(&t.registry).await;
        assert_eq!(here + there + later, 1);
        assert_eq!(t.statuses().await, ["running"]);
    }
}

#[tokio::test]
async fn a_firing_that_has_a_row_never_fires_again() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let started = t.claim().await;
    t.succeed(started[0].claimed).await;
    // As if the task had not moved on, which the transaction rules out.
    t.due_since_hours(0).await;
    assert_eq!((t.enqueue().await, t.start().await.len()), (1, 0));
    assert_eq!(t.statuses().await, ["succeeded"]);
    assert!(t.task().await.next_run > t.task().await.last_run);
}

#[tokio::test]
async fn while_a_run_goes_on_the_next_is_skipped_with_a_reason() {
    let t = Hourly::new().await;
    t.due_since_hours(1).await;
    t.registry
        .run("UPDATE koyalite.scheduled_tasks SET cron_schedule = '0 0 1 1 *'")
        .await;
    assert_eq!(t.claim().await.len(), 1);
    t.due_since_hours(0).await;
    assert_eq!(t.claim().await.len(), 0);
    let runs = t.runs().await;
    assert_eq!(runs[1].status, "skipped");
    assert!(runs[1].reason.as_deref().unwrap().contains("still going"));
}

#[tokio::test]
async fn what_is_queued_starts_in_its_order_one_by_one() {
    let t = Hourly::with("overlap = \"queue\"\ncatch_up = \"all\"\nretries = 1").await;
    t.due_since_hours(2).await;
    let first = t.claim().await;
    assert_eq!((first.len(), t.start().await.len()), (1, 0));
    assert_eq!(t.statuses().await, ["running", "waiting", "waiting"]);
    // Its second attempt comes before what was due after it, and holds it up until then.
    t.fail(first[0].claimed).await;
    assert_eq!(t.start().await.len(), 0);
    t.registry
        .run("UPDATE koyalite.runs SET not_before = now() WHERE status = 'waiting'")
        .await;
    let again = t.start().await;
    assert_eq!((again.len(), again[0].attempt), (1, 2));
    assert_eq!(again[0].scheduled_for, first[0].scheduled_for);
    t.succeed(again[0].claimed).await;
    let second = t.start().await;
    assert_eq!(second.len(), 1);
    assert!(second[0].scheduled_for > first[0].scheduled_for);
}

#[tokio::test]
async fn two_nodes_never_run_a_queue_side_by_side() {
    let t = Hourly::with("overlap = \"queue\"\ncatch_up = \"all\"").await;
    let other = t.registry.another_node().await;
    t.due_since_hours(20).await;
    t.enqueue().await;
    for _ in 0..21 {
        let (here, there) = tokio::join!(start_on(&t.registry, 10), start_on(&other, 10));
        let started: Vec<_> = here.into_iter().chain(there).collect();
        assert_eq!(started.len(), 1);
        t.succeed(started[0].claimed).await;
    }
    assert!(
        t.statuses()
            .await
            .iter()
            .all(|status| status == "succeeded")
    );
}

#[tokio::test]
async fn what_may_overlap_runs_side_by_side() {
    let t = Hourly::with("overlap = \"allow\"").await;
    t.due_now().await;
    let first = t.claim().await;
    t.due_now().await;
    t.registry
        .run("UPDATE koyalite.scheduled_tasks SET next_run = next_run + interval '1 second'")
        .await;
    let second = crate::scheduler::tests::wait_until(async || {
        let started = t.claim().await;
        (!started.is_empty()).then_some(started)
    })
    .await;
    assert!(second[0].scheduled_for > first[0].scheduled_for);
    assert_eq!(
        t.statuses()
            .await
            .iter()
            .filter(|s| *s == "running")
            .count(),
        1 + second.len()
    );
}

#[tokio::test]
async fn after_an_outage_the_latest_runs_and_each_earlier_one_is_a_row() {
    let t = Hourly::new().await;
    t.due_since_hours(3).await;
    let started = t.claim().await;
    assert_eq!((started.len(), started[0].missed), (1, 3));
    assert_eq!(
        t.statuses().await,
        ["missed", "missed", "missed", "running"]
    );
    let runs = t.runs().await;
    assert!(
        runs[0]
            .reason
            .as_deref()
            .unwrap()
            .contains("no node was there")
    );
    assert_eq!(runs[3].missed_count, 3);
}

#[tokio::test]
async fn a_disabled_function_does_not_fire() {
    let t = Hourly::new().await;
    let name = "ticker".parse().unwrap();
    let off = (&Condition::Always, Switch::Disabled);
    let disable = async || functions::set_enabled(&t.registry, &t.project, &name, off).await;
    // Switched off while it waits, and before it is due.
    t.due_since_hours(1).await;
    t.enqueue().await;
    disable().await.unwrap();
    assert_eq!(t.start().await.len(), 0);
    t.due_since_hours(0).await;
    assert_eq!(t.claim().await.len(), 0);
    let runs = t.runs().await;
    assert!(!runs.is_empty());
    for run in runs.iter().filter(|run| run.status != "missed") {
        assert_eq!(
            (run.status.as_str(), run.reason.as_deref()),
            ("skipped", Some("the function is disabled"))
        );
    }
}

#[tokio::test]
async fn a_projects_crowd_leaves_room_for_others() {
    let t = Hourly::with("overlap = \"allow\"").await;
    let crowd = t.task().await;
    t.registry
        .run(&format!(
            "INSERT INTO koyalite.runs (id, task_id, project_id, scheduled_for, status, not_before,
                 serial)
             SELECT gen_random_uuid(), '{}', '{}', now() - n * interval '1 second', 'waiting',
                 now() - interval '1 hour', false FROM generate_series(1, 500) n",
            crowd.id, crowd.project_id
        ))
        .await;
    let other = t.registry.project("other").await.name;
    let small = Hourly {
        project: other,
        ..t
    };
    small.deploy("").await.unwrap();
    run_history::run_now(&small.registry, &small.project, "ticker.tick")
        .await
        .unwrap();
    // Fewer places than the crowd would take.
    let started = start_on(&small.registry, 10).await;
    assert_eq!(started.len(), 10);
    let task = small.task().await.id;
    assert!(
        started.iter().any(|run| run.task_id == task),
        "the other project waits"
    );
    // A project that has as many as it may has no more.
    let room = Room {
        region: "local",
        node: "here",
        lease_s: 60.0,
        runs: 100,
        per_project: 64,
        projects: &[crowd.project_id],
        running: &[60],
    };
    let mut conn = small.registry.acquire().await.unwrap();
    assert_eq!(start(&mut conn, room).await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_may_not_run_in_a_nodes_region_waits_for_another() {
    let t = Hourly::new().await;
    let started_in = async |region: &str| {
        let room = Room {
            node: "there",
            lease_s: 60.0,
            runs: 10,
            per_project: 10,
            projects: &[],
            running: &[],
            region,
        };
        let mut conn = t.registry.acquire().await.unwrap();
        start(&mut conn, room).await.unwrap().len()
    };
    let reside =
        "UPDATE koyalite.projects SET settings = settings || '{\"data_residency\": [\"eu\"]}'";
    t.registry.run(reside).await;
    t.due_since_hours(0).await;
    assert_eq!(t.enqueue().await, 1);
    assert_eq!(started_in("us").await, 0);
    assert_eq!(t.statuses().await, ["waiting"]);
    t.registry
        .run("UPDATE koyalite.projects SET settings = settings - 'data_residency'")
        .await;
    t.registry
        .run("UPDATE koyalite.deployments SET regions = '{us,asia}'")
        .await;
    assert_eq!(started_in("eu").await, 0);
    assert_eq!(started_in("us").await, 1);
}
