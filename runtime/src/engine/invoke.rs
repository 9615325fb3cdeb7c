//! The one way to run a function.

use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::{Either, select};
use http::header::CONTENT_LENGTH;
use koyalite_host_api::{GuestLog, Invocation, LogLevel, LogSink};
use wasmtime::Store;
use wasmtime_wasi_http::WasiBody;

use super::Engine;
use super::beside::{Beside, Manner};
use super::call::{Answer, Call, Isolation, Target};
use super::error::InvokeError;
use super::hooks::Hooks;
use super::job::{Intake, Job, Said};
use super::limits::{self, MemoryLimiter};
use super::loaded::Loaded;
use super::meter::Watch;
use super::reply::Ticket;
use super::shared::Offer;
use super::state::State;
use super::stdio::GuestStdio;
use super::trap::tell;
use super::worker::Worker;
use crate::cores;

impl Engine {
    /// Runs one call and answers as soon as the guest does; the body of a response may go on
    /// streaming. Dropping the future stops a fresh instance.
    ///
    /// # Errors
    /// Every way in which a guest, or we, can fail.
    pub async fn invoke(&self, target: &Target, mut call: Call) -> Result<Answer, InvokeError> {
        let loaded = self.code.load(&target.sha256).await?;
        match target.isolation {
            Isolation::Request => self.alone(loaded, target, call).await,
            Isolation::Shared => loop {
                match self.among_others(Arc::clone(&loaded), target, call).await {
                    Said::Ended(ended) => return ended,
                    Said::NotBegun(again) => call = *again,
                }
            },
        }
    }

    /// Gives the call an instance of its own, and works on it right here: on another task, perhaps on
    /// another core, it would cost more to say that there is an answer than to make one.
    async fn alone(
        &self,
        loaded: Arc<Loaded>,
        target: &Target,
        call: Call,
    ) -> Result<Answer, InvokeError> {
        let (job, heard) = sent(call);
        let ticket = heard.ticket.clone();
        let mut work = self.work(loaded, target, job, Intake::closed());
        let answer = match work.until(heard.said()).await {
            Said::Ended(Ok(Answer::Http(response))) => {
                let (parts, body) = response.into_parts();
                let is_announced = parts.headers.contains_key(CONTENT_LENGTH);
                match work.gather(body, is_announced).await {
                    Some(body) => Ok(Answer::Http(http::Response::from_parts(parts, body))),
                    None => Err(ticket.error().unwrap_or(InvokeError::NoResponse)),
                }
            }
            Said::Ended(ended) => ended,
            // A worker without a queue hands nothing back.
            Said::NotBegun(_) => Err(InvokeError::NoResponse),
        };
        work.go_on();
        answer
    }

    /// Gives the call to an instance that serves others as well.
    async fn among_others(&self, loaded: Arc<Loaded>, target: &Target, call: Call) -> Said {
        let invocation = Arc::clone(&call.invocation);
        let (job, heard) = sent(call);
        // An instance has its callers on its own thread. Firings come from none of these.
        let place = (target.version, cores::current().unwrap_or_default());
        let pool = Arc::clone(&self.shared.entry(place).or_default());
        let _busy = match pool.offer(job) {
            Offer::Taken(busy) => busy,
            Offer::Start { job, queue, busy } => {
                let intake = Intake::from_queue(queue);
                self.work(loaded, target, job, intake).go_on();
                busy
            }
        };
        let said = heard.said().await;
        match &said {
            Said::Ended(Ok(_)) => pool.behaved(),
            Said::Ended(Err(error)) => {
                if error.ends_instance() {
                    pool.misbehaved();
                }
                tell(&invocation.log, Some(error));
            }
            Said::NotBegun(_) => {}
        }
        said
    }

    /// A worker with its store, from its start to its end.
    fn work(&self, loaded: Arc<Loaded>, target: &Target, job: Job, mut intake: Intake) -> Beside {
        let stdio = GuestStdio::new(log_of(&job.call.invocation));
        let hooks = Hooks::new(self.egress.clone());
        let limiter = MemoryLimiter::new(target.limits.memory_bytes);
        let state = State::new(limiter, hooks, stdio, &self.env, loaded.kind());
        let mut store = Store::new(loaded.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits::HOST_CALL_BYTES_MAX);
        if let Some(tasks) = store.concurrent_resource_table() {
            tasks.set_max_capacity(limits::TASKS_MAX);
        }
        // Every tick of the epoch makes the guest return to the host once, where it is measured.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let (gate, project) = (self.permits.gate(target.tenant), target.tenant.project);
        let is_alone = !intake.is_open();
        let (invocation, ticket) = (Arc::clone(&job.call.invocation), job.ticket.clone());
        let (watch, pace) = (Arc::<Watch>::default(), loaded.pace());
        let worker = Worker {
            store,
            limits: target.limits,
            watch: Arc::clone(&watch),
            outbound: Arc::clone(&target.outbound),
            gate,
        };
        // Work may go on after the answer, and is one invocation's until it ends.
        let held = (!intake.is_open()).then(|| Arc::clone(&job.call.place));
        let room = self.instances.room(&self.shared);
        let work = async move {
            match room.await {
                Some(place) => {
                    worker.run(&loaded, job, &mut intake).await;
                    drop(place);
                }
                None => job.refuse(InvokeError::Overloaded),
            }
            if is_alone {
                tell(&invocation.log, ticket.error().as_ref());
            }
            intake.close().await;
            drop(held);
        };
        let manner = Manner {
            watch,
            pace,
            project,
        };
        Beside::new(work, manner, self.aside.handle().clone())
    }
}

/// A call as it goes to a worker, and where its answer is heard.
fn sent(call: Call) -> (Job, Heard) {
    let (reply, answer) = oneshot::channel();
    let (direct, response) = oneshot::channel();
    let ticket = Ticket::default();
    let job = Job {
        call,
        reply,
        direct,
        ticket: ticket.clone(),
    };
    let heard = Heard {
        answer,
        response,
        ticket,
    };
    (job, heard)
}

/// Both ways by which an answer can come.
struct Heard {
    answer: oneshot::Receiver<Said>,
    response: oneshot::Receiver<Result<http::Response<WasiBody>, wasmtime::Error>>,
    ticket: Ticket,
}

impl Heard {
    async fn said(self) -> Said {
        let ticket = self.ticket;
        match select(self.response, self.answer).await {
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
}

/// What became of a call whose answer comes through its worker.
fn settle(said: Result<Said, oneshot::Canceled>, ticket: &Ticket) -> Said {
    // A worker that ended without a word for this call says why in its fate.
    said.unwrap_or_else(|_| Said::Ended(Err(ticket.error().unwrap_or(InvokeError::NoResponse))))
}

/// A log for what the instance prints, written as the call's that started it.
fn log_of(invocation: &Arc<Invocation>) -> Arc<GuestLog> {
    struct Printed(Arc<Invocation>);
    impl LogSink for Printed {
        fn line(&self, level: LogLevel, message: String) {
            self.0.log.write(level, &message);
        }
    }
    let share = invocation.log.share_bytes();
    Arc::new(GuestLog::of(share, Printed(Arc::clone(invocation))))
}
