//! Firing: one claimed run, kept alive by its lease, and how it ended.
//!
//! The lease says that this node is alive; the fence says that the run is still this node's. Where
//! the lease is lost the call is given up, and how it would have ended is not recorded: somebody
//! else has already said that it failed.

use std::time::Duration;

use super::claim::Due;
use crate::dispatch::{Dispatcher, ScheduledCall, Selected};
use crate::registry::runs::{self, Claimed, Lease, Outcome};
use crate::registry::{Registry, RegistryError};

/// How long a node may be silent before its runs count as failed, in seconds. Three heartbeats: one
/// may be late and one lost.
pub(super) const LEASE_S: f64 = 60.0;

/// How often a node says that a run is still going.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long the end of a run is tried to be written while the database is away: as long as the
/// lease lasts. After that it has been marked by somebody else.
const FINISH_TRIES: u32 = 60;

/// The reason of a run whose node went silent.
pub(super) const LEASE_LOST: &str = "lease_lost: the node that ran it went silent";

const GONE: &str = "the function is no longer there";

/// Why a reason is cut: it is for a list, and the whole is in the log.
const REASON_CHARS_MAX: usize = 500;

/// Why a firing did not succeed, in one sentence for the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FireError {
    /// For people who read the list.
    pub reason: String,
}

/// Runs functions; the dispatcher does.
pub trait Fire: Send + Sync + 'static {
    /// Runs one firing to its end.
    fn fire(&self, call: ScheduledCall) -> impl Future<Output = Result<(), FireError>> + Send;
}

impl Fire for Dispatcher {
    async fn fire(&self, call: ScheduledCall) -> Result<(), FireError> {
        self.scheduled(call).await.map_err(|error| FireError {
            reason: error.to_string(),
        })
    }
}

/// Runs a claimed firing and records how it ended.
pub(super) async fn run<F: Fire>(registry: &Registry, fire: &F, due: Due) {
    let claimed = due.claimed;
    let outcome = match prepare(registry, &due).await {
        Some(call) => {
            tokio::select! {
                fired = fire.fire(call) => Some(outcome(fired)),
                () = keep_alive(registry, claimed) => None,
            }
        }
        None => Some(Outcome::Failed(GONE.to_owned())),
    };
    match outcome {
        Some(outcome) => finish(registry, claimed, &outcome).await,
        None => tracing::error!(run = %claimed.run, "a run was given up: its lease was lost"),
    }
}

fn outcome(fired: Result<(), FireError>) -> Outcome {
    match fired {
        Ok(()) => Outcome::Succeeded,
        Err(error) => Outcome::Failed(error.to_string().chars().take(REASON_CHARS_MAX).collect()),
    }
}

/// Looks up what to run. A function that another node has just deployed may not be here yet.
async fn prepare(registry: &Registry, due: &Due) -> Option<ScheduledCall> {
    let call = match find(registry, due) {
        Some(call) => call,
        None => {
            registry.refresh().await.ok()?;
            find(registry, due)?
        }
    };
    let noted = async {
        let mut conn = registry.acquire().await?;
        runs::set_version(&mut conn, due.claimed, call.selected.version.number).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(error = error.detail(), run = %call.run_id, "a run's version is not noted");
    }
    Some(call)
}

fn find(registry: &Registry, due: &Due) -> Option<ScheduledCall> {
    let snapshot = registry.snapshot();
    let project = snapshot.project_by_id(due.project_id)?;
    let function = project.function_by_id(due.function_id)?;
    Some(ScheduledCall {
        selected: Selected {
            project: project.clone(),
            function: function.clone(),
            version: function.active.clone(),
        },
        task: due.task.clone(),
        scheduled_for: due.scheduled_for,
        attempt: 1,
        run_id: due.claimed.run,
    })
}

/// Extends the lease until it is lost.
async fn keep_alive(registry: &Registry, claimed: Claimed) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let extended = async {
            let mut conn = registry.acquire().await?;
            runs::extend(&mut conn, claimed, LEASE_S).await
        };
        match extended.await {
            Ok(Lease::Held) => {}
            Ok(Lease::Lost) => return,
            // The database is away: whether the lease ends is for whoever comes back first to say.
            Err(error) => tracing::warn!(error = error.detail(), "a lease is not extended"),
        }
    }
}

async fn finish(registry: &Registry, claimed: Claimed, outcome: &Outcome) {
    for _ in 0..FINISH_TRIES {
        match try_finish(registry, claimed, outcome).await {
            Ok(Lease::Held) => return,
            Ok(Lease::Lost) => {
                tracing::error!(run = %claimed.run, ?outcome, "a run ended after its lease");
                return;
            }
            Err(RegistryError::Unavailable(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(error) => {
                tracing::error!(error = error.detail(), run = %claimed.run, "a run's end is lost");
                return;
            }
        }
    }
}

async fn try_finish(
    registry: &Registry,
    claimed: Claimed,
    outcome: &Outcome,
) -> Result<Lease, RegistryError> {
    let mut conn = registry.acquire().await?;
    runs::finish(&mut conn, claimed, outcome).await
}
