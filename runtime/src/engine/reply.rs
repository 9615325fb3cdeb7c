//! How an answer leaves the instance: passed on once, with a body that knows how its instance ended.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::poll_fn;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, WasiBody};

use super::call::{Answer, CallLimits};
use super::error::InvokeError;
use super::job::Said;
use super::limits::Breach;
use super::meter::{DeadlineId, Watch};
use super::trap::classify;
use crate::silence::Silence;

/// What a call and its worker know of each other, from both sides of the store.
///
/// The response of a WASI 0.2 guest comes out of the store by itself, in the middle of a host call
/// that holds the store; so whoever awaits it must be able to move the call's deadline, and to say
/// why a body was cut, without the worker's help.
#[derive(Clone, Default)]
pub(super) struct Ticket(Arc<TicketState>);

#[derive(Default)]
struct TicketState {
    joined: OnceLock<Joined>,
    answered: AtomicBool,
}

struct Joined {
    watch: Arc<Watch>,
    fate: Fate,
    breach: Breach,
    limits: CallLimits,
    deadline: Mutex<DeadlineId>,
}

/// How a worker ended, if it ended badly.
pub(super) type Fate = Arc<OnceLock<InvokeError>>;

impl Ticket {
    /// A worker takes the call: from now on it has to answer.
    pub(super) fn join(&self, watch: &Arc<Watch>, fate: &Fate, breach: Breach, limits: CallLimits) {
        let deadline = Mutex::new(watch.set_deadline(limits.first_byte));
        let (watch, fate) = (Arc::clone(watch), Arc::clone(fate));
        // One worker takes a call, so the cell is empty; were it not, the first one counts.
        drop(self.0.joined.set(Joined {
            watch,
            fate,
            breach,
            limits,
            deadline,
        }));
    }

    /// The answer has begun. From here on the deadline of the whole call applies.
    fn answered(&self) {
        self.0.answered.store(true, Ordering::Release);
        if let Some(joined) = self.0.joined.get() {
            let mut deadline = joined
                .deadline
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            joined.watch.clear_deadline(*deadline);
            *deadline = joined.watch.set_deadline(joined.limits.wall);
        }
    }

    /// The call has ended.
    fn ended(&self) {
        if let Some(joined) = self.0.joined.get() {
            let deadline = joined
                .deadline
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            joined.watch.clear_deadline(*deadline);
        }
    }

    /// Why the worker ended, if it ended badly.
    pub(super) fn error(&self) -> Option<InvokeError> {
        self.0
            .joined
            .get()
            .and_then(|joined| joined.fate.get().cloned())
    }

    /// How long the answer may pause. Nothing limits it before a worker has taken the call, when there
    /// is no answer.
    fn silence(&self) -> Duration {
        let joined = self.0.joined.get();
        joined.map_or(Duration::MAX, |joined| joined.limits.silence)
    }

    /// What an error that came in place of a response means.
    pub(super) fn classify(&self, error: &wasmtime::Error) -> InvokeError {
        let breach = self.0.joined.get().and_then(|joined| joined.breach.get());
        classify(error, breach)
    }

    /// A response that is on its way out.
    pub(super) fn response(&self, response: http::Response<WasiBody>) -> Answer {
        self.answered();
        let body = |inner| AnswerBody::new(inner, self.clone()).boxed_unsync();
        Answer::Http(response.map(body))
    }
}

/// The caller's end of a call, seen from the instance.
pub(super) struct Reply {
    sender: Arc<Mutex<Option<Sender>>>,
    ticket: Ticket,
}

type Sender = oneshot::Sender<Said>;

impl Reply {
    pub(super) fn new(sender: Sender, ticket: Ticket) -> Self {
        Self {
            sender: Arc::new(Mutex::new(Some(sender))),
            ticket,
        }
    }

    fn send(&self, answer: impl FnOnce(&Ticket) -> Result<Answer, InvokeError>) {
        let sender = self
            .sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            drop(sender.send(Said::Ended(answer(&self.ticket))));
        }
    }

    /// Resolves when the caller has gone before it got an answer; never once it has one.
    pub(super) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let (sender, ticket) = (Arc::clone(&self.sender), self.ticket.clone());
        poll_fn(move |cx| {
            let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
            match sender.as_mut().map(|sender| sender.poll_canceled(cx)) {
                Some(Poll::Ready(())) if !ticket.0.answered.load(Ordering::Acquire) => {
                    Poll::Ready(())
                }
                Some(_) | None => Poll::Pending,
            }
        })
    }

    /// Passes a response on.
    pub(super) fn http(&self, response: http::Response<WasiBody>) {
        self.send(|ticket| Ok(ticket.response(response)));
    }

    /// A scheduled call has succeeded.
    pub(super) fn done(&self) {
        self.send(|_| Ok(Answer::Done));
    }

    /// The call has failed; said once, if nothing was said before.
    pub(super) fn error(&self, error: InvokeError) {
        self.send(|_| Err(error));
    }
}

/// Keeps the line to every caller open until the worker has said why it ended. The calls themselves
/// go with the store's event loop, which is before that.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<Vec<Arc<Mutex<Option<Sender>>>>>);

impl Unanswered {
    pub(super) fn keep(&self, reply: &Reply) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Arc::clone(&reply.sender));
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn let_go(&self, reply: &Reply) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !Arc::ptr_eq(sender, &reply.sender));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.ticket.ended();
    }
}

/// The body of a guest's answer on its way out.
///
/// A body that stops because its instance was stopped must not look complete: it ends in an error,
/// so that the connection is cut and the caller can tell. Silence between two frames is limited.
struct AnswerBody {
    inner: WasiBody,
    ticket: Ticket,
    silence: Silence,
}

impl AnswerBody {
    fn new(inner: WasiBody, ticket: Ticket) -> Self {
        Self {
            inner,
            ticket,
            silence: Silence::default(),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.silence.broken();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(self.ticket.error().map(|error| {
                tracing::warn!(%error, "an answer was cut");
                Err(Error::HttpResponseIncomplete)
            })),
            Poll::Pending => {
                let limit = self.ticket.silence();
                self.silence.poll(limit, cx).map(|()| {
                    let limit = limit.as_millis();
                    tracing::warn!(
                        "an answer was cut: nothing came for {limit} ms; `silence_ms` in [limits] of \
                         the function's manifest raises that"
                    );
                    Some(Err(Error::HttpResponseTimeout))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.ticket.error().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
