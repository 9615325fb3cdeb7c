//! Claims against a real Postgres: who fires, who waits, who is too late.

use std::sync::Arc;

use koyalite_policy::ProjectName;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::claim::{BATCH_MAX, Batch, claim};
use super::{Fire, FireError, Scheduler};
use crate::dispatch::ScheduledCall;
use crate::registry::functions::{self, DeployInput, Switch};
use crate::registry::page::Page;
use crate::registry::runs::{self, Lease, Outcome};
use crate::registry::schedules::{self, Run, ScheduledTask};
use crate::registry::tests::TestRegistry;
use crate::registry::{Handler, Manifest, Registry};

/// A project with one function that is due once an hour.
struct Hourly {
    registry: TestRegistry,
    project: ProjectName,
}

impl Hourly {
    async fn new() -> Self {
        let registry = TestRegistry::new().await;
        let project = registry.project("demo").await.name;
        let manifest = "name = \"ticker\"\n[[schedules]]\nname = \"tick\"\ncron = \"0 * * * *\"";
        let input = DeployInput {
            project: project.clone(),
            name: "ticker".parse().unwrap(),
            deployer: registry.admin(),
            sha256: "a".repeat(64),
            imports: Vec::new(),
            exports: Vec::new(),
            handler: Handler::None,
            scheduled: true,
            shared_refused: None,
            manifest: Some(Manifest::parse_toml(manifest).unwrap()),
        };
        functions::deploy(&registry, input).await.unwrap();
        Self { registry, project }
    }

    /// Makes the task due since so many hours, to the hour.
    async fn due_since_hours(&self, hours: u32) {
        self.registry
            .run(&format!(
                "UPDATE koyalite.scheduled_tasks
                 SET next_run = date_trunc('hour', now()) - interval '{hours} hours'"
            ))
            .await;
    }

    async fn task(&self) -> ScheduledTask {
        schedules::list(&self.registry, &self.project)
            .await
            .unwrap()
            .remove(0)
    }

    /// The runs, oldest first, each as status and reason.
    async fn runs(&self) -> Vec<Run> {
        let task = self.task().await.id;
        let mut runs = schedules::runs(&self.registry, &self.project, task, &Page::first(100))
            .await
            .unwrap()
            .items;
        runs.reverse();
        runs
    }

    async fn statuses(&self) -> Vec<String> {
        self.runs()
            .await
            .into_iter()
            .map(|run| run.status)
            .collect()
    }

    async fn claim(&self) -> Batch {
        claim(&self.registry, BATCH_MAX).await.unwrap()
    }

