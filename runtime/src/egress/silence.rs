//! A connection that fails once the other side has been silent for too long. It sits below HTTP,
//! where a stalled answer body is seen no matter who reads it, and on idle pooled connections too.
//!
//! The clock runs only while a read waits: a guest that is slow to read, or a long upload that
//! makes progress, is not silence of the other side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What a connection is made of: a socket, bare or under TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct SilenceLimit {
    stream: Box<dyn Stream>,
    limit: Duration,
    alarm: Pin<Box<Sleep>>,
    clock: Clock,
}

#[derive(PartialEq)]
enum Clock {
    Running,
    Stopped,
}

impl SilenceLimit {
    pub(crate) fn new(stream: Box<dyn Stream>, limit: Duration) -> Self {
        let alarm = Box::pin(tokio::time::sleep(limit));
        Self {
            stream,
            limit,
            alarm,
            clock: Clock::Stopped,
        }
    }

    fn start_clock(&mut self) {
        if self.clock == Clock::Stopped {
            self.alarm.as_mut().reset(Instant::now() + self.limit);
            self.clock = Clock::Running;
        }
    }

    /// Bytes that leave push the alarm back, so that it goes off only after both ways were still.
    fn note_write(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = written
            && self.clock == Clock::Running
        {
            self.alarm.as_mut().reset(Instant::now() + self.limit);
        }
    }
}

impl AsyncRead for SilenceLimit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            self.clock = Clock::Stopped;
            return Poll::Ready(read);
        }
        self.start_clock();
        ready!(self.alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for SilenceLimit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connection for SilenceLimit {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair(limit: Duration) -> (SilenceLimit, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        (SilenceLimit::new(Box::new(near), limit), far)
    }

    #[tokio::test]
    async fn a_silent_peer_is_given_up_after_the_limit() {
        let limit = Duration::from_millis(20);
        let (mut near, _far) = pair(limit);
        let started = Instant::now();
        let error = near.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= limit);
    }

    #[tokio::test]
    async fn bytes_that_are_there_are_never_late() {
        // With no time at all, only what has to be waited for can fail.
        let (mut near, mut far) = pair(Duration::ZERO);
        far.write_all(b"ab").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'a');
        assert_eq!(near.read_u8().await.unwrap(), b'b');
        assert!(near.read_u8().await.is_err());
    }
}
