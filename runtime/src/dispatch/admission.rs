//! Who may run now, who waits, and who is told to come back.
//!
//! Two bounds: of one function, so that it cannot take the node, and of the node, so that the engine
//! always has a slot for whoever is let in. Who finds no place waits in a short queue with a deadline:
//! a burst is served late rather than refused, and an overload is refused while the caller still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::error::DispatchError;

/// Bounds of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Invocations of one function at once.
    pub per_function: usize,
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
            per_node: 240,
            // At a millisecond each, a full queue is served in a fraction of the patience.
            waiting: 1000,
            patience: Duration::from_secs(5),
        }
    }
}

/// A place among the running; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _function: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

/// Who runs on this node.
pub(super) struct Admission {
    limits: AdmissionLimits,
    node: Arc<Semaphore>,
    functions: DashMap<Uuid, Arc<Gate>>,
}

struct Gate {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Admission {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            node: Arc::new(Semaphore::new(limits.per_node)),
            functions: DashMap::new(),
        }
    }

    /// A place for one invocation of this function, now or within the patience.
    pub(super) async fn enter(&self, function: Uuid) -> Result<Permit, DispatchError> {
        let gate = self.gate(function);
        if let Some(permit) = self.at_once(&gate) {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&gate.waiting, self.limits.waiting)?;
        let both = async {
            // The function's place first: waiting for it must not hold a place of the node's.
            let function = Arc::clone(&gate.places).acquire_owned().await.ok()?;
            let node = Arc::clone(&self.node).acquire_owned().await.ok()?;
            Some(Permit {
                _function: function,
                _node: node,
            })
        };
        match tokio::time::timeout(self.limits.patience, both).await {
            Ok(Some(permit)) => Ok(permit),
            Ok(None) | Err(_) => Err(DispatchError::Overloaded),
        }
    }

    fn at_once(&self, gate: &Gate) -> Option<Permit> {
        let function = Arc::clone(&gate.places).try_acquire_owned().ok()?;
        let node = Arc::clone(&self.node).try_acquire_owned().ok()?;
        Some(Permit {
            _function: function,
            _node: node,
        })
    }

    fn gate(&self, function: Uuid) -> Arc<Gate> {
        if let Some(gate) = self.functions.get(&function) {
            return Arc::clone(&gate);
        }
        let gate = self.functions.entry(function).or_insert_with(|| {
            let places = Arc::new(Semaphore::new(self.limits.per_function));
            Arc::new(Gate {
                places,
                waiting: AtomicUsize::new(0),
            })
        });
        Arc::clone(&gate)
    }
}

/// One place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Result<Self, DispatchError> {
        let waiting = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            return Err(DispatchError::Overloaded);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(patience: Duration) -> Admission {
        Admission::new(AdmissionLimits {
            per_function: 2,
            per_node: 3,
            waiting: 1,
            patience,
        })
    }

    #[tokio::test]
    async fn a_function_cannot_take_the_whole_node() {
        let admission = admission(Duration::from_millis(10));
        let (busy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let _first = admission.enter(busy).await.unwrap();
        let _second = admission.enter(busy).await.unwrap();
        assert!(matches!(
            admission.enter(busy).await,
            Err(DispatchError::Overloaded)
        ));
        assert!(admission.enter(other).await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_served_when_a_place_is_given_back() {
        let admission = Arc::new(admission(Duration::from_secs(60)));
        let function = Uuid::from_u128(1);
        let first = admission.enter(function).await.unwrap();
        let _second = admission.enter(function).await.unwrap();
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter(function).await.is_ok() }
        });
        while admission.gate(function).waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        // The queue holds one; the next one hears at once that it is full.
        assert!(matches!(
            admission.enter(function).await,
            Err(DispatchError::Overloaded)
        ));
        drop(first);
        assert!(waiting.await.unwrap());
        assert_eq!(admission.gate(function).waiting.load(Ordering::Relaxed), 0);
    }
}
