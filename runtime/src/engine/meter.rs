//! Polls a store and watches what that costs: CPU by the thread's clock around each poll, wall time
//! by a timer outside the store's own event loop, which a busy guest can stall.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use koyalite_host_api::Usage;
use tokio::time::Sleep;

use super::bills::Bills;
use super::cpu::{CpuGate, Turn};
use super::error::InvokeError;
use super::limits::Breach;

/// What the worker's inside (the calls) tells its outside (the meter). One task owns both, so the
/// lock is never contended; it is there because the compiler cannot know that.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// CPU used since the instance was last idle.
    cpu: Duration,
    /// When the next of the outstanding calls runs out of time, and the limit that it would reach.
    deadlines: Vec<Deadline>,
    next_id: u64,
    /// Who pays for it.
    bills: Bills,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    id: u64,
    at: Instant,
    limit: Duration,
}

/// Names a deadline that was set, for taking it back.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineId(u64);

/// Names a call that pays.
#[derive(Clone, Copy, Debug)]
pub struct BillId(u64);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the instance must not run past `limit` from now.
    pub(super) fn set_deadline(&self, limit: Duration) -> DeadlineId {
        let mut watched = self.lock();
        watched.next_id += 1;
        let id = watched.next_id;
        watched.deadlines.push(Deadline {
            id,
            at: Instant::now() + limit,
            limit,
        });
        DeadlineId(id)
    }

    /// The call has answered or ended.
    pub(super) fn clear_deadline(&self, id: DeadlineId) {
        self.lock().deadlines.retain(|deadline| deadline.id != id.0);
    }

    /// The instance has nothing to do: what comes next starts with a full CPU budget.
    pub(super) fn idle(&self) {
        self.lock().cpu = Duration::ZERO;
    }

    /// A call begins, which pays for what the store does from now on.
    pub(super) fn open_bill(&self, usage: Arc<Usage>, memory: Breach) -> BillId {
        let mut watched = self.lock();
        watched.next_id += 1;
        let id = watched.next_id;
        watched.bills.open(id, usage, memory);
        BillId(id)
    }

    /// That call has ended.
    pub(super) fn end_bill(&self, id: BillId) {
        self.lock().bills.end(id.0);
    }

    fn charge(&self, used: Duration) -> Duration {
        let mut watched = self.lock();
        watched.bills.charge(used);
        watched.cpu += used;
        watched.cpu
    }

    /// The oldest outstanding deadline. The oldest, not the newest: with steady traffic a stuck
    /// older call would otherwise live for as long as new ones arrive.
    fn nearest(&self) -> Option<Deadline> {
        self.lock()
            .deadlines
            .iter()
            .copied()
            .min_by_key(|deadline| deadline.at)
    }
}

/// A store's future under watch. Resolves to an error of the meter's own when a limit is reached;
/// dropping it then is what stops the guest.
pub struct Metered<'a, F> {
    inner: Pin<&'a mut F>,
    watch: &'a Watch,
    cpu_limit: Duration,
    /// Made when there is first something to wait for: most calls end before.
    timer: Option<Pin<Box<Sleep>>>,
    gate: Turn<'a>,
}

impl<'a, F> Metered<'a, F> {
    pub(super) fn new(
        inner: Pin<&'a mut F>,
        watch: &'a Watch,
        cpu_limit: Duration,
        gate: &'a CpuGate,
    ) -> Self {
        Self {
            inner,
            watch,
            cpu_limit,
            timer: None,
            gate: gate.turn(),
        }
    }

    /// Ready, with the limit, when the nearest deadline has passed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<InvokeError> {
        let Some(Deadline { at, limit, .. }) = self.watch.nearest() else {
            return Poll::Pending;
        };
        let at = at.into();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer
            .as_mut()
            .poll(cx)
            .map(|()| InvokeError::WallLimit { limit })
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = Result<F::Output, InvokeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing can be overdue the first time.
        if self.timer.is_some()
            && let Poll::Ready(error) = self.poll_deadline(cx)
        {
            return Poll::Ready(Err(error));
        }
        if self.gate.poll(cx).is_pending() {
            return self.poll_deadline(cx).map(Err);
        }
        let before = super::cpu::thread_time();
        let poll = self.inner.as_mut().poll(cx);
        let used = super::cpu::thread_time().saturating_sub(before);
        let used_since_idle = self.watch.charge(used);
        self.gate.release(used_since_idle);
        if let Poll::Ready(output) = poll {
            return Poll::Ready(Ok(output));
        }
        if used_since_idle > self.cpu_limit {
            return Poll::Ready(Err(InvokeError::CpuLimit {
                limit: self.cpu_limit,
            }));
        }
        // Registered again after the poll: the calls inside may have set or cleared deadlines.
        self.poll_deadline(cx).map(Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_deadline_counts_and_idling_clears_the_cpu_budget() {
        let watch = Watch::default();
        let first = watch.set_deadline(Duration::from_secs(1));
        let second = watch.set_deadline(Duration::from_secs(2));
        assert_eq!(watch.nearest().unwrap().limit, Duration::from_secs(1));
        watch.clear_deadline(first);
        assert_eq!(watch.nearest().unwrap().limit, Duration::from_secs(2));
        watch.clear_deadline(second);
        assert!(watch.nearest().is_none());
        assert_eq!(
            watch.charge(Duration::from_millis(5)),
            Duration::from_millis(5)
        );
        watch.idle();
        assert_eq!(
            watch.charge(Duration::from_millis(3)),
            Duration::from_millis(3)
        );
    }
}
