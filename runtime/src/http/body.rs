//! Bodies: one boxed type for both directions, and the counting wrapper that bounds it.
//!
//! Nothing here collects a stream by itself; only [`collect`] does, and only up to a limit. The
//! limits themselves belong to the callers (manifest, operator, component size).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

use super::Code;

/// A body in either direction. `UnsyncBoxBody`, because a guest's stream is `Send` but not `Sync`.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a stream ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes came than the receiver takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes that would have been accepted.
        limit: u64,
    },
    /// The client went away or broke the framing: its fault, not the guest's.
    #[error("the client's body could not be read")]
    Client(#[source] hyper::Error),
    /// A limit of the host ended the stream; the code says which.
    #[error("the stream was cut: {code}")]
    Cut {
        /// The limit, as in a problem document.
        code: Code,
    },
    /// Whatever produced the bytes failed: the guest, or the peer of an outbound call.
    #[error("the source of the body failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A body without bytes. Does not allocate.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Tells whoever did not read a body whether it went over its limit.
#[derive(Debug, Clone, Default)]
pub struct Overrun(Arc<AtomicBool>);

impl Overrun {
    /// True from the moment that a byte too many arrived.
    pub fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Wraps `body` so that the byte after `limit` is an error instead of a byte.
pub fn limited(body: Body, limit: u64, overrun: &Overrun) -> Body {
    // A length known to fit needs no counting: hyper never delivers more than was declared.
    if body.size_hint().upper().is_some_and(|upper| upper <= limit) {
        return body;
    }
    Limited {
        inner: body,
        limit,
        left: limit,
        overrun: overrun.clone(),
    }
    .boxed_unsync()
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`BodyError::TooLarge`] past the limit, or whatever the stream itself reports.
pub async fn collect(body: Body, limit: u64) -> Result<Bytes, BodyError> {
    Ok(limited(body, limit, &Overrun::default())
        .collect()
        .await?
        .to_bytes())
}

/// Counts bytes while they pass.
struct Limited {
    inner: Body,
    limit: u64,
    left: u64,
    overrun: Overrun,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(cx)).transpose()? else {
            return Poll::Ready(None);
        };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.overrun.0.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit })));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;

    fn chunks(sizes: &[usize]) -> Body {
        let frames: Vec<_> = sizes
            .iter()
            .map(|n| Ok(Frame::data(Bytes::from(vec![b'x'; *n]))))
            .collect();
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    async fn check(sizes: &[usize], limit: u64, expected: Option<usize>) {
        let got = collect(chunks(sizes), limit).await;
        match (got, expected) {
            (Ok(bytes), Some(length)) => assert_eq!(bytes.len(), length),
            (Err(BodyError::TooLarge { limit: said }), None) => assert_eq!(said, limit),
            (got, expected) => panic!("{sizes:?} under {limit}: {got:?}, expected {expected:?}"),
        }
    }

    #[tokio::test]
    async fn a_stream_is_cut_at_the_first_byte_over_the_limit() {
        check(&[], 0, Some(0)).await;
        check(&[4, 4], 8, Some(8)).await;
        check(&[4, 4, 1], 8, None).await;
        check(&[9], 8, None).await;
        check(&[1], 0, None).await;
    }

    #[tokio::test]
    async fn a_body_in_memory_is_bounded_too() {
        assert!(collect(full("12345"), 5).await.is_ok());
        assert!(matches!(
            collect(full("123456"), 5).await,
            Err(BodyError::TooLarge { limit: 5 })
        ));
        assert!(empty().is_end_stream());
    }
}
