//! A firing of one of the function's schedules.

use crate::bindings::scheduled::exports::koyalite::host::scheduled::Event;

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
