//! The whole scheduler, with somebody else in the dispatcher's place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::dispatch::ScheduledCall;
use crate::scheduler::{Fire, FireError, Scheduler, SchedulerSettings};

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

fn settings() -> SchedulerSettings {
    SchedulerSettings {
        node: "here".to_owned(),
        region: "local".to_owned(),
        lease: Duration::from_secs(60),
        runs_days: 30,
        places: (256, 64),
    }
}

/// Starts a scheduler, waits for one call, stops it and lets it drain.
async fn fired(t: &Hourly, answer: Result<(), FireError>) -> ScheduledCall {
    let (calls, mut told): (_, UnboundedReceiver<_>) = unbounded_channel();
    let stop = CancellationToken::new();
    let scheduler = Scheduler::new(
        t.registry.registry.clone(),
        Arc::new(Told { calls, answer }),
        settings(),
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
        (
            run.id,
            run.status.as_str(),
            run.version,
            run.node.as_deref()
        ),
        (call.run_id, "succeeded", Some(1), Some("here"))
    );
    assert_eq!(run.scheduled_for, call.scheduled_for);
}

#[tokio::test]
async fn a_failure_is_recorded_with_its_reason() {
    let t = Hourly::new().await;
    t.due_since_hours(0).await;
    let reason = "it trapped".to_owned();
    fired(&t, Err(FireError { reason })).await;
    let run = t.runs().await.remove(0);
    assert_eq!(
        (run.status.as_str(), run.reason.as_deref()),
        ("failed", Some("it trapped"))
    );
}
