//! Polls a store and watches what that costs: CPU by the thread's clock around each poll, wall time
//! by an alarm outside the store's own event loop, which a busy guest can stall.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use koyalite_host_api::Usage;
use tokio::time::Sleep;

use super::bills::Bills;
use super::clock::Stretch;
use super::cpu::{CpuGate, SLICE, Share, Turn};
use super::error::InvokeError;
use super::limits::Breach;

/// What the worker's inside (the calls) tells its outside (the meter). One task owns both, so the
/// lock is never contended; it is there because the compiler cannot know that.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// CPU used since a call last ended.
    cpu: Duration,
    /// CPU of the latest poll.
    latest: Duration,
    /// CPU that its calls have left of their first slices.
    slices: Duration,
    /// When the next of the outstanding calls runs out of time, and the limit that it would reach.
    deadlines: Vec<Deadline>,
    next_id: u64,
    /// Who pays for it.
    bills: Bills,
    /// Whether its calls have no slices of their own.
    has_forfeited: bool,
}

/// What a shared instance may save up: as many slices as calls can be on it.
const SLICES_MAX: Duration = SLICE.saturating_mul(super::limits::SHARED_CONCURRENCY as u32);

impl Watched {
    fn is_long(&self) -> bool {
        self.slices.is_zero() && !self.cpu.is_zero()
    }

    fn share(&self) -> Share {
        match self.is_long() || self.has_forfeited {
            true => Share::Spent,
            false => Share::Left,
        }
    }
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

    /// A call begins, and brings a slice of its own: however many follow each other on a shared
    /// instance, those that answer within theirs never meet the gate. No more is saved up than the
    /// calls of one moment bring.
    pub(super) fn call_began(&self) {
        let mut watched = self.lock();
        watched.slices = (watched.slices + SLICE).min(SLICES_MAX);
    }

    /// One of several calls has ended, so the instance gets on with its work, and what it uses for
    /// the others is counted anew. One that only spins ends none.
    pub(super) fn call_ended(&self) {
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

    /// Whether nothing has begun yet.
    pub(super) fn is_new(&self) -> bool {
        self.lock().next_id == 0
    }

    /// Whether its calls have used up their first slices.
    pub(super) fn is_long(&self) -> bool {
        self.lock().is_long()
    }

    /// CPU of the latest poll.
    pub(super) fn latest(&self) -> Duration {
        self.lock().latest
    }

    /// Whether they may go on without a permit.
    pub(super) fn share(&self) -> Share {
        self.lock().share()
    }

    /// From now on its calls need a permit from their first instruction on.
    pub(super) fn forfeit(&self) {
        self.lock().has_forfeited = true;
    }

    fn charge(&self, used: Duration) -> (Duration, Share) {
        let mut watched = self.lock();
        watched.bills.charge(used);
        watched.cpu += used;
        watched.latest = used;
        watched.slices = watched.slices.saturating_sub(used);
        (watched.cpu, watched.share())
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

/// Wakes the task of a worker when the nearest deadline of a watch has passed.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when that deadline has passed: polled once more, the worker says so. To be asked when there is
    /// nothing to do but wait; most calls end before it comes to that, and never have a timer.
    pub(super) fn poll(&mut self, watch: &Watch, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Deadline { at, .. }) = watch.nearest() else {
            return Poll::Pending;
        };
        let at = at.into();
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        // One that is too early wakes once for nothing. To move it with every call of a shared
        // instance would cost more.
        if at < timer.deadline() {
            timer.as_mut().reset(at);
        }
        if timer.as_mut().poll(cx).is_ready() && timer.deadline() < at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}

/// A store's future under watch. Resolves to an error of the meter's own when a limit is reached;
/// dropping it then is what stops the guest. Who polls it sees to it that it is polled when a deadline has
/// passed: see [`Alarm`].
pub struct Metered<'a, F> {
    inner: Pin<&'a mut F>,
    watch: &'a Watch,
    cpu_limit: Duration,
    has_begun: bool,
    gate: Turn<'a>,
}

impl<'a, F> Metered<'a, F> {
    pub(super) fn new(
        inner: Pin<&'a mut F>,
        watch: &'a Watch,
        cpu_limit: Duration,
        gate: &'a CpuGate,
    ) -> Self {
        let mut gate = gate.turn();
        gate.release(watch.share());
        Self {
            inner,
            watch,
            cpu_limit,
            has_begun: false,
            gate,
        }
    }

