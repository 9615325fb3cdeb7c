//! One run of a function: who it acts for, in which project, and what it may still spend.
//!
//! An invocation belongs to a root call of a guest, never to a store: a shared instance serves many
//! invocations at once. The engine makes one per trigger and the adapter looks it up on every host
//! call; nothing here touches the network or a clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use koyalite_policy::{FunctionName, Identity, ProjectName, Schema};
use uuid::Uuid;

use crate::db::{Database, Mirror, Told};
use crate::error::HostError;
use crate::files::Files;
use crate::limits;
use crate::relationship::Relationship;
use crate::tables::{Reads, TransactionSlot};
use crate::usage::Usage;
use crate::vectors::Vectors;

/// What a host call needs to know of the tenant. One per project and schema version, shared by all
/// of its invocations.
#[derive(Clone)]
pub struct Project {
    /// The project's id.
    pub id: Uuid,
    /// The project's name, for messages and logs.
    pub name: ProjectName,
    /// Tables and policies as of this invocation's start.
    pub schema: Arc<Schema>,
    /// Which tables refer to which, as of the same moment.
    pub relationships: Arc<[Relationship]>,
    /// What rows are found by that are near, as of the same moment.
    pub vectors: Arc<Vectors>,
    /// The project's own connections, under the project's own Postgres role.
    pub database: Database,
    /// Whether Postgres enforces the policies too, and so has to be told who asks.
    pub mirror: Mirror,
    /// Where reads of its tables are put on record, if they are.
    pub reads: Reads,
    /// Where its files lie, and what it takes.
    pub files: Files,
    /// Rows of a select at most; [`limits::SELECT_ROWS`] unless the function's manifest says otherwise.
    pub select_rows: u32,
}

impl Project {
    /// Whether this stands for no project at all, as in `koyalite run`: the nil id is nobody's.
    pub fn is_none(&self) -> bool {
        self.id.is_nil()
    }

    /// What Postgres has to be told before it does anything for this caller.
    pub(crate) fn told(&self, identity: &Identity) -> Option<Told> {
        match self.mirror {
            Mirror::Off => None,
            // Any statement may come to a mirrored table, by an embed or inside a policy.
            Mirror::On | Mirror::Tables(_) => Some(Told::of(identity)),
        }
    }
}

/// One run of a function, whatever triggered it.
pub struct Invocation {
    /// The invocation's id; the request id on HTTP, the run id on cron.
    pub id: Uuid,
    /// The tenant.
    pub project: Arc<Project>,
    /// The function that runs.
    pub function: FunctionName,
    /// The version of it.
    pub version: u32,
    /// Who it acts for.
    pub identity: Identity,
    /// The manifest's `[config]`.
    pub config: Arc<BTreeMap<String, String>>,
    /// Where the guest's log lines go.
    pub log: GuestLog,
    /// How many host calls it may still make.
    pub calls: CallBudget,
    /// Whether it has a transaction open.
    pub transaction: TransactionSlot,
    /// What it has used so far.
    pub usage: Arc<Usage>,
}

/// Host calls left to an invocation. Counted, because a guest that loops over cheap host calls
/// spends the database's time rather than its own CPU.
#[derive(Debug)]
pub struct CallBudget {
    all: u32,
    left: AtomicU32,
}

impl Default for CallBudget {
    fn default() -> Self {
        Self::of(limits::HOST_CALLS)
    }
}

impl CallBudget {
    /// So many calls.
    #[must_use]
    pub fn of(calls: u32) -> Self {
        Self {
            all: calls,
            left: AtomicU32::new(calls),
        }
    }

    /// Takes one call from the budget.
    ///
    /// # Errors
    /// `host_calls_limit` when nothing is left.
    pub fn take(&self) -> Result<(), HostError> {
        self.take_many(1)
    }

    /// Takes so many calls from the budget, or none.
    ///
    /// # Errors
    /// `host_calls_limit` where fewer are left.
    pub fn take_many(&self, calls: u32) -> Result<(), HostError> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(calls)
            })
            .map(drop)
            .map_err(|_| HostError::host_calls_limit(self.all))
    }
}

