//! Passes what Postgres logs on to our own log, and remembers its last words for error messages.
//!
//! The server is set up (see `start`) to log no statement and no error of a statement, so nothing
//! a tenant stores comes by here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;

/// Enough for the message that matters and the ones around it.
const REMEMBERED_LINES_MAX: usize = 20;

/// A dead server's pipe closes at once, unless an orphan still holds it.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Follows the log of one server.
#[derive(Debug)]
pub(super) struct Log {
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    last: Mutex<VecDeque<String>>,
    stopping: AtomicBool,
}

impl Log {
    /// Follows until the pipe closes. Needs a runtime.
    pub(super) fn follow(pipe: ChildStderr) -> Self {
        let shared = Arc::<Shared>::default();
        let reader = tokio::spawn(forward(pipe, Arc::clone(&shared)));
        Self { shared, reader }
    }

    /// From now on nothing is a warning: sessions being cut off is what we asked for.
    pub(super) fn expect_shutdown(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    /// What the server said last, as one line. Waits for the rest of a server that has just died.
    pub(super) async fn last_words(&mut self) -> String {
        // Late lines are worth a moment; an orphan that never closes the pipe is not worth more.
        let _drained_or_late = tokio::time::timeout(DRAIN_MAX, &mut self.reader).await;
        let last = self
            .shared
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_empty() {
            return "it logged nothing".to_owned();
        }
        last.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

async fn forward(pipe: ChildStderr, shared: Arc<Shared>) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    let mut severity = Severity::Quiet;
    loop {
        bytes.clear();
        // An unreadable pipe is a closed one: the server does not depend on us reading it.
        if !matches!(pipe.read_until(b'\n', &mut bytes).await, Ok(1..)) {
            return;
        }
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end();
        severity = severity_of(line, severity);
        match severity {
            Severity::Loud if !shared.stopping.load(Ordering::Relaxed) => {
                tracing::warn!(target: "koyalite::postgres", "{line}");
            }
            Severity::Loud | Severity::Quiet => {
                tracing::debug!(target: "koyalite::postgres", "{line}");
            }
        }
        let mut last = shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == REMEMBERED_LINES_MAX {
            last.pop_front();
        }
        last.push_back(line.trim_start().to_owned());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Quiet,
    Loud,
}

/// A line that continues a message (it starts with a tab) has the severity of its first line.
fn severity_of(line: &str, previous: Severity) -> Severity {
    if line.starts_with('\t') {
        return previous;
    }
    let word = line.split(':').next().unwrap_or_default();
    match word.trim() {
        "WARNING" | "ERROR" | "FATAL" | "PANIC" => Severity::Loud,
        _ => Severity::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_follows_the_first_word_and_its_continuations() {
        use Severity::{Loud, Quiet};
        let check = |line: &str, previous, wanted| {
            assert_eq!(severity_of(line, previous), wanted, "{line}");
        };
        check(
            "LOG:  database system is ready to accept connections",
            Loud,
            Quiet,
        );
        check(
            "FATAL:  could not create shared memory segment",
            Quiet,
            Loud,
        );
        check("\tand more", Loud, Loud);
        check("\tand more", Quiet, Quiet);
        check("sh: something else: FATAL", Quiet, Quiet);
        check("", Loud, Quiet);
    }
}
