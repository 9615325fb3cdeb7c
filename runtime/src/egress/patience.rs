//! How long one request waits, where whoever sends it wants less than the connector's own limits. What
//! asks for more gets those.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};

use crate::silence::Silence;

/// The limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection is made. A pooled one is there at once.
    pub connect: Option<Duration>,
    /// Until the answer's head is there.
    pub first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub between_bytes: Duration,
}

tokio::task_local! {
    /// The connector below a pooled client is told the address alone; the rest reaches it this way,
    /// because a dial begins in the task that asks for it.
    static CONNECT: Duration;
}

/// How long the dial that begins now may take, if its request says.
pub(super) fn connect_limit() -> Option<Duration> {
    CONNECT.try_with(|limit| *limit).ok()
}

impl Patience {
    /// So long for the answer and each piece of it.
    #[must_use]
    pub fn of(limit: Duration) -> Self {
        Self {
            connect: None,
            first_byte: limit,
            between_bytes: limit,
        }
    }

    /// Waits for a request with its dial under this limit.
    pub(super) async fn dialling<F: Future>(self, request: F) -> F::Output {
        match self.connect {
            Some(limit) => CONNECT.scope(limit, request).await,
            None => request.await,
        }
    }
}

/// A body that ends in an error where nothing comes for too long.
pub struct Paced<B, E> {
    inner: B,
    limit: Duration,
    late: fn() -> E,
    silence: Silence,
}

impl<B, E> Paced<B, E> {
    /// Gives the body so long between two pieces; `late` is the error in place of the next.
    pub fn new(inner: B, limit: Duration, late: fn() -> E) -> Self {
        Self {
            inner,
            limit,
            late,
            silence: Silence::default(),
        }
    }
}

impl<B: Body<Error = E> + Unpin, E> Body for Paced<B, E> {
    type Data = B::Data;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, E>>> {
        let next = Pin::new(&mut self.inner).poll_frame(cx);
        if next.is_ready() {
            self.silence.broken();
            return next;
        }
        let (limit, late) = (self.limit, self.late);
        self.silence.poll(limit, cx).map(|()| Some(Err(late())))
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
    use bytes::Bytes;
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_body_that_pauses_too_long_ends_in_an_error() {
        let piece = || Ok::<_, &str>(Frame::data(Bytes::from_static(b"a")));
        let pieces = stream::iter([piece(), piece()]).chain(stream::pending());
        let limit = Duration::from_millis(50);
        let mut body = Paced::new(StreamBody::new(pieces), limit, || "late");
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_ok());
        let before = Instant::now();
        assert_eq!(body.frame().await.unwrap().err(), Some("late"));
        assert!(before.elapsed() >= limit);
    }
}
