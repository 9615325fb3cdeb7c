//! Between the scheduler and the door to the engine, which know nothing of each other.

use std::sync::Arc;

use crate::dispatch::{Dispatcher, ScheduledCall, Selected};
use crate::scheduler::{Fire, FireError, Firing};

/// Fires through the dispatcher.
pub(super) struct Firings(pub(super) Arc<Dispatcher>);

impl Fire for Firings {
    async fn fire(&self, firing: Firing) -> Result<(), FireError> {
        let Firing { project, function, version, task, path: _, scheduled_for, attempt, run_id } =
            firing;
        let selected = Selected { project, function, version };
        let call = ScheduledCall { selected, task, scheduled_for, attempt, run_id };
        self.0.scheduled(call).await.map_err(|error| FireError {
            code: error.code().to_owned(),
            message: error.to_string(),
        })
    }
}