    /// The limit that was reached, once the nearest deadline has passed.
    fn overdue(&self) -> Option<InvokeError> {
        let Deadline { at, limit, .. } = self.watch.nearest()?;
        (at <= Instant::now()).then_some(InvokeError::WallLimit { limit })
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = Result<F::Output, InvokeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing can be overdue the first time.
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        if has_begun && let Some(error) = self.overdue() {
            return Poll::Ready(Err(error));
        }
        if self.gate.poll(cx).is_pending() {
            return Poll::Pending;
        }
        let stretch = Stretch::begin();
        let poll = self.inner.as_mut().poll(cx);
        let (cpu, share) = self.watch.charge(stretch.end());
        self.gate.release(share);
        if let Poll::Ready(output) = poll {
            return Poll::Ready(Ok(output));
        }
        match cpu > self.cpu_limit {
            true => Poll::Ready(Err(InvokeError::CpuLimit {
                limit: self.cpu_limit,
            })),
            false => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::{CpuPermits, Tenant};
    use super::*;

    #[test]
    fn the_oldest_deadline_counts_and_an_end_clears_the_cpu_budget() {
        let watch = Watch::default();
        let first = watch.set_deadline(Duration::from_secs(1));
        let second = watch.set_deadline(Duration::from_secs(2));
        assert_eq!(watch.nearest().unwrap().limit, Duration::from_secs(1));
        watch.clear_deadline(first);
        assert_eq!(watch.nearest().unwrap().limit, Duration::from_secs(2));
        watch.clear_deadline(second);
        assert!(watch.nearest().is_none());
        assert_eq!(watch.charge(SLICE).0, SLICE);
        watch.call_ended();
        assert_eq!(watch.charge(SLICE / 2).0, SLICE / 2);
    }

    #[test]
    fn a_call_that_ends_within_a_poll_is_charged_after_it_and_spends_nothing() {
        let watch = Watch::default();
        watch.call_began();
        watch.call_ended();
        assert_eq!(watch.charge(SLICE / 2).1, Share::Left);
    }

    #[test]
    fn a_call_that_goes_on_past_its_slice_has_spent_its_share() {
        let watch = Watch::default();
        watch.call_began();
        assert_eq!(watch.charge(SLICE / 2).1, Share::Left);
        assert_eq!(watch.charge(SLICE / 2).1, Share::Spent);
    }

    #[test]
    fn who_has_forfeited_its_slices_needs_a_permit_for_its_first_poll() {
        let permits = CpuPermits::for_cores(1);
        let gate = permits.gate(Tenant {
            project: uuid::Uuid::nil(),
            function: uuid::Uuid::nil(),
        });
        for forfeits in [false, true] {
            let watch = Watch::default();
            watch.call_began();
            if forfeits {
                watch.forfeit();
            }
            let taken = std::pin::pin!(async { permits.taken().0 });
            let taken = Metered::new(taken, &watch, SLICE, &gate);
            let taken = futures::executor::block_on(taken).unwrap();
            assert_eq!(taken, usize::from(forfeits));
        }
    }

    #[test]
    fn calls_that_answer_in_time_spend_no_share_however_many_follow_each_other() {
        let watch = Watch::default();
        watch.call_began();
        for _ in 0..1000 {
            watch.call_began();
            let (cpu, share) = watch.charge(SLICE / 2);
            assert_eq!((cpu, share), (SLICE / 2, Share::Left));
            watch.call_ended();
        }
        // What was saved up has an end.
        assert_eq!(watch.charge(SLICES_MAX).1, Share::Spent);
    }
}