/// What one invocation may log unless its manifest says otherwise: enough to follow a request, too little to
/// fill a disk.
pub const LOG_BYTES_MAX: usize = 64 * 1024;

/// The longest line. A stack trace or a small payload fits.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For the developer.
    Debug,
    /// For the record.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}

/// Where finished lines go. The process implements it; a test may collect.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line, already within the limits.
    fn line(&self, level: LogLevel, message: String);
}

/// The log of one invocation: cuts long lines, and ends with a line that says so when the
/// invocation has written its share.
pub struct GuestLog {
    sink: Box<dyn LogSink>,
    share_bytes: usize,
    left_bytes: AtomicUsize,
}

impl fmt::Debug for GuestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestLog")
            .field("left_bytes", &self.left_bytes)
            .finish_non_exhaustive()
    }
}

impl GuestLog {
    /// A log that hands its lines to `sink`.
    #[must_use]
    pub fn new(sink: impl LogSink) -> Self {
        Self::of(LOG_BYTES_MAX, sink)
    }

    /// The same for so many bytes.
    #[must_use]
    pub fn of(share_bytes: usize, sink: impl LogSink) -> Self {
        Self {
            sink: Box::new(sink),
            share_bytes,
            left_bytes: AtomicUsize::new(share_bytes),
        }
    }

    /// How many bytes it takes in all.
    #[must_use]
    pub fn share_bytes(&self) -> usize {
        self.share_bytes
    }

    /// Writes a line of the host's own, which is not of the guest's share: the guest may have used
    /// that up before it failed.
    pub fn note(&self, level: LogLevel, message: &str) {
        self.sink.line(level, cut(message, LOG_LINE_BYTES_MAX));
    }

    /// Writes one line, as far as the limits allow.
    pub fn write(&self, level: LogLevel, message: &str) {
        let line = cut(message, LOG_LINE_BYTES_MAX);
        // A line costs at least one byte, so that endless empty lines end as well.
        let cost = line.len().max(1);
        let before = self
            .left_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left > 0).then(|| left.saturating_sub(cost))
            });
        match before {
            Err(_) => {}
            Ok(left) if left > cost => self.sink.line(level, line),
            Ok(_) => self.sink.line(
                LogLevel::Warn,
                format!(
                    "log truncated: this invocation wrote {} KiB; `log_kib` in [limits] of the function's \
                     manifest raises that",
                    self.share_bytes / 1024
                ),
            ),
        }
    }
}

/// The longest prefix of at most `max` bytes that ends on a character, marked if it is not all.
fn cut(message: &str, max: usize) -> String {
    if message.len() <= max {
        return message.to_owned();
    }
    let end = (0..=max)
        .rev()
        .find(|&i| message.is_char_boundary(i))
        .unwrap_or(0);
    format!(
        "{}… (line truncated)",
        message.get(..end).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<String>>>);

    impl LogSink for Collected {
        fn line(&self, _: LogLevel, message: String) {
            self.0.lock().unwrap().push(message);
        }
    }

    #[test]
    fn a_long_line_is_cut_on_a_character() {
        let text = "é".repeat(LOG_LINE_BYTES_MAX);
        let line = cut(&text, LOG_LINE_BYTES_MAX);
        assert!(line.ends_with("… (line truncated)"));
        assert!(line.len() < LOG_LINE_BYTES_MAX + 32);
    }

    #[test]
    fn a_flood_ends_with_one_line_that_says_so() {
        let lines = Collected::default();
        let log = GuestLog::new(lines.clone());
        for _ in 0..100_000 {
            log.write(LogLevel::Info, "0123456789");
        }
        let lines = lines.0.lock().unwrap();
        assert!(lines.last().unwrap().starts_with("log truncated"));
        assert_eq!(
            lines
                .iter()
                .filter(|l| l.starts_with("log truncated"))
                .count(),
            1
        );
        assert!(lines.len() <= LOG_BYTES_MAX / 10 + 1);
    }

    #[test]
    fn the_call_budget_runs_out() {
        let budget = CallBudget::default();
        for _ in 0..limits::HOST_CALLS {
            budget.take().unwrap();
        }
        assert_eq!(budget.take().unwrap_err().code(), "host_calls_limit");
    }
}
