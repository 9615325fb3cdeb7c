//! Firing: one claimed run, kept alive by its lease, and how it ended.
//!
//! The lease says that this node is alive; the fence says that the run is still this node's. Where
//! the lease is lost the call is given up, and how it would have ended is not recorded: somebody
//! else has already said that it failed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::claim::Due;
use crate::registry::runs::{self, Claimed, Lease, Outcome};
use crate::registry::{FunctionEntry, ProjectEntry, Registry, RegistryError, VersionEntry};

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

/// One firing of a scheduled task, for the dispatcher.
#[derive(Debug, Clone)]
pub struct Firing {
    /// The project.
    pub project: Arc<ProjectEntry>,
    /// The function.
    pub function: Arc<FunctionEntry>,
    /// The version to run: the one that serves now.
    pub version: Arc<VersionEntry>,
    /// The task's name.
    pub task: String,
    /// Where a component without the `scheduled` export is posted to; none: the function's path.
    pub path: Option<String>,
    /// The time that it was due.
    pub scheduled_for: DateTime<Utc>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The run's id, which is the invocation's too.
    pub run_id: Uuid,
}

/// Why a firing did not succeed, in one sentence for the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct FireError {
    /// A stable word for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Runs functions; the dispatcher does.
pub trait Fire: Send + Sync + 'static {
    /// Runs one firing to its end.
    fn fire(&self, firing: Firing) -> impl Future<Output = Result<(), FireError>> + Send;
}

/// Runs a claimed firing and records how it ended.
pub(super) async fn run<F: Fire>(registry: &Registry, fire: &F, due: Due) {
    let claimed = due.claimed;
    let outcome = match prepare(registry, &due).await {
        Some(firing) => {
            tokio::select! {
                fired = fire.fire(firing) => Some(outcome(fired)),
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
async fn prepare(registry: &Registry, due: &Due) -> Option<Firing> {
    let firing = match find(registry, due) {
        Some(firing) => firing,
        None => {
            registry.refresh().await.ok()?;
            find(registry, due)?
        }
    };
    let noted = async {
        let mut conn = registry.acquire().await?;
        runs::set_version(&mut conn, due.claimed, firing.version.number).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(error = error.detail(), run = %firing.run_id, "a run's version is not noted");
    }
    Some(firing)
}

fn find(registry: &Registry, due: &Due) -> Option<Firing> {
    let snapshot = registry.snapshot();
    let project = snapshot.project_by_id(due.project_id)?;
    let function = project.function_by_id(due.function_id)?;
    Some(Firing {
        project: project.clone(),
        function: function.clone(),
        version: function.active.clone(),
        task: due.task.clone(),
        path: due.path.clone(),
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
