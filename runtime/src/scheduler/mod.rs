//! Cron: finds what is due, claims it once, fires it through the dispatcher.
//!
//! Any number of nodes may run a scheduler over one database. A row of `koyalite.runs` is unique
//! for (task, time), so the insert decides who fires (`claim`); the database's clock decides when.
//! A firing starts at most once: a node that dies with a run leaves it to be marked `failed` when
//! its lease ends. Whatever does not run is a row with its reason.
//!
//! Never here: HTTP, WebAssembly, SQL. Reading order: `cron` (pure), `claim`, `fire`.

mod claim;
pub mod cron;
mod fire;

#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::fire::{Fire, FireError};
use crate::registry::{Registry, RegistryError, runs};

/// The longest time between two looks: a task that another node has just deployed is due at the
/// earliest a second from now, and is noticed in that second.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs in flight on one node. Each waits for the engine's own limits; more would only hold leases.
const RUNS_MAX: usize = 256;

/// Looks for due tasks and fires them.
pub struct Scheduler<F> {
    registry: Arc<Registry>,
    fire: Arc<F>,
    slots: Arc<Semaphore>,
    running: JoinSet<()>,
}

impl<F: Fire> Scheduler<F> {
    /// A scheduler that has not started yet.
    pub fn new(registry: Arc<Registry>, fire: Arc<F>) -> Self {
        Self {
            registry,
            fire,
            slots: Arc::new(Semaphore::new(RUNS_MAX)),
            running: JoinSet::new(),
        }
    }

    /// Works until `stop`, then lets the runs in flight end. The caller bounds how long it waits:
    /// runs that are cut off then are marked when their lease ends.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut healthy = true;
        while !stop.is_cancelled() {
            let looked = self.look().await;
            // Once per outage, not once per second of it.
            match (&looked, healthy) {
                (Err(error), true) => tracing::warn!(error = error.detail(), "cron is held up"),
                (Ok(_), false) => tracing::info!("cron goes on"),
                (Ok(_), true) | (Err(_), false) => {}
            }
            healthy = looked.is_ok();
            let pause = looked.unwrap_or(LOOK_INTERVAL);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    /// Fires all that is due; answers how long nothing will be.
    async fn look(&mut self) -> Result<Duration, RegistryError> {
        // What has ended is kept until it is asked for.
        while self.running.try_join_next().is_some() {}
        let mut conn = self.registry.acquire().await?;
        let lost = runs::expire(&mut conn, fire::LEASE_LOST).await?;
        if lost > 0 {
            tracing::warn!(lost, "runs ended without a word from their node");
        }
        drop(conn);
        loop {
            let slots = self.free_slots();
            let wanted = slots.len();
            if wanted == 0 {
                return Ok(LOOK_INTERVAL);
            }
            let batch = claim::claim(&self.registry, wanted).await?;
            for (due, slot) in batch.claimed.into_iter().zip(slots) {
                let (registry, fire) = (self.registry.clone(), self.fire.clone());
                self.running.spawn(async move {
                    fire::run(&registry, fire.as_ref(), due).await;
                    drop(slot);
                });
            }
            if batch.seen < wanted {
                break;
            }
        }
        let mut conn = self.registry.acquire().await?;
        let until = runs::until_due(&mut conn).await?.unwrap_or(i64::MAX);
        Ok(Duration::from_millis(until.try_into().unwrap_or(0)).min(LOOK_INTERVAL))
    }

    /// As many slots as are free, at most one batch of them.
    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| self.slots.clone().try_acquire_owned().ok())
            .take(claim::BATCH_MAX)
            .collect()
    }
}
