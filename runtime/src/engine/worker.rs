//! One worker: one store, one instance, and the calls it works on.
//!
//! Fresh and shared instances run through this same code; a fresh one simply takes a single call.
//! The inside (`serve`) lives in the store's event loop; where the engine has no tasks, the one call is
//! all there is. The outside (`Metered`) polls it, and stops the guest by dropping it when a limit is
//! reached: a guest that holds the store could stall any timer that runs inside.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, Stream};
use wasmtime::Store;
use wasmtime::component::Accessor;

use super::call::{Call, CallLimits, Trigger};
use super::cpu::CpuGate;
use super::error::InvokeError;
use super::hooks::Allowed;
use super::instance::{DirectResponse, Instance, Reach, Ways};
use super::job::{Intake, Job};
use super::kind::Kind;
use super::limits::{self, Breach};
use super::loaded::Loaded;
use super::meter::{BillId, Metered, Watch};
use super::reply::{Fate, Reply, Unanswered};
use super::state::State;
use super::trap::classify;
use crate::egress::EgressGrant;

/// A store in which an instance is to be made.
pub(super) struct Worker {
    pub(super) store: Store<State>,
    pub(super) limits: CallLimits,
    pub(super) watch: Arc<Watch>,
    pub(super) outbound: Allowed,
    pub(super) gate: CpuGate,
}

impl Worker {
    /// Makes the instance, runs until there is no more work, then drops it.
    pub(super) async fn run(self, loaded: &Loaded, first: Job, intake: &mut Intake) {
        let Self {
            mut store,
            limits,
            watch,
            outbound,
            gate,
        } = self;
        let calls = Calls {
            limits,
            watch,
            fate: Fate::default(),
            breach: store.data().limiter.breach(),
            unanswered: Unanswered::default(),
        };
        // A component's own initialisation is guest code as well, under the same limits.
        let first = calls.take(first);
        let ended = {
            let running = pin!(async {
                let instance = loaded.instantiate(&mut store).await;
                let instance = instance.map_err(|error| calls.not_instantiated(&error))?;
                let service = Service {
                    instance: &instance,
                    outbound: &outbound,
                    calls: &calls,
                };
                if loaded.kind() == Kind::Sequential {
                    return service
                        .work(Reach::Alone(&mut store), first)
                        .await
                        .map(drop);
                }
                let serving =
                    async |accessor: &Accessor<State>| service.serve(accessor, first, intake).await;
                let served = store.run_concurrent(serving).await;
                served.unwrap_or_else(|trap| Err(calls.ended(calls.trapped(&trap))))
            });
            let metered = Metered::new(running, &calls.watch, limits.cpu, &gate).await;
            metered.map_err(|error| calls.ended(error))
        };
        if let Ok(Err(error)) | Err(error) = ended {
            // Set before the store goes: whoever waits on this worker learns of its end by the
            // store's channels closing, and must then find the reason.
            drop(calls.fate.set(error));
        }
        drop(store);
    }
}

/// What a worker knows of its calls.
struct Calls {
    limits: CallLimits,
    watch: Arc<Watch>,
    fate: Fate,
    breach: Breach,
    unanswered: Unanswered,
}

/// A call that a worker has begun to answer for.
struct Taken {
    call: Call,
    reply: Reply,
    direct: DirectResponse,
    bill: BillId,
}

impl Calls {
    /// From now on the worker has to answer this call, in time.
    fn take(&self, job: Job) -> Taken {
        let Job {
            call,
            reply,
            direct,
            ticket,
        } = job;
        let limits = match call.trigger {
            Trigger::Http(_) => self.limits,
            // Nobody waits for a first byte of a firing; all that counts is that it ends.
            Trigger::Scheduled(_) => CallLimits {
                first_byte: self.limits.wall,
                ..self.limits
            },
        };
        self.watch.call_began();
        ticket.join(&self.watch, &self.fate, self.breach.clone(), limits);
        let reply = Reply::new(reply, ticket);
        self.unanswered.keep(&reply);
        let usage = Arc::clone(&call.invocation.usage);
        let bill = self.watch.open_bill(usage, self.breach.clone());
        Taken {
            call,
            reply,
            direct,
            bill,
        }
    }

    fn trapped(&self, trap: &wasmtime::Error) -> InvokeError {
        classify(trap, self.breach.get())
    }

    /// What ended the instance, as its callers are to hear it: with several at work, nobody knows
    /// whose code it was.
    fn ended(&self, error: InvokeError) -> InvokeError {
        match self.unanswered.count() {
            0 | 1 => error,
            _ => error.for_others(),
        }
    }

    fn not_instantiated(&self, error: &wasmtime::Error) -> InvokeError {
        match error.is::<wasmtime::PoolConcurrencyLimitError>() {
            true => InvokeError::Overloaded,
            false => self.trapped(error),
        }
    }
}

