//! A body of which some frames are here already, and which says what it knows of its length.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

/// Frames that are here already, and the body that the others come from.
pub(super) struct Gathered {
    pub(super) frames: VecDeque<Result<Frame<Bytes>, Error>>,
    pub(super) rest: Option<WasiBody>,
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match (self.frames.pop_front(), &mut self.rest) {
            (Some(frame), _) => Poll::Ready(Some(frame)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut here = 0;
        for frame in &self.frames {
            match frame.as_ref().ok().and_then(Frame::data_ref) {
                Some(data) => here += data.len() as u64,
                // Trailers need an answer without a length; an error must not look like an end.
                None => return SizeHint::default(),
            }
        }
        let rest = self
            .rest
            .as_ref()
            .map_or(SizeHint::with_exact(0), Body::size_hint);
        let mut all = SizeHint::new();
        all.set_lower(here + rest.lower());
        if let Some(upper) = rest.upper() {
            all.set_upper(here + upper);
        }
        all
    }
}
