//! What became of an invocation, written down exactly once: when it fails, when a scheduled call
//! returns, or when the last byte of an answer has left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use koyalite_host_api::{LogLevel, LogSink};
use wasmtime_wasi_http::WasiBody;

use super::error::DispatchError;
use super::{Selected, Started};
use crate::engine::Place;
use crate::http::{Body, BodyError};
use crate::records::{InvocationRecord, InvocationRef, Level, Outcome, Records};

/// One invocation on its way to its record.
#[derive(Clone)]
pub(super) struct Tracking {
    records: Arc<Records>,
    of: InvocationRef,
    started: Started,
}

impl Tracking {
    pub(super) fn new(records: Arc<Records>, selected: &Selected, started: Started) -> Self {
        let of = InvocationRef {
            project: selected.project.id,
            function: selected.function.name.clone(),
            version: selected.version.number,
            invocation: started.id,
        };
        Self {
            records,
            of,
            started,
        }
    }

    /// Where the guest's lines go.
    pub(super) fn log(&self) -> impl LogSink + use<> {
        GuestLines {
            records: Arc::clone(&self.records),
            of: self.of.clone(),
        }
    }

    /// Records a failure, if it is one, and passes it on.
    pub(super) fn or_failed<T>(
        &self,
        outcome: Result<T, DispatchError>,
    ) -> Result<T, DispatchError> {
        if let Err(error) = &outcome {
            self.failed(None, error.to_string());
        }
        outcome
    }

    /// A scheduled call has returned.
    pub(super) fn succeeded(&self) {
        self.record(Outcome::Ran);
    }

    fn failed(&self, status: Option<u16>, reason: String) {
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
        });
    }

    /// Follows an answer to its last byte. The invocation keeps its place until then: a stream is
    /// work in progress.
    pub(super) fn follow(
        self,
        response: http::Response<WasiBody>,
        place: Place,
    ) -> http::Response<Body> {
        let status = response.status().as_u16();
        response.map(|inner| {
            let tracked = Tracked {
                inner,
                tracking: self,
                status,
                ended: false,
                cut: None,
                _place: place,
            };
            tracked.boxed_unsync()
        })
    }
}

/// An answer's body that records the end of its invocation.
struct Tracked {
    inner: WasiBody,
    tracking: Tracking,
    status: u16,
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
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => {
                self.end(None);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                self.end(Some(format!("the answer was cut: {error}")));
                // Not at once: hyper throws away what it has not sent yet when a body fails, and
                // sends it when a body makes it wait. The caller shall see what was written.
                self.cut = Some(BodyError::Source(Box::new(error)));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Hyper does not ask for the end of a body that says it is at its end; a body dropped before
        // that is a caller who left.
        let whole = self.inner.is_end_stream() || self.inner.size_hint().exact() == Some(0);
        self.end((!whole).then(|| "the caller left before the end of the answer".to_owned()));
    }
}

/// Guest lines, labelled with their invocation.
struct GuestLines {
    records: Arc<Records>,
    of: InvocationRef,
}

impl LogSink for GuestLines {
    fn line(&self, level: LogLevel, message: String) {
        let level = match level {
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        self.records.guest_line(self.of.clone(), level, message);
    }
}
