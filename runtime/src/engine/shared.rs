//! Shared instances: which worker takes a call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::job::Job;
use super::limits::SHARED_CONCURRENCY;

/// Answers in a row after which an instance may have twice as many calls at once again.
const GOOD_ANSWERS: usize = 100;

/// The live workers of one version.
pub(super) struct SharedPool {
    workers: Mutex<Vec<Handle>>,
    /// Calls that one instance gets at once: all that it may, until one of them ends an instance;
    /// then one, so that the next such end is of nobody else's call, and more again as it behaves.
    at_once: AtomicUsize,
    good: AtomicUsize,
}

impl Default for SharedPool {
    fn default() -> Self {
        Self {
            workers: Mutex::default(),
            at_once: AtomicUsize::new(SHARED_CONCURRENCY),
            good: AtomicUsize::new(0),
        }
    }
}

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
        let at_once = self.at_once.load(Ordering::Relaxed);
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| !worker.queue.is_closed());
        workers.sort_by_key(|worker| worker.busy.load(Ordering::Relaxed));
        for worker in workers.iter() {
            if worker.busy.load(Ordering::Relaxed) >= at_once {
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

    /// A call was answered.
    pub(super) fn behaved(&self) {
        let at_once = self.at_once.load(Ordering::Relaxed);
        if at_once < SHARED_CONCURRENCY && self.good.fetch_add(1, Ordering::Relaxed) >= GOOD_ANSWERS
        {
            self.good.store(0, Ordering::Relaxed);
            let more = (at_once * 2).min(SHARED_CONCURRENCY);
            self.at_once.store(more, Ordering::Relaxed);
        }
    }

    /// A call ended with its instance.
    pub(super) fn misbehaved(&self) {
        self.good.store(0, Ordering::Relaxed);
        self.at_once.store(1, Ordering::Relaxed);
    }

    /// Whether an instance has nothing to do.
    pub(super) fn has_idle(&self) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().any(Handle::is_idle)
    }

    /// Ends one that has nothing to do: nobody can send to it any more.
    pub(super) fn let_idle_go(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ended_an_instance_gets_more_calls_at_once_only_as_it_behaves() {
        let pool = SharedPool::default();
        let at_once = || pool.at_once.load(Ordering::Relaxed);
        pool.behaved();
        assert_eq!(at_once(), SHARED_CONCURRENCY);
        pool.misbehaved();
        assert_eq!(at_once(), 1);
        let mut steps = vec![1];
        while at_once() < SHARED_CONCURRENCY {
            for _ in 0..=GOOD_ANSWERS {
                pool.behaved();
            }
            steps.push(at_once());
        }
        assert_eq!(steps, [1, 2, 4, 8, 16]);
    }
}
