//! What both workers of the outbox have in common: places for what is on its way, and when old rows go.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often old rows are looked for.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

/// What is on its way from one node.
pub(super) struct Work {
    slots: Arc<Semaphore>,
    running: JoinSet<()>,
    forget_at: Instant,
}

impl Work {
    /// Room for so many at a time.
    pub(super) fn new(places: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(places)),
            running: JoinSet::new(),
            forget_at: Instant::now(),
        }
    }

    /// Lets go of what has ended, which is kept until it is asked for.
    pub(super) fn reap(&mut self) {
        while self.running.try_join_next().is_some() {}
    }

    /// As many places as are free, at most so many.
    pub(super) fn free(&self, most: usize) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| self.slots.clone().try_acquire_owned().ok())
            .take(most)
            .collect()
    }

    /// Sends one on its way, in a place of its own.
    pub(super) fn start(
        &mut self,
        slot: OwnedSemaphorePermit,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.running.spawn(async move {
            work.await;
            drop(slot);
        });
    }

    /// Whether it is time to forget what is old.
    pub(super) fn may_forget(&self) -> bool {
        Instant::now() >= self.forget_at
    }

    /// What was old is forgotten.
    pub(super) fn forgot(&mut self) {
        self.forget_at = Instant::now() + FORGET_INTERVAL;
    }

    /// Lets what is on its way arrive.
    pub(super) async fn drain(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}
