//! What all projects of a node share: the cap on open connections, and the queue for a turn.
//!
//! Two counts, so that neither a busy nor an idle project can shut others out. A *turn* is the
//! right to run a statement, handed out first come, first served. A *slot* is an open connection;
//! a project that has a turn but no connection takes the slot of one that idles elsewhere. Whoever
//! holds a turn therefore always gets a slot: at most `node_connections - 1` others are working.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Config;
use uuid::Uuid;

use super::homes::Homes;
use super::pool::{NodeLimits, ProjectPool};
use super::tls::Tls;

/// How long to wait for a slot before looking again for an idle connection to close: one may have
/// come back to its pool after the last look.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Node {
    pub(crate) base: Config,
    pub(crate) tls: Tls,
    pub(crate) limits: NodeLimits,
    pub(super) homes: Homes,
    pub(crate) turns: Arc<Semaphore>,
    /// Half of the turns; see [`ProjectPool`].
    pub(crate) transactions: Arc<Semaphore>,
    pub(crate) projects: DashMap<Uuid, Arc<ProjectPool>>,
    slots: Arc<Semaphore>,
    statements: AtomicU64,
    decided_without_database: AtomicU64,
}

impl Node {
    pub(crate) fn new(base: Config, tls: Tls, limits: NodeLimits, homes: Homes) -> Node {
        Node {
            base,
            tls,
            turns: Arc::new(Semaphore::new(limits.node_connections)),
            transactions: Arc::new(Semaphore::new(limits.node_connections.div_ceil(2))),
            slots: Arc::new(Semaphore::new(limits.node_connections)),
            limits,
            homes,
            projects: DashMap::new(),
            statements: AtomicU64::new(0),
            decided_without_database: AtomicU64::new(0),
        }
    }

    /// A slot for one more connection. Waits as long as it must: the caller holds a turn and has
    /// the deadline. `None` only when the node is gone.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Some(slot);
            }
            self.close_longest_idle();
            let freed = Arc::clone(&self.slots).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(LOOK_AGAIN, freed).await {
                return slot.ok();
            }
        }
    }

    /// Closes the idle connections of every project that were last used longer ago than the limit.
    pub(crate) fn close_idle(&self) {
        for project in &self.projects {
            project
                .connections
                .retain(|_, metrics| metrics.last_used() < self.limits.idle);
        }
    }

    fn close_longest_idle(&self) {
        let mut longest: Option<(Duration, Arc<ProjectPool>)> = None;
        for project in &self.projects {
            let mut idle = None;
            project.connections.retain(|_, metrics| {
                idle = idle.max(Some(metrics.last_used()));
                true
            });
            if let Some(idle) = idle
                && longest.as_ref().is_none_or(|(other, _)| *other < idle)
            {
                longest = Some((idle, Arc::clone(&project)));
            }
        }
        if let Some((idle, project)) = longest {
            let mut closed = false;
            project.connections.retain(|_, metrics| {
                let keep = closed || metrics.last_used() < idle;
                closed |= !keep;
                keep
            });
        }
    }

    pub(crate) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_decided_without_database(&self) {
        self.decided_without_database
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub(crate) fn decided_without_database(&self) -> u64 {
        self.decided_without_database.load(Ordering::Relaxed)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.limits
            .node_connections
            .saturating_sub(self.slots.available_permits())
    }
}
