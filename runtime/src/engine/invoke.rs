//! The one way to run a function.

use std::pin::pin;
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{Either, select};
use koyalite_host_api::{GuestLog, Invocation, LogLevel, LogSink};
use wasmtime::Store;

use super::Engine;
use super::call::{Answer, Call, Isolation, Target};
use super::error::InvokeError;
use super::hooks::Hooks;
use super::job::{Intake, Job, Said};
use super::limits::MemoryLimiter;
use super::loaded::Loaded;
use super::meter::{Metered, Watch};
use super::reply::Ticket;
use super::shared::{Busy, Offer};
use super::state::State;
use super::stdio::GuestStdio;
use super::trap::classify;
use super::worker::Worker;

impl Engine {
    /// Runs one call and answers as soon as the guest does; the body of a response may go on
    /// streaming. Dropping the future stops a fresh instance.
    ///
    /// # Errors
    /// Every way in which a guest, or we, can fail.
    pub async fn invoke(&self, target: &Target, mut call: Call) -> Result<Answer, InvokeError> {
        let loaded = self.code.load(&target.sha256).await?;
        loop {
            match self.attempt(Arc::clone(&loaded), target, call).await {
                Said::Ended(ended) => return ended,
                Said::NotBegun(again) => call = *again,
            }
        }
    }

    /// Gives the call to one worker.
    async fn attempt(&self, loaded: Arc<Loaded>, target: &Target, call: Call) -> Said {
        let (reply, answer) = oneshot::channel();
        let (direct, response) = oneshot::channel();
        let ticket = Ticket::default();
        let job = Job {
            call,
            reply,
            direct,
            ticket: ticket.clone(),
        };
        let _busy = match target.isolation {
            Isolation::Request => {
                self.start(loaded, target, job, Intake::closed());
                None
            }
            Isolation::Shared => Some(self.share(loaded, target, job)),
        };
        match select(response, answer).await {
            Either::Left((Ok(Ok(response)), _)) => Said::Ended(Ok(ticket.response(response))),
            // Silence is also what a trap sounds like on this channel; the worker knows better.
            Either::Left((Ok(Err(error)), answer)) => match ticket.classify(&error) {
                InvokeError::NoResponse => settle(answer.await, &ticket),
                error => Said::Ended(Err(error)),
            },
            Either::Left((Err(oneshot::Canceled), answer)) => settle(answer.await, &ticket),
            Either::Right((answer, _)) => settle(answer, &ticket),
        }
    }

    fn share(&self, loaded: Arc<Loaded>, target: &Target, job: Job) -> Busy {
        let pool = Arc::clone(&self.shared.entry(target.version).or_default());
        match pool.offer(job) {
            Offer::Taken(busy) => busy,
            Offer::Start { job, queue, busy } => {
                self.start(loaded, target, job, Intake::from_queue(queue));
                busy
            }
        }
    }

    /// Starts a worker on a task of its own: it has to outlive the answer, to finish the body.
    fn start(&self, loaded: Arc<Loaded>, target: &Target, job: Job, mut intake: Intake) {
        let stdio = GuestStdio::new(log_of(&job.call.invocation));
        let hooks = Hooks::new(self.egress.clone());
        let state = State::new(MemoryLimiter::new(target.limits.memory_bytes), hooks, stdio);
        let mut store = Store::new(&self.wasm, state);
        store.limiter(|state| &mut state.limiter);
        // Every tick of the epoch makes the guest return to the host once, where it is measured.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let gate = self.permits.gate(target.tenant);
        let (limits, outbound) = (target.limits, Arc::clone(&target.outbound));
        tokio::spawn(async move {
            // A component's own initialisation is guest code as well, under the same limits.
            let watch = Watch::default();
            watch.set_deadline(limits.first_byte);
            let made = {
                let making = pin!(loaded.instantiate(&mut store));
                Metered::new(making, &watch, limits.cpu, &gate).await
            };
            let refused = |job: Job, error| drop(job.reply.send(Said::Ended(Err(error))));
            match made {
                Ok(Ok(instance)) => {
                    let worker = Worker {
                        store,
                        instance,
                        limits,
                        outbound,
                        gate,
                    };
                    worker.run(job, &mut intake).await;
                }
                Ok(Err(error)) => refused(job, not_instantiated(&error, &store)),
                Err(limit) => refused(job, limit),
            }
            intake.close().await;
        });
    }
}

/// What became of a call whose answer comes through its worker.
fn settle(said: Result<Said, oneshot::Canceled>, ticket: &Ticket) -> Said {
    // A worker that ended without a word for this call says why in its fate.
    said.unwrap_or_else(|_| Said::Ended(Err(ticket.error().unwrap_or(InvokeError::NoResponse))))
}

fn not_instantiated(error: &wasmtime::Error, store: &Store<State>) -> InvokeError {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return InvokeError::Overloaded;
    }
    classify(error, store.data().limiter.breach().get())
}

/// A log for what the instance prints, written as the call's that started it.
fn log_of(invocation: &Arc<Invocation>) -> Arc<GuestLog> {
    struct Printed(Arc<Invocation>);
    impl LogSink for Printed {
        fn line(&self, level: LogLevel, message: String) {
            self.0.log.write(level, &message);
        }
    }
    Arc::new(GuestLog::new(Printed(Arc::clone(invocation))))
}
