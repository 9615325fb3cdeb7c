//! Who may run now, who waits, and who is told to come back.
//!
//! Three bounds: of one function and of one project, so that neither can take the node, and of the
//! node, so that the engine has a slot for whoever is let in. Who finds no place waits in a short queue
//! with a deadline: a burst is served late rather than refused, and an overload is refused while the
//! caller still waits. Places that come free go round by project and then by function (`places`).

mod places;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

use self::places::{Places, Waiter};
use super::error::DispatchError;

/// Bounds of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Invocations of one function at once.
    pub per_function: usize,
    /// Invocations of one project at once: two thirds of the node, so that no single project can
    /// take all of it.
    pub per_project: usize,
    /// Invocations of this node at once. Below the engine's instance slots, so that an admitted
    /// call finds one.
    pub per_node: usize,
    /// Calls that may wait per function.
    pub waiting: usize,
    /// How long one waits.
    pub patience: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            per_function: 100,
            per_project: 160,
            per_node: 240,
            // At a millisecond each, a full queue is served in a fraction of the patience.
            waiting: 1000,
            patience: Duration::from_secs(5),
        }
    }
}

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) project: Uuid,
    pub(super) function: Uuid,
    /// How many calls of the function its manifest wants at most.
    pub(super) at_once: usize,
}

/// Who runs on this node.
#[derive(Clone)]
pub(super) struct Admission {
    limits: AdmissionLimits,
    places: Arc<Mutex<Places>>,
}

/// A place among the running; given back when dropped, to whoever is next.
pub(super) struct Permit {
    admission: Admission,
    whose: Whose,
}

impl Admission {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            places: Arc::new(Mutex::new(Places::new(limits))),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one invocation, now or within the patience.
    pub(super) async fn enter(&self, whose: Whose) -> Result<Permit, DispatchError> {
        let (place, given) = {
            let mut places = self.lock();
            if places.take(whose) {
                return Ok(self.permit(whose));
            }
            let (waiter, given) = oneshot::channel();
            let ticket = places
                .wait(whose, waiter)
                .ok_or(DispatchError::Overloaded)?;
            (ticket, given)
        };
        // Takes itself out of the queue when the caller has gone.
        let _line = Line {
            admission: self,
            whose,
            ticket: place,
        };
        match tokio::time::timeout(self.limits.patience, given).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(DispatchError::Overloaded),
        }
    }

    fn permit(&self, whose: Whose) -> Permit {
        Permit {
            admission: self.clone(),
            whose,
        }
    }

    /// How many run, and how many wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let places = self.lock();
        (places.running(), places.waiting())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next: Option<(Whose, Waiter)> = self.admission.lock().give_back(self.whose);
        if let Some((whose, waiter)) = next {
            // Where nobody waits there any more, the permit comes back at once and goes on to the next.
            drop(waiter.send(self.admission.permit(whose)));
        }
    }
}

/// A place in the queue.
struct Line<'a> {
    admission: &'a Admission,
    whose: Whose,
    ticket: u64,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let left = self.admission.lock().leave(self.whose, self.ticket);
        // Outside the lock: with the line goes what was given to nobody.
        drop(left);
    }
}

#[cfg(test)]
mod tests;
