//! Mail: takes messages that are due out of the outbox, hands them to a mail server, records how it went.
//!
//! As with webhooks, a message is claimed with a lease and a fence before anybody is talked to. Unlike
//! there, nobody can tell a message that comes twice: one that was cut off in its content is marked and
//! not sent again by itself. `dev` keeps messages in a local mailbox in place of sending them.
//!
//! The mail server is the operator's, not a tenant's, so it is dialled as configured and not through
//! `egress`. Reading order: `server` (which), `compose` (what), `smtp` (how), `outcome` (what follows;
//! pure); `bounce` reads what comes back later.

mod attached;
pub mod bounce;
mod compose;
mod outcome;
pub mod server;
pub mod smtp;

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use self::attached::{Attachments, Missing};
use self::outcome::Outcome;
use self::smtp::Pool;
use super::work::Work;
use crate::registry::mail::due::{self, Claimed, Then};
use crate::registry::outage::outlast;
use crate::registry::{Outage, Registry, RegistryError};

/// The longest time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Messages at work on one node, each on a connection of its own: what mail servers let one client have.
const MESSAGES_MAX: usize = 8;

/// How long a node may hold a message, in seconds: every step of an attempt at its longest, and more.
const LEASE_S: f64 = 180.0;

/// How long the end of a message is tried to be written while the database is away.
const FINISH_TRIES: u64 = 60;

/// How long the log of messages is kept, in days.
pub const MESSAGES_KEPT_DAYS: i32 = 90;

const LEASE_LOST: &str =
    "the node that sent it went silent; if it was marked failed, it may have arrived";
const NO_SERVER: &str = "no mail server is configured (smtp_url); send it again once there is one";

/// Where messages go.
#[derive(Debug, Clone)]
pub enum Exit {
    /// To the world.
    Server(Arc<Pool>),
    /// Nowhere: they can be read here.
    Mailbox,
    /// Nowhere, and that is a failure.
    Closed,
}

/// Sends mail until it is stopped.
pub struct Mails {
    registry: Arc<Registry>,
    exit: Exit,
    attachments: Attachments,
    work: Work,
}

impl Mails {
    /// A worker that has not started yet. What messages carry lies in that store.
    #[must_use]
    pub fn new(registry: Arc<Registry>, exit: Exit, objects: Arc<dyn ObjectStore>) -> Self {
        Self {
            registry,
            exit,
            attachments: Attachments::new(objects),
            work: Work::new(MESSAGES_MAX),
        }
    }

    /// Works until `stop`, then lets what is on its way arrive. The caller bounds how long it waits.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            outage.note(self.look().await, "mail");
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.work.rest(self.registry.turn(LOOK_INTERVAL)) => {}
            }
        }
        self.work.drain().await;
    }

    async fn look(&mut self) -> Result<(), RegistryError> {
        self.work.reap();
        let mut conn = self.registry.acquire().await?;
        let lost = due::expire(&mut conn, LEASE_LOST).await?;
        if lost > 0 {
            tracing::warn!(lost, "messages ended without a word from their node");
        }
        if self.work.may_forget() {
            due::forget(&mut conn, MESSAGES_KEPT_DAYS).await?;
            self.work.forgot();
        }
        loop {
            let slots = self.work.free(MESSAGES_MAX);
            let wanted = i64::try_from(slots.len()).unwrap_or(i64::MAX);
            if wanted == 0 {
                return Ok(());
            }
            let claimed = due::claim(&mut conn, wanted, LEASE_S).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            for (message, slot) in claimed.into_iter().zip(slots) {
                let (registry, exit) = (Arc::clone(&self.registry), self.exit.clone());
                let attachments = self.attachments.clone();
                self.work.start(slot, async move {
                    deliver(&registry, (&exit, &attachments), &message).await;
                });
            }
        }
    }
}

/// Sends one message and records how it went.
async fn deliver(
    registry: &Registry,
    (exit, attachments): (&Exit, &Attachments),
    message: &Claimed,
) {
    let outcome = match exit {
        Exit::Mailbox => Outcome::of(Then::Caught),
        Exit::Closed => Outcome::failed(NO_SERVER),
        Exit::Server(pool) => hand_over(registry, (pool, attachments), message).await,
    };
    let tried = outlast(FINISH_TRIES, || record(registry, message, &outcome));
    if let Err(error) = tried.await {
        tracing::error!(error = error.detail(), message = %message.id, "a message's end is lost");
    }
}

/// Hands a message to the mail server, with what it carries.
async fn hand_over(
    registry: &Registry,
    (pool, attachments): (&Pool, &Attachments),
    message: &Claimed,
) -> Outcome {
    let attempts = u32::try_from(message.attempts).unwrap_or(u32::MAX);
    let carried = match attachments.read(&message.attachments).await {
        Ok(carried) => carried,
        Err(Missing::Forever(reason)) => return Outcome::failed(&reason),
        Err(Missing::ForNow(reason)) => return Outcome::later(attempts, reason, rand::random()),
    };
    match compose::compose(message, &carried.files, &registry.ring()) {
        Err(error) => Outcome::failed(&error),
        Ok(composed) => {
            let begin = async || begin(registry, message).await;
            let answer = pool.send(&composed, begin).await;
            outcome::outcome(answer, attempts, rand::random())
        }
    }
}

/// Whether the content may be sent: it is noted first that it was.
async fn begin(registry: &Registry, message: &Claimed) -> bool {
    let noted = async {
        let mut conn = registry.acquire().await?;
        due::begin_content(&mut conn, (message.id, message.fence)).await
    };
    noted.await.unwrap_or(false)
}

async fn record(
    registry: &Registry,
    message: &Claimed,
    outcome: &Outcome,
) -> Result<(), RegistryError> {
    let mut tx = registry.begin().await?;
    let said = (outcome.smtp_status, outcome.reason.as_deref());
    if !due::finish(&mut tx, (message.id, message.fence), &outcome.then, said).await? {
        tracing::warn!(message = %message.id, "a message ended after its lease");
    }
    Ok(tx.commit().await?)
}
