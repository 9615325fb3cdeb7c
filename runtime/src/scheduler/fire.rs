//! Firing: one run that this node has started, kept alive by its lease, and how it ended.
//!
//! The lease says that this node is alive; the fence says that the run is still this node's. Where
//! the lease is lost the call is given up, and how it would have ended is not recorded: somebody
//! else has already said that it failed, and may be trying again.

use std::time::Duration;

use koyalite_host_api::db::RunFence;

use crate::dispatch::{Dispatcher, ScheduledCall, Selected};
use crate::registry::leases::{self, Claimed, Lease, Started};
use crate::registry::outage::outlast;
use crate::registry::{Registry, RegistryError};

/// The reason of a run whose node went silent.
pub(super) const LEASE_LOST: &str = "lease_lost: the node that ran it went silent";

const GONE: &str = "the function is no longer there";

/// Why a reason is cut: it is for a list, and the whole is in the log.
const REASON_CHARS_MAX: usize = 500;

/// Heartbeats in a lease: one may be late and one lost.
const HEARTBEATS: u32 = 3;

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

/// Runs a firing and records how it ended.
pub(super) async fn run<F: Fire>(registry: &Registry, fire: &F, run: Started, lease: Duration) {
    let claimed = run.claimed;
    let fired = async {
        let call = prepare(registry, &run).await.ok_or_else(|| FireError {
            reason: GONE.to_owned(),
        })?;
        within(run.timeout_s, fire.fire(call)).await
    };
    let outcome = tokio::select! {
        fired = fired => fired,
        () = keep_alive(registry, claimed, lease) => {
            tracing::error!(run = %claimed.run, "a run was given up: its lease was lost");
            return;
        }
    };
    finish(registry, claimed, outcome, lease).await;
}

/// What comes of it, if that comes in time. Dropped, the call is stopped from outside.
async fn within(
    timeout_s: Option<u64>,
    fired: impl Future<Output = Result<(), FireError>>,
) -> Result<(), FireError> {
    let Some(limit_s) = timeout_s else {
        return fired.await;
    };
    match tokio::time::timeout(Duration::from_secs(limit_s), fired).await {
        Ok(fired) => fired,
        Err(_) => Err(FireError {
            reason: format!("timeout: it took longer than {limit_s} s"),
        }),
    }
}

/// Looks up what to run. A function that another node has just deployed may not be here yet.
async fn prepare(registry: &Registry, run: &Started) -> Option<ScheduledCall> {
    let call = match find(registry, run) {
        Some(call) => call,
        None => {
            registry.refresh().await.ok()?;
            find(registry, run)?
        }
    };
    let noted = async {
        let mut conn = registry.acquire().await?;
        leases::set_version(&mut conn, run.claimed, call.selected.version.number).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(error = error.detail(), run = %call.run_id, "a run's version is not noted");
    }
    Some(call)
}

fn find(registry: &Registry, run: &Started) -> Option<ScheduledCall> {
    let snapshot = registry.snapshot();
    let project = snapshot.project_by_id(run.project_id)?;
    let function = project.function_by_id(run.function_id)?;
    Some(ScheduledCall {
        selected: Selected {
            project: project.clone(),
            function: function.clone(),
            version: function.active.clone(),
        },
        task: run.task.clone(),
        task_id: run.task_id,
        path: run.path.clone(),
        scheduled_for: run.scheduled_for,
        attempt: run.attempt,
        missed: run.missed,
        run_id: run.claimed.run,
        fence: RunFence {
            run: run.claimed.run,
            fence: run.claimed.fence,
        },
    })
}

/// Extends the lease until it is lost.
async fn keep_alive(registry: &Registry, claimed: Claimed, lease: Duration) {
    loop {
        tokio::time::sleep(lease / HEARTBEATS).await;
        let extended = async {
            let mut conn = registry.acquire().await?;
            leases::extend(&mut conn, claimed, lease.as_secs_f64()).await
        };
        match extended.await {
            Ok(Lease::Held) => {}
            Ok(Lease::Lost) => return,
            // The database is away: whether the lease ends is for whoever comes back first to say.
            Err(error) => tracing::warn!(error = error.detail(), "a lease is not extended"),
        }
    }
}

/// Records the end, trying as long as the lease would last while the database is away: after that it
/// has been marked by somebody else.
async fn finish(
    registry: &Registry,
    claimed: Claimed,
    outcome: Result<(), FireError>,
    lease: Duration,
) {
    let tried = outlast(lease.as_secs() + 1, || {
        try_finish(registry, claimed, &outcome)
    });
    match tried.await {
        Ok(Lease::Held) => {}
        Ok(Lease::Lost) => {
            tracing::error!(run = %claimed.run, ?outcome, "a run ended after its lease");
        }
        Err(error) => {
            tracing::error!(error = error.detail(), run = %claimed.run, "a run's end is lost");
        }
    }
}

async fn try_finish(
    registry: &Registry,
    claimed: Claimed,
    outcome: &Result<(), FireError>,
) -> Result<Lease, RegistryError> {
    let mut conn = registry.acquire().await?;
    match outcome {
        Ok(()) => leases::succeed(&mut conn, claimed).await,
        Err(error) => {
            let reason: String = error.reason.chars().take(REASON_CHARS_MAX).collect();
            leases::fail(&mut conn, claimed, &reason).await
        }
    }
}