    async fn finish(&self, batch: &Batch, outcome: Outcome) -> Lease {
        let mut conn = self.registry.acquire().await.unwrap();
        runs::finish(&mut conn, batch.claimed[0].claimed, &outcome)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn nothing_is_due_before_its_time() {
    let t = Hourly::new().await;
    let batch = t.claim().await;
    assert_eq!((batch.seen, batch.claimed.len()), (0, 0));
}

#[tokio::test]
async fn two_nodes_that_see_a_firing_due_claim_it_once() {
    let t = Hourly::new().await;
    let other = t.registry.another_node().await;
    let once = async |node: &Registry| claim(node, BATCH_MAX).await.unwrap().claimed.len();
    for _ in 0..10 {
        t.registry.run("DELETE FROM koyalite.runs").await;
        t.due_since_hours(0).await;
        let (here, there) = tokio::join!(once(&t.registry), once(&other));
        assert_eq!(here + there, 1);
        assert_eq!(t.statuses().await, ["running"]);
    }
}

#[tokio::test]
async fn a_firing_that_has_a_row_never_fires_again() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let batch = t.claim().await;
    t.finish(&batch, Outcome::Succeeded).await;
    // As if the task had not moved on, which the transaction rules out.
    t.due_since_hours(0).await;
    let again = t.claim().await;
    assert_eq!((again.seen, again.claimed.len()), (1, 0));
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
    assert_eq!(t.claim().await.claimed.len(), 1);
    t.due_since_hours(0).await;
    assert_eq!(t.claim().await.claimed.len(), 0);
    let runs = t.runs().await;
    assert_eq!(runs[1].status, "skipped");
    assert!(runs[1].reason.as_deref().unwrap().contains("still going"));
}

#[tokio::test]
async fn after_an_outage_the_latest_runs_and_each_earlier_one_is_a_row() {
    let t = Hourly::new().await;
    t.due_since_hours(3).await;
    assert_eq!(t.claim().await.claimed.len(), 1);
    assert_eq!(
        t.statuses().await,
        ["missed", "missed", "missed", "running"]
    );
    assert!(
        t.runs().await[0]
            .reason
            .as_deref()
            .unwrap()
            .contains("no node was there")
    );
}

#[tokio::test]
async fn a_disabled_function_does_not_fire() {
    let t = Hourly::new().await;
    let name = "ticker".parse().unwrap();
    functions::set_enabled(&t.registry, &t.project, &name, Switch::Disabled)
        .await
        .unwrap();
    t.due_since_hours(0).await;
    assert_eq!(t.claim().await.claimed.len(), 0);
    assert_eq!(t.statuses().await, ["skipped"]);
}

#[tokio::test]
async fn a_run_whose_node_went_silent_failed_and_its_late_word_is_refused() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let batch = t.claim().await;
    let mut conn = t.registry.acquire().await.unwrap();
    assert_eq!(
        runs::expire(&mut conn, super::fire::LEASE_LOST)
            .await
            .unwrap(),
        0
    );
    t.registry
        .run("UPDATE koyalite.runs SET lease_until = now() - interval '1 second'")
        .await;
    assert_eq!(
        runs::expire(&mut conn, super::fire::LEASE_LOST)
            .await
            .unwrap(),
        1
    );
    let run = t.runs().await.remove(0);
    assert_eq!(run.status, "failed");
    assert!(run.reason.as_deref().unwrap().starts_with("lease_lost"));

    let claimed = batch.claimed[0].claimed;
    assert_eq!(
        runs::extend(&mut conn, claimed, 60.0).await.unwrap(),
        Lease::Lost
    );
    assert_eq!(t.finish(&batch, Outcome::Succeeded).await, Lease::Lost);
    assert_eq!(t.statuses().await, ["failed"]);
}

/// Tells what it is asked to fire, and answers as it was made to.
struct Told {
    calls: UnboundedSender<ScheduledCall>,
    answer: Result<(), FireError>,
}

impl Fire for Told {
    async fn fire(&self, call: ScheduledCall) -> Result<(), FireError> {
        self.calls.send(call).unwrap();
        self.answer.clone()
    }
}

/// Starts a scheduler, waits for one call, stops it and lets it drain.
async fn fired(t: &Hourly, answer: Result<(), FireError>) -> ScheduledCall {
    let (calls, mut told): (_, UnboundedReceiver<_>) = unbounded_channel();
    let stop = CancellationToken::new();
    let scheduler = Scheduler::new(
        t.registry.registry.clone(),
        Arc::new(Told { calls, answer }),
    );
    let running = tokio::spawn(scheduler.run(stop.clone()));
    let call = told.recv().await.unwrap();
    stop.cancel();
    running.await.unwrap();
    call
}

#[tokio::test]
async fn what_is_due_is_fired_and_recorded() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let call = fired(&t, Ok(())).await;
    assert_eq!((call.task.as_str(), call.attempt), ("tick", 1));
    assert_eq!(call.selected.function.name.as_str(), "ticker");
    let run = t.runs().await.remove(0);
    assert_eq!(
        (run.id, run.status.as_str(), run.version),
        (call.run_id, "succeeded", Some(1))
    );
    assert_eq!(run.scheduled_for, call.scheduled_for);
}

#[tokio::test]
async fn a_failure_is_recorded_with_its_reason() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    fired(
        &t,
        Err(FireError {
            reason: "it trapped".to_owned(),
        }),
    )
    .await;
    let run = t.runs().await.remove(0);
    assert_eq!(
        (run.status.as_str(), run.reason.as_deref()),
        ("failed", Some("it trapped"))
    );
}
