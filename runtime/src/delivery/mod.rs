//! Deliveries: takes what is due out of the outbox, sends it, and records how it went.
//!
//! Any number of nodes may deliver from one database. A delivery is claimed with a lease and a fence in a
//! transaction of its own; only then is the network talked to. A node that dies leaves its deliveries
//! to be claimed again when their lease ends: at least once, never at most.
//!
//! Whatever leaves here leaves through `egress`. One endpoint has a few deliveries at work at a time, and
//! a single one while it fails, so a slow one delays nobody else. Never here: SQL.
//!
//! `mail` does the same for messages. Reading order: `target` (where), `message` (what), `send` (how), `outcome` (what follows; pure).

pub mod mail;
mod message;
mod outcome;
mod send;
pub mod target;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::egress::connect::SystemResolver;
use crate::egress::{Egress, EgressError, Policy};
use crate::registry::webhooks::due::{self, Attempt, Bounds, Claimed, Then};
use crate::registry::{Outage, Registry, RegistryError};

pub use self::send::ANSWER_TIMEOUT;

/// The longest time between two looks. What was just emitted waits half of it on average.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Deliveries at work on one node. A hundred endpoints that hang take [`PER_ENDPOINT_MAX`] of them each
/// until they are found to; there must be room for others beside them.
const DELIVERIES_MAX: usize = 512;

/// Claimed in one statement: another node finds work too.
const BATCH_MAX: usize = 64;

/// Deliveries at work for one endpoint. Receivers are small servers more often than not.
const PER_ENDPOINT_MAX: i64 = 4;

/// How long a node may hold a delivery, in seconds: the longest attempt and the time to record it,
/// twice.
const LEASE_S: f64 = 60.0;

/// How long the end of a delivery is tried to be written while the database is away.
const FINISH_TRIES: u32 = 30;

/// How long events are kept once they are over, in days.
pub const EVENTS_KEPT_DAYS: i32 = 30;

/// How often old events are looked for.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

const LEASE_LOST: &str = "lease_lost: the node that sent it went silent; it may have arrived";

/// Delivers until it is stopped.
pub struct Deliveries {
    registry: Arc<Registry>,
    egress: Egress,
    slots: Arc<Semaphore>,
    running: JoinSet<()>,
    forget_at: Instant,
}

impl Deliveries {
    /// A worker that has not started yet.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn new(registry: Arc<Registry>, policy: Policy) -> Result<Self, EgressError> {
        Ok(Self {
            registry,
            egress: Egress::waiting(policy, Arc::new(SystemResolver), ANSWER_TIMEOUT)?,
            slots: Arc::new(Semaphore::new(DELIVERIES_MAX)),
            running: JoinSet::new(),
            forget_at: Instant::now(),
        })
    }

    /// Works until `stop`, then lets what is on its way arrive. The caller bounds how long it waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            outage.note(self.look().await, "deliveries");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    /// Sends all that is due.
    async fn look(&mut self) -> Result<(), RegistryError> {
        // What has ended is kept until it is asked for.
        while self.running.try_join_next().is_some() {}
        let mut conn = self.registry.acquire().await?;
        let lost = due::expire(&mut conn, LEASE_LOST).await?;
        if lost > 0 {
            tracing::warn!(lost, "deliveries ended without a word from their node");
        }
        if Instant::now() >= self.forget_at {
            due::forget(&mut conn, EVENTS_KEPT_DAYS).await?;
            self.forget_at = Instant::now() + FORGET_INTERVAL;
        }
        drop(conn);
        loop {
            let slots = self.free_slots();
            let bounds = Bounds {
                all: slots.len().try_into().unwrap_or(i64::MAX),
                per_endpoint: PER_ENDPOINT_MAX,
            };
            if bounds.all == 0 {
                return Ok(());
            }
            let claimed = due::claim(&self.registry, bounds, LEASE_S).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for (delivery, slot) in claimed.into_iter().zip(slots) {
                let (registry, egress) = (Arc::clone(&self.registry), self.egress.clone());
                self.running.spawn(async move {
                    deliver(&registry, &egress, delivery).await;
                    drop(slot);
                });
            }
        }
    }

    /// As many slots as are free, at most one batch of them.
    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| self.slots.clone().try_acquire_owned().ok())
            .take(BATCH_MAX)
            .collect()
    }
}

/// Sends one delivery and records how it went.
async fn deliver(registry: &Registry, egress: &Egress, delivery: Claimed) {
    let answer = send::send(egress, &delivery).await;
    let retries = u32::try_from(delivery.retries).unwrap_or(u32::MAX);
    let then = outcome::then(&answer, retries, rand::random());
    for _ in 0..FINISH_TRIES {
        match record(registry, &delivery, &answer, then).await {
            Ok(()) => return,
            Err(RegistryError::Unavailable(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(error) => {
                tracing::error!(error = error.detail(), delivery = %delivery.id, "a delivery's end is lost");
                return;
            }
        }
    }
}

async fn record(
    registry: &Registry,
    delivery: &Claimed,
    answer: &send::Answer,
    then: Then,
) -> Result<(), RegistryError> {
    let mut tx = registry.begin().await?;
    let attempt = Attempt {
        response_status: answer.status().map(i32::from),
        response_snippet: answer.snippet(),
        reason: answer.reason(),
    };
    if !due::finish(&mut tx, (delivery.id, delivery.fence), &attempt, then).await? {
        tracing::warn!(delivery = %delivery.id, "a delivery ended after its lease");
        return Ok(());
    }
    if then == Then::Delivered {
        due::close_circuit(&mut tx, delivery.endpoint).await?;
    } else if let Some(failing) = due::count_failure(&mut tx, delivery.endpoint).await? {
        match outcome::circuit(answer, failing) {
            outcome::Circuit::Stays => {}
            outcome::Circuit::Opens { for_s } => {
                due::open_circuit(&mut tx, delivery.endpoint, for_s).await?;
            }
            outcome::Circuit::Off(reason) => {
                due::disable(&mut tx, delivery.endpoint, reason).await?;
            }
        }
    }
    Ok(tx.commit().await?)
}
