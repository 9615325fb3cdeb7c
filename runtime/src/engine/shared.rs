//! Shared instances: which worker takes a call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::job::Job;
use super::limits::SHARED_CONCURRENCY;

/// The live workers of one version.
#[derive(Default)]
pub(super) struct SharedPool(Mutex<Vec<Handle>>);

struct Handle {
    queue: mpsc::Sender<Job>,
    busy: Arc<AtomicUsize>,
}

/// Counts a call in while it lives.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of a job that was offered to the pool.
#[expect(
    clippy::large_enum_variant,
    reason = "one value at a time, never stored"
)]
pub(super) enum Offer {
    Taken(Busy),
    /// No worker has room: start one, with this queue for the calls that follow.
    Start {
        job: Job,
        queue: mpsc::Receiver<Job>,
        busy: Busy,
    },
}

impl SharedPool {
    /// Gives the job to the least busy worker with room.
    pub(super) fn offer(&self, mut job: Job) -> Offer {
        let mut workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| !worker.queue.is_closed());
        workers.sort_by_key(|worker| worker.busy.load(Ordering::Relaxed));
        for worker in workers.iter() {
            if worker.busy.load(Ordering::Relaxed) >= SHARED_CONCURRENCY {
                break;
            }
            match worker.queue.try_send(job) {
                Ok(()) => return Offer::Taken(Busy::enter(&worker.busy)),
                // It ended or filled up between the look and the offer.
                Err(error) => job = error.into_inner(),
            }
        }
        let (sender, queue) = mpsc::channel(SHARED_CONCURRENCY);
        let count = Arc::default();
        let busy = Busy::enter(&count);
        workers.push(Handle {
            queue: sender,
            busy: count,
        });
        Offer::Start { job, queue, busy }
    }
}

impl SharedPool {
    /// Whether an instance has nothing to do.
    pub(super) fn has_idle(&self) -> bool {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().any(Handle::is_idle)
    }

    /// Ends one that has nothing to do: nobody can send to it any more.
    pub(super) fn let_idle_go(&self) {
        let mut workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(idle) = workers.iter().position(Handle::is_idle) {
            workers.swap_remove(idle);
        }
    }
}

impl Handle {
    fn is_idle(&self) -> bool {
        !self.queue.is_closed() && self.busy.load(Ordering::Relaxed) == 0
    }
}

impl Busy {
    fn enter(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}