/// An instance at work.
struct Service<'a> {
    instance: &'a Instance,
    outbound: &'a Allowed,
    calls: &'a Calls,
}

impl Service<'_> {
    async fn serve(
        &self,
        accessor: &Accessor<State>,
        first: Taken,
        intake: &mut Intake,
    ) -> Result<(), InvokeError> {
        let mut running = FuturesUnordered::new();
        running.push(self.work(Reach::Tasks(accessor), first));
        let mut served = 1;
        loop {
            if served >= limits::SHARED_REQUESTS_MAX {
                intake.close().await;
            }
            let next = self.next(accessor, &mut running, intake).await;
            let has_ended = matches!(next, Next::Ended(_));
            match next {
                Next::Job(job) => {
                    served += 1;
                    running.push(self.work(Reach::Tasks(accessor), self.calls.take(job)));
                }
                Next::Ended(Ok(Finish::Ended)) => {}
                // A fresh instance ends with its caller. A shared one cannot: others are on it.
                Next::Ended(Ok(Finish::CallerGone)) if !intake.is_open() && running.is_empty() => {
                    return Ok(());
                }
                Next::Ended(Ok(Finish::CallerGone)) => {}
                // Its own caller has heard; all others were only beside it.
                Next::Ended(Err(error)) => return Err(error.for_others()),
                Next::QueueClosed => intake.close().await,
                Next::Nothing => return Ok(()),
            }
            if has_ended && intake.is_open() {
                self.calls.watch.call_ended();
            }
        }
    }

    /// What happens next: a call ends, a call arrives, or nothing is left to do.
    async fn next<F>(
        &self,
        accessor: &Accessor<State>,
        running: &mut FuturesUnordered<F>,
        intake: &mut Intake,
    ) -> Next
    where
        F: Future<Output = Result<Finish, InvokeError>>,
    {
        let mut after_answer = None;
        let idle = tokio::time::sleep(limits::SHARED_IDLE);
        let mut idle = pin!(idle);
        let next = std::future::poll_fn(|cx| {
            if let Poll::Ready(Some(ended)) = Pin::new(&mut *running).poll_next(cx) {
                return Poll::Ready(Next::Ended(ended));
            }
            let room = running.len() < limits::SHARED_CONCURRENCY;
            if room && let Poll::Ready(job) = intake.poll(cx) {
                return Poll::Ready(job.map_or(Next::QueueClosed, Next::Job));
            }
            if !running.is_empty() {
                return Poll::Pending;
            }
            // Every call has answered. Guests may go on streaming or logging; their time is limited.
            if accessor.poll_no_interesting_tasks(cx).is_pending() {
                after_answer
                    .get_or_insert_with(|| self.calls.watch.set_deadline(self.calls.limits.wall));
                return Poll::Pending;
            }
            if let Some(deadline) = after_answer.take() {
                self.calls.watch.clear_deadline(deadline);
            }
            if intake.is_open() && idle.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            Poll::Ready(Next::Nothing)
        })
        .await;
        if let Some(deadline) = after_answer {
            self.calls.watch.clear_deadline(deadline);
        }
        next
    }

    /// One call from its start to its end.
    async fn work(&self, reach: Reach<'_>, taken: Taken) -> Result<Finish, InvokeError> {
        let Taken {
            call,
            reply,
            direct,
            bill,
        } = taken;
        let ended = {
            let (invocation, limits) = (call.invocation, self.calls.limits);
            let enter = |state: &mut State, task| {
                state.host().enter(task, invocation);
                let (requests, patience) = (limits.outbound_requests, limits.outbound);
                let grant = EgressGrant::of(requests, patience, Arc::clone(self.outbound));
                state.hooks().grant(grant);
            };
            let ways = Ways {
                reply: &reply,
                direct,
            };
            let running = pin!(self.instance.call(reach, call.trigger, enter, ways));
            match select(running, pin!(reply.gone())).await {
                Either::Left((ended, _)) => Some(ended),
                Either::Right(((), _)) => None,
            }
        };
        self.calls.watch.end_bill(bill);
        let Some(ended) = ended else {
            return Ok(Finish::CallerGone);
        };
        self.calls.unanswered.let_go(&reply);
        let Err(trap) = ended else {
            return Ok(Finish::Ended);
        };
        let error = self.calls.trapped(&trap);
        reply.error(error.clone());
        Err(error)
    }
}

/// How a call left its instance.
enum Finish {
    Ended,
    /// Nobody waits for the answer any more, and the guest may still be at work on it.
    CallerGone,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one value at a time, never stored"
)]
enum Next {
    Job(Job),
    Ended(Result<Finish, InvokeError>),
    QueueClosed,
    Nothing,
}
