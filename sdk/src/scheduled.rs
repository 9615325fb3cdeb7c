//! A firing of one of the function's schedules.

use crate::bindings::scheduled::exports::koyalite::host::scheduled::Event;

/// One firing of a schedule.
///
/// The pair of `task` and `scheduled_for` is unique: a firing that is tried again has the same, so
/// use it as the key of whatever must happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledEvent {
    /// The name of the schedule in the manifest.
    pub task: String,
    /// When the firing was due, as RFC 3339 in UTC.
    pub scheduled_for: String,
    /// 1 for the first try.
    pub attempt: u32,
}

impl ScheduledEvent {
    pub(crate) fn new(event: Event) -> Self {
        let Event {
            task,
            scheduled_for,
            attempt,
        } = event;
        Self {
            task,
            scheduled_for,
            attempt,
        }
    }
}
