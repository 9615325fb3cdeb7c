//! Events for whoever has subscribed to them over HTTP.
//!
//! ```no_run
//! # use koyalite::{Result, webhooks};
//! # async fn example() -> Result<()> {
//! let id = webhooks::event("order.paid")
//!     .payload(&serde_json::json!({ "order": 17, "total": "12.50" }))?
//!     .idempotency_key("order-17-paid")
//!     .emit()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! To emit an event writes a row; the host sends it after that, signed, and tries again until it
//! arrives. Policies on `koyalite_webhooks` say who may emit what; without one, nobody may.
//!
//! With [`emit_in`](Event::emit_in) the event belongs to a transaction: it is sent if that is
//! committed, and never otherwise.

use serde::Serialize;

use crate::bindings::imports::koyalite::host::webhooks as host;
use crate::tables::{Error, Transaction};

/// An event of that type, with nothing in it yet.
pub fn event(event_type: impl Into<String>) -> Event {
    Event(host::Event {
        event_type: event_type.into(),
        payload: "{}".to_owned(),
        idempotency_key: None,
    })
}

/// An event to be emitted.
#[derive(Clone, Debug)]
#[must_use = "it is not emitted yet"]
pub struct Event(host::Event);

impl Event {
    /// What receivers find under `data`.
    ///
    /// # Errors
    /// Where it has no form in JSON.
    pub fn payload(mut self, payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.0.payload = serde_json::to_string(payload)?;
        Ok(self)
    }

    /// What makes it one event however often it is emitted, within the project.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.0.idempotency_key = Some(key.into());
        self
    }

    /// Emits it; answers its id. It outlives a crash from then on.
    ///
    /// # Errors
    /// Denied by policies; `idempotency_conflict` for a key that is another event's; `quota`.
    pub async fn emit(self) -> Result<String, Error> {
        Ok(host::emit(self.0).await?)
    }

    /// The same inside of a transaction, which an error ends.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_in(self, transaction: &Transaction) -> Result<String, Error> {
        Ok(host::emit_in(transaction.handle(), self.0).await?)
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What happened.
    pub event_type: String,
    /// Endpoints that it is still to be delivered to.
    pub pending: u32,
    /// Endpoints that have taken it.
    pub delivered: u32,
    /// Endpoints that it was given up for.
    pub dead: u32,
}

/// What became of an event that the caller may select.
///
/// # Errors
/// `unknown_event` where there is none.
pub async fn status(id: &str) -> Result<Status, Error> {
    let status = host::status(id.to_owned()).await?;
    Ok(Status {
        event_type: status.event_type,
        pending: status.pending,
        delivered: status.delivered,
        dead: status.dead,
    })
}
