//! A request's body on its way into the guest: counted, its errors in the words that WASI has.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use koyalite_host_api::Usage;
use wasmtime_wasi_http::Error;

use crate::http::{Body, BodyError};

/// A body that is counted as the guest takes it.
pub(super) struct Incoming {
    inner: Body,
    usage: Arc<Usage>,
}

impl Incoming {
    pub(super) fn new(inner: Body, usage: &Arc<Usage>) -> Self {
        let usage = Arc::clone(usage);
        Self { inner, usage }
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let next = Pin::new(&mut self.inner).poll_frame(cx);
        next.map_err(into_wasi).map_ok(|frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.usage.took_in(bytes as u64);
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What a guest learns when the caller's body ends before its end.
fn into_wasi(error: BodyError) -> Error {
    match error {
        BodyError::TooLarge { limit } => Error::HttpRequestBodySize(Some(limit)),
        BodyError::Client(_) => Error::ConnectionTerminated,
        BodyError::Cut { .. } => Error::ConnectionReadTimeout,
        BodyError::Source(_) => Error::HttpProtocolError,
    }
}
