//! Cron: what is due becomes rows, rows become runs, runs go through the dispatcher.
//!
//! Any number of nodes may run a scheduler over one database. A row of `koyalite.runs` is unique
//! for (task, time, attempt), so the insert decides that something is to be done (`enqueue`), and a
//! lease decides who does it (`fire`); the database's clock decides when. A node that dies with a run
//! leaves it to be tried again when its lease ends, and its late writes are refused. Whatever does not
//! run is a row with its reason.
//!
//! Never here: HTTP, WebAssembly, SQL, this machine's clock. Reading order: `cron`, `rules` and `plan`
//! (pure), `enqueue`, `running`, `fire`.

pub mod cron;
mod enqueue;
mod fire;
mod plan;
pub mod rules;
mod running;

#[cfg(test)]
mod database_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::enqueue::ACTIVE_RUNS_MAX;
pub use self::fire::{Fire, FireError};
pub use self::plan::CATCH_UP_ROWS_MAX;
use self::running::Running;
use crate::registry::leases::{self, Room};
use crate::registry::{Outage, Registry, RegistryError, runs};

/// The longest time between two looks: a task that another node has just deployed is due at the
/// earliest a second from now, and is noticed in that second.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Runs in flight on one node, at most; more would only hold leases. A node takes no more than half of
/// the invocations that it takes on, so that requests find a place.
pub const RUNS_MAX: usize = 256;

/// Runs in flight on one node, of one project: a quarter, so that three others find a place at once.
pub const PROJECT_RUNS_MAX: usize = 64;

/// Rows of forgotten runs deleted at once; a look is not held up by more.
const FORGOTTEN_AT_ONCE: i64 = 1000;

/// Between two looks for runs that may be forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct SchedulerSettings {
    /// What this node is called in the rows of its runs.
    pub node: String,
    /// Its region.
    pub region: String,
    /// How long it may be silent before its runs are tried again.
    pub lease: Duration,
    /// How long runs that are over are kept.
    pub runs_days: i32,
    /// Runs in flight here: of all projects, and of one.
    pub places: (usize, usize),
}

/// Looks for due tasks and fires them.
pub struct Scheduler<F> {
    registry: Arc<Registry>,
    fire: Arc<F>,
    settings: SchedulerSettings,
    running: Running,
    tasks: JoinSet<()>,
    ended: Arc<Notify>,
    forgot: Option<tokio::time::Instant>,
}

impl<F: Fire> Scheduler<F> {
    /// A scheduler that has not started yet.
    pub fn new(registry: Arc<Registry>, fire: Arc<F>, settings: SchedulerSettings) -> Self {
        Self {
            registry,
            fire,
            settings,
            running: Running::default(),
            tasks: JoinSet::new(),
            ended: Arc::default(),
            forgot: None,
        }
    }

    /// Works until `stop`, then lets the runs in flight end. The caller bounds how long it waits:
    /// runs that are cut off then are tried again when their lease ends.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            let looked = outage.note(self.look().await, "cron");
            let pause = looked.unwrap_or(LOOK_INTERVAL);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.ended.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Enqueues all that is due and starts what there is room for; answers how long nothing will be.
    async fn look(&mut self) -> Result<Duration, RegistryError> {
        // What has ended is kept until it is asked for.
        while self.tasks.try_join_next().is_some() {}
        self.tidy().await?;
        loop {
            let seen = enqueue::enqueue(&self.registry, enqueue::BATCH_MAX).await?;
            self.start().await?;
            if seen < enqueue::BATCH_MAX {
                break;
            }
        }
        let mut conn = self.registry.acquire().await?;
        let until = runs::until_due(&mut conn).await?.unwrap_or(i64::MAX);
        let until = Duration::from_millis(until.try_into().unwrap_or(0));
        Ok(match self.registry.turn(LOOK_INTERVAL) {
            LOOK_INTERVAL => until.min(LOOK_INTERVAL),
            // Of many nodes each looks at a time of its own: not all of them when something is due.
            turn => turn.mul_f64(rand::random::<f64>() + 0.5),
        })
    }

    /// Runs whose node went silent, and runs that nobody needs any more.
    async fn tidy(&mut self) -> Result<(), RegistryError> {
        let mut conn = self.registry.acquire().await?;
        let lost = leases::expire(&mut conn, fire::LEASE_LOST).await?;
        if lost > 0 {
            tracing::warn!(lost, "runs ended without a word from their node");
        }
        if self.forgot.is_none_or(|at| at.elapsed() > FORGET_INTERVAL) {
            let days = self.settings.runs_days;
            let forgotten = leases::forget(&mut conn, days, FORGOTTEN_AT_ONCE).await?;
            // Where there is more, it goes on with the next look.
            let all = i64::try_from(forgotten).unwrap_or(i64::MAX) < FORGOTTEN_AT_ONCE;
            self.forgot = all.then(tokio::time::Instant::now);
        }
        Ok(())
    }

    /// Starts what waits, as far as there is room.
    async fn start(&mut self) -> Result<(), RegistryError> {
        let (projects, running) = self.running.per_project();
        let (all, per_project) = self.settings.places;
        let free = all.saturating_sub(self.running.count());
        if free == 0 {
            return Ok(());
        }
        let lease = self.settings.lease;
        let room = Room {
            node: &self.settings.node,
            region: &self.settings.region,
            lease_s: lease.as_secs_f64(),
            runs: free.try_into().unwrap_or(i64::MAX),
            per_project: per_project.try_into().unwrap_or(i64::MAX),
            projects: &projects,
            running: &running,
        };
        let mut conn = self.registry.acquire().await?;
        let started = match leases::start(&mut conn, room).await {
            Ok(started) => started,
            // Another node was faster with a run of the same task. The next look sees it.
            Err(RegistryError::Conflict { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        drop(conn);
        for run in started {
            let place = self.running.enter(run.project_id);
            let (registry, fire) = (self.registry.clone(), self.fire.clone());
            let ended = Arc::clone(&self.ended);
            self.tasks.spawn(async move {
                fire::run(&registry, fire.as_ref(), run, lease).await;
                drop(place);
                ended.notify_one();
            });
        }
        Ok(())
    }
}
