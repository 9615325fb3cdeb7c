//! Deliveries: takes what is due out of the outbox, sends it, and records how it went.
//!
//! Any number of nodes may deliver from one database. A delivery is claimed with a lease and a fence in a
//! transaction of its own; only then is the network talked to. A node that dies leaves its deliveries
//! to be claimed again when their lease ends: at least once, never at most.
//!
//! Whatever leaves here leaves through `egress`. One endpoint has a few deliveries at work at a time, and
//! a single one while it fails, so a slow one delays nobody else. Never here: SQL.
//!
//! `mail` does the same for messages, and `work` is what both have in common. Reading order: `target`
//! (where), `message` (what), `send` (how), `outcome` (what follows; pure).

pub mod mail;
mod message;
mod outcome;
mod send;
pub mod target;
mod work;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::work::Work;
use crate::egress::connect::SystemResolver;
use crate::egress::{Egress, EgressError, Policy};
use crate::registry::outage::outlast;
use crate::registry::webhooks::disable::disable;
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
const FINISH_TRIES: u64 = 30;

/// How long events are kept once they are over, in days.
pub const EVENTS_KEPT_DAYS: i32 = 30;

/// Events that are deleted at once; a look is not held up by more.
const FORGOTTEN_AT_ONCE: i64 = 1000;

const LEASE_LOST: &str = "lease_lost: the node that sent it went silent; it may have arrived";

/// Delivers until it is stopped.
pub struct Deliveries {
    registry: Arc<Registry>,
    egress: Egress,
    work: Work,
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
            work: Work::new(DELIVERIES_MAX),
        })
    }

    /// Works until `stop`, then lets what is on its way arrive. The caller bounds how long it waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            outage.note(self.look().await, "deliveries");
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.work.rest(self.registry.turn(LOOK_INTERVAL)) => {}
            }
        }
        self.work.drain().await;
    }

    /// Sends all that is due.
    async fn look(&mut self) -> Result<(), RegistryError> {
        self.work.reap();
        let mut conn = self.registry.acquire().await?;
        let lost = due::expire(&mut conn, LEASE_LOST).await?;
        if lost > 0 {
            tracing::warn!(lost, "deliveries ended without a word from their node");
        }
        if self.work.may_forget() {
            due::forget(&mut conn, EVENTS_KEPT_DAYS, FORGOTTEN_AT_ONCE).await?;
            self.work.forgot();
        }
        drop(conn);
        loop {
            let slots = self.work.free(BATCH_MAX);
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
                self.work.start(slot, async move {
                    deliver(&registry, &egress, delivery).await;
                });
            }
        }
    }
}

/// Sends one delivery and records how it went.
async fn deliver(registry: &Registry, egress: &Egress, delivery: Claimed) {
    let answer = send::send(egress, &delivery).await;
    let retries = u32::try_from(delivery.retries).unwrap_or(u32::MAX);
    let then = outcome::then(&answer, retries, rand::random());
    let tried = outlast(FINISH_TRIES, || record(registry, &delivery, &answer, then));
    let switched = match tried.await {
        Ok(None) => return,
        // A change of its own, for it reaches into the project's tables.
        Ok(Some(reason)) => {
            let off = || disable(registry, delivery.endpoint, reason);
            outlast(FINISH_TRIES, off).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = switched {
        tracing::error!(error = error.detail(), delivery = %delivery.id, "a delivery's end is lost");
    }
}

/// Writes it down; answers why the endpoint is to be switched off, if it is.
async fn record(
    registry: &Registry,
    delivery: &Claimed,
    answer: &send::Answer,
    then: Then,
) -> Result<Option<&'static str>, RegistryError> {
    let mut off = None;
    let mut tx = registry.begin().await?;
    let attempt = Attempt {
        response_status: answer.status().map(i32::from),
        response_snippet: answer.snippet(),
        reason: answer.reason(),
    };
    if !due::finish(&mut tx, (delivery.id, delivery.fence), &attempt, then).await? {
        tracing::warn!(delivery = %delivery.id, "a delivery ended after its lease");
        return Ok(None);
    }
    if then == Then::Delivered {
        due::close_circuit(&mut tx, delivery.endpoint).await?;
    } else if let Some(failing) = due::count_failure(&mut tx, delivery.endpoint).await? {
        match outcome::circuit(answer, failing) {
            outcome::Circuit::Stays => {}
            outcome::Circuit::Opens { for_s } => {
                due::open_circuit(&mut tx, delivery.endpoint, for_s).await?;
            }
            outcome::Circuit::Off(reason) => off = Some(reason),
        }
    }
    tx.commit().await?;
    Ok(off)
}
