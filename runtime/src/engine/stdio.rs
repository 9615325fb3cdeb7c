//! A guest's standard output and error, as lines of its log.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use koyalite_host_api::{GuestLog, LogLevel};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of a line that has not ended yet. What is longer is written in pieces.
const LINE_BYTES_MAX: usize = koyalite_host_api::LOG_LINE_BYTES_MAX;

/// What a guest may hand over in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Where `println!` and `eprintln!` of one store go. On a shared instance nobody can tell which
/// request printed a line, so the log is then the instance's and not an invocation's.
#[derive(Clone)]
pub struct GuestStdio(Arc<GuestLog>);

impl GuestStdio {
    /// Output into this log.
    pub(super) const fn new(log: Arc<GuestLog>) -> Self {
        Self(log)
    }

    pub(super) fn stdout(&self) -> impl StdoutStream + 'static {
        Lines::new(Arc::clone(&self.0), LogLevel::Info)
    }

    pub(super) fn stderr(&self) -> impl StdoutStream + 'static {
        Lines::new(Arc::clone(&self.0), LogLevel::Warn)
    }
}

/// Splits a byte stream into lines.
#[derive(Clone)]
struct Lines {
    log: Arc<GuestLog>,
    level: LogLevel,
    pending: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    fn new(log: Arc<GuestLog>, level: LogLevel) -> Self {
        Self {
            log,
            level,
            pending: Arc::default(),
        }
    }

    fn push(&self, bytes: &[u8]) {
        let Ok(mut pending) = self.pending.lock() else {
            return;
        };
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(pending.len());
            pending.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") || pending.len() >= LINE_BYTES_MAX {
                self.finish(&pending);
                pending.clear();
            }
        }
    }

    fn finish(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        self.log
            .write(self.level, text.trim_end_matches(['\r', '\n']));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // The last clone writes what never got its newline: often the most interesting line.
        if Arc::strong_count(&self.pending) == 1
            && let Ok(pending) = self.pending.lock()
            && !pending.is_empty()
        {
            self.finish(&pending);
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The default would write from a task of its own, which dies with the store: a guest's panic
    // message, its last words, would be lost.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
