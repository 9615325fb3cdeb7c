//! How an answer leaves the instance: passed on once, with a body that knows how its instance ended.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::poll_fn;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::call::{Answer, CallLimits};
use super::error::InvokeError;
use super::meter::{DeadlineId, Watch};

/// How a worker ended, for the calls that it left without an answer and for bodies that were cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<OnceLock<Arc<OnceLock<InvokeError>>>>);

impl Fate {
    /// Why the worker ended, if it ended badly.
    pub(super) fn error(&self) -> Option<InvokeError> {
        self.0.get().and_then(|worker| worker.get().cloned())
    }

    pub(super) fn follow(&self, worker: &Arc<OnceLock<InvokeError>>) {
        // One worker takes a call, so the cell is empty; were it not, the first one counts.
        drop(self.0.set(Arc::clone(worker)));
    }
}

/// The caller's end of a call, seen from the instance.
pub(super) struct Reply<'a> {
    sender: Arc<std::sync::Mutex<Option<Sender>>>,
    watch: &'a Watch,
    limits: CallLimits,
    deadline: DeadlineId,
    fate: Fate,
}

type Sender = oneshot::Sender<Result<Answer, InvokeError>>;

impl<'a> Reply<'a> {
    pub(super) fn new(sender: Sender, watch: &'a Watch, limits: CallLimits, fate: Fate) -> Self {
        let deadline = watch.set_deadline(limits.first_byte);
        let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
        Self {
            sender,
            watch,
            limits,
            deadline,
            fate,
        }
    }

    fn take(&mut self) -> Option<Sender> {
        self.sender
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    /// Whether nothing was answered yet.
    pub(super) fn is_pending(&self) -> bool {
        self.sender
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .is_some()
    }

    /// Resolves when the caller has gone before it got an answer; never once it has one.
    pub(super) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let sender = Arc::clone(&self.sender);
        poll_fn(move |cx| {
            let mut sender = sender
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match sender.as_mut() {
                Some(sender) => sender.poll_canceled(cx),
                None => Poll::Pending,
            }
        })
    }

    /// Passes a response on. From here on the whole-call deadline applies.
    pub(super) fn http(&mut self, response: http::Response<WasiBody>) {
        let Some(sender) = self.take() else { return };
        self.watch.clear_deadline(self.deadline);
        self.deadline = self.watch.set_deadline(self.limits.wall);
        let fate = self.fate.clone();
        let response = response.map(|body| AnswerBody::new(body, fate).boxed_unsync());
        drop(sender.send(Ok(Answer::Http(response))));
    }

    /// A scheduled call has succeeded.
    pub(super) fn done(&mut self) {
        if let Some(sender) = self.take() {
            drop(sender.send(Ok(Answer::Done)));
        }
    }

    /// The call has failed; said once, if nothing was said before.
    pub(super) fn error(&mut self, error: InvokeError) {
        if let Some(sender) = self.take() {
            drop(sender.send(Err(error)));
        }
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        self.watch.clear_deadline(self.deadline);
    }
}

/// The body of a guest's answer on its way out.
///
/// A body that stops because its instance was stopped must not look complete: it ends in an error,
/// so that the connection is cut and the caller can tell. Silence between two frames is limited.
struct AnswerBody {
    inner: WasiBody,
    fate: Fate,
    silence: Pin<Box<Sleep>>,
}

/// The longest silence in the middle of an answer. Server-sent events are told to send a comment
/// every half minute, which is well within.
const SILENCE_MAX: Duration = Duration::from_secs(60);

impl AnswerBody {
    fn new(inner: WasiBody, fate: Fate) -> Self {
        Self {
            inner,
            fate,
            silence: Box::pin(tokio::time::sleep(SILENCE_MAX)),
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
                self.silence.as_mut().reset(Instant::now() + SILENCE_MAX);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(self.fate.error().map(|error| {
                tracing::warn!(%error, "an answer was cut");
                Err(Error::HttpResponseIncomplete)
            })),
            Poll::Pending => self.silence.as_mut().poll(cx).map(|()| {
                tracing::warn!("an answer was cut: nothing came for {SILENCE_MAX:?}");
                Some(Err(Error::HttpResponseTimeout))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.fate.error().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
