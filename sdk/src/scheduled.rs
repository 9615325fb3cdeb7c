//! A firing of one of the function's schedules.

use crate::bindings::scheduled::exports::koyalite::host::scheduled::Event;
use crate::identity::{self, Role};
use crate::{Error, Request, Result};

/// One firing of a schedule.
///
/// A firing may be tried more than once: where an attempt fails, or its node goes silent. Every attempt
/// has the same [`idempotency_key`](Self::idempotency_key), so use it for whatever must happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledEvent {
    /// The name of the schedule.
    pub task: String,
    /// When the firing was due, as RFC 3339 in UTC.
    pub scheduled_for: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The id of the schedule.
    pub task_id: String,
    /// How many earlier firings did not run, where this one makes up for them.
    pub missed_count: u32,
    /// The same for every attempt of this firing, and for no other firing.
    pub idempotency_key: String,
}

impl ScheduledEvent {
    /// The firing that this request is, for a function that is scheduled by a path instead of by the
    /// `scheduled` export.
    ///
    /// The host runs a firing as the function's own service identity, which no caller from outside can
    /// have, and takes `koyalite-*` headers away from everybody else; this looks at both.
    ///
    /// ```no_run
    /// # use koyalite::{Request, Response, Result, ScheduledEvent, log};
    /// async fn handle(request: Request) -> Result<Response> {
    ///     let event = ScheduledEvent::from_request(&request)?;
    ///     log::info!("{} was due at {}", event.task, event.scheduled_for);
    ///     Ok(Response::status(204))
    /// }
    /// ```
    ///
    /// # Errors
    /// 403 where somebody else calls.
    pub fn from_request(request: &Request) -> Result<Self> {
        let refused = || Error::forbidden("only the host's own scheduler may call this");
        if identity::current().role != Role::ServiceRole {
            return Err(refused());
        }
        let text = |name: &str| request.header(name).map(str::to_owned).ok_or_else(refused);
        let number = |name: &str| text(name)?.parse().map_err(|_| refused());
        Ok(Self {
            task: text("koyalite-task")?,
            scheduled_for: text("koyalite-scheduled-for")?,
            attempt: number("koyalite-attempt")?,
            task_id: text("koyalite-task-id")?,
            missed_count: number("koyalite-missed-count")?,
            idempotency_key: text("koyalite-idempotency-key")?,
        })
    }

    pub(crate) fn new(event: Event) -> Self {
        let Event {
            task,
            scheduled_for,
            attempt,
            task_id,
            missed_count,
            idempotency_key,
        } = event;
        Self {
            task,
            scheduled_for,
            attempt,
            task_id,
            missed_count,
            idempotency_key,
        }
    }
}
