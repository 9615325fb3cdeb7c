//! What became of an invocation, written down exactly once: when it fails, when a scheduled call
//! returns, or when the last byte of an answer has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use koyalite_host_api::{LogLevel, LogSink, Usage};
use wasmtime_wasi_http::WasiBody;

use super::error::DispatchError;
use super::{Selected, Started};
use crate::engine::{Place, Trigger};
use crate::http::{Body, BodyError};
use crate::records::{
    InvocationRecord, InvocationRef, Ledger, Level, Outcome, Trigger as Recorded,
};
use crate::registry::deploy::watch::Watch;
use crate::registry::redaction::Redaction;

/// One invocation on its way to its record.
#[derive(Clone)]
pub(super) struct Tracking {
    records: Arc<dyn Ledger>,
    of: InvocationRef,
    redaction: Option<Arc<Redaction>>,
    /// Who counts how calls of this version end, if anybody does.
    watch: Option<Arc<Watch>>,
    started: Started,
    usage: Arc<Usage>,
}

impl Tracking {
    pub(super) fn new(
        records: Arc<dyn Ledger>,
        selected: &Selected,
        started: Started,
        usage: Arc<Usage>,
    ) -> Self {
        let of = InvocationRef {
            project: selected.project.id,
            function: selected.function.name.clone(),
            version: selected.version.number,
            invocation: started.id,
        };
        let watch = match started.trigger {
            Recorded::Http => selected.function.watch_of(&selected.version).cloned(),
            // A firing has nobody who waits, and its schedule says what follows when it fails.
            Recorded::Schedule => None,
        };
        Self {
            records,
            of,
            redaction: selected.project.redaction.clone(),
            watch,
            started,
            usage,
        }
    }

    /// Where the guest's lines go.
    pub(super) fn log(&self) -> impl LogSink + use<> {
        GuestLines {
            records: Arc::clone(&self.records),
            of: self.of.clone(),
            redaction: self.redaction.clone(),
        }
    }

    /// Records a failure, if it is one, and passes it on.
    pub(super) fn or_failed<T>(
        &self,
        outcome: Result<T, DispatchError>,
    ) -> Result<T, DispatchError> {
        if let Err(error) = &outcome {
            if let Some(watch) = self.watch.as_ref().filter(|_| error.is_the_functions()) {
                watch.failed(self.started.at.elapsed());
            }
            self.failed(None, error.to_string());
        }
        outcome
    }

    /// A scheduled call has returned.
    pub(super) fn succeeded(&self) {
        self.record(Outcome::Ran);
    }

    fn failed(&self, status: Option<u16>, reason: String) {
        // A guest's panic is in it, with whatever the guest has put there.
        let reason = masked(self.redaction.as_deref(), reason);
        self.record(Outcome::Failed { status, reason });
    }

    fn record(&self, outcome: Outcome) {
        let Started { at, trigger, .. } = self.started;
        let of = self.of.clone();
        self.records.invocation(InvocationRecord {
            of,
            trigger,
            duration: at.elapsed(),
            outcome,
            used: self.usage.so_far(),
        });
    }

    /// Follows an answer to its last byte. The invocation keeps its place until then: a stream is
    /// work in progress.
    pub(super) fn follow(
        self,
        response: http::Response<WasiBody>,
        read: Read,
        place: Place,
    ) -> http::Response<Body> {
        let status = response.status();
        if let Some(watch) = &self.watch {
            watch.answered(status, self.started.at.elapsed());
        }
        let read = match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Read::HeadAlone,
            _ => read,
        };
        let promised = response.headers().get(CONTENT_LENGTH);
        let promised = promised.and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|inner| {
            let tracked = Tracked {
                inner,
                tracking: self,
                status: status.as_u16(),
                read,
                promised,
                ended: false,
                cut: None,
                _place: place,
            };
            tracked.boxed_unsync()
        })
    }
}

/// How much of an answer the caller takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it.
    Whole,
    /// The head: the request was a HEAD, or the status has no body.
    HeadAlone,
}

impl Read {
    /// What a call with this trigger takes.
    pub(super) fn by(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::Http(request) if request.method() == Method::HEAD => Self::HeadAlone,
            Trigger::Http(_) | Trigger::Scheduled(_) => Self::Whole,
        }
    }
}

/// An answer's body that records the end of its invocation.
///
/// It is held to the answer's own `content-length`: hyper trusts that the two agree, and a caller who
/// is promised more than comes would take the next answer on the connection for the rest.
struct Tracked {
    inner: WasiBody,
    tracking: Tracking,
    status: u16,
    read: Read,
    /// Bytes that the head promises and that have not come yet.
    promised: Option<u64>,
    ended: bool,
    /// What is left to say of an answer that broke off.
    cut: Option<BodyError>,
    _place: Place,
}

impl Tracked {
    fn end(&mut self, failure: Option<String>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        match failure {
            None => self.tracking.record(Outcome::Answered(self.status)),
            Some(reason) => self.tracking.failed(Some(self.status), reason),
        }
    }

    /// Counts a frame against the promise; false where it is more.
    fn keeps_promise(&mut self, frame: &Frame<Bytes>) -> bool {
        let (Some(left), Some(data)) = (&mut self.promised, frame.data_ref()) else {
            return true;
        };
        match left.checked_sub(data.len() as u64) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }

    /// Ends the answer before its end.
    fn break_off(
        &mut self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let error = error.into();
        if let Some(watch) = self
            .tracking
            .watch
            .as_ref()
            .filter(|_| !self.ended && self.status < 500)
        {
            watch.cut();
        }
        self.end(Some(format!("the answer was cut: {error}")));
        // Not at once: hyper throws away what it has not sent yet when a body fails, and sends it
        // when a body makes it wait. The caller shall see what was written.
        self.cut = Some(BodyError::Source(error));
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.cut.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) if self.keeps_promise(&frame) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.tracking.usage.gave_out(bytes as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Ok(_)) => self.break_off("it is longer than its content-length", cx),
            None if self.promised.is_some_and(|left| left > 0) => {
                self.break_off("it is shorter than its content-length", cx)
            }
            None => {
                self.end(None);
                Poll::Ready(None)
            }
            Some(Err(error)) => self.break_off(error, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_kept = self.promised.is_none_or(|left| left == 0);
        self.cut.is_none() && is_kept && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.promised {
            Some(left) => SizeHint::with_exact(left),
            None => self.inner.size_hint(),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Hyper does not ask for the end of a body that says it is at its end; a body dropped before
        // that is a caller who left.
        let whole = self.read == Read::HeadAlone
            || self.is_end_stream()
            || self.size_hint().exact() == Some(0);
        self.end((!whole).then(|| "the caller left before the end of the answer".to_owned()));
    }
}

/// Guest lines, labelled with their invocation.
fn masked(redaction: Option<&Redaction>, text: String) -> String {
    match redaction {
        Some(redaction) => redaction.mask(text),
        None => text,
    }
}

struct GuestLines {
    records: Arc<dyn Ledger>,
    of: InvocationRef,
    redaction: Option<Arc<Redaction>>,
}

impl LogSink for GuestLines {
    fn line(&self, level: LogLevel, message: String) {
        let level = match level {
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        let message = masked(self.redaction.as_deref(), message);
        self.records.guest_line(self.of.clone(), level, message);
    }
}
