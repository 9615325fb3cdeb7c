//! What both workers of the outbox have in common: places for what is on its way, and when old rows go.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often old rows are looked for.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

/// The shortest time between two looks, in which more than one thing may end.
const REST: Duration = Duration::from_millis(10);

/// What is on its way from one node.
pub(super) struct Work {
    slots: Arc<Semaphore>,
    running: JoinSet<()>,
    ended: Arc<Notify>,
    forget_at: Instant,
}

impl Work {
    /// Room for so many at a time.
    pub(super) fn new(places: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(places)),
            running: JoinSet::new(),
            ended: Arc::default(),
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
        let ended = Arc::clone(&self.ended);
        self.running.spawn(async move {
            work.await;
            drop(slot);
            ended.notify_one();
        });
    }

    /// Waits until there may be more to do: something has ended and made room, or so much time has gone.
    pub(super) async fn rest(&self, longest: Duration) {
        tokio::time::sleep(REST).await;
        // Late is as good.
        let _ = tokio::time::timeout(longest, self.ended.notified()).await;
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
