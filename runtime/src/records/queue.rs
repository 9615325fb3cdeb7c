//! The bounded queue between what happens and the writer, and what is kept when it fills up.
//!
//! Nobody waits here. Failures have a reserve of their own; successes are sampled when room gets
//! scarce; everything that is dropped is counted by kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::mpsc;

use super::limits::{RESERVE_LINES_MAX, SAMPLED_ONE_IN};
use super::line::{Stored, Weight};

/// Lines that were not kept since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Failed invocations.
    pub failures: u64,
    /// Successful invocations.
    pub successes: u64,
    /// Lines of guests.
    pub logs: u64,
}

/// The sending side.
#[derive(Debug)]
pub(super) struct Queue {
    lines: mpsc::Sender<Arc<Stored>>,
    reserve: mpsc::Sender<Arc<Stored>>,
    successes: AtomicU64,
    counts: Arc<Counts>,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) lines: mpsc::Receiver<Arc<Stored>>,
    pub(super) reserve: mpsc::Receiver<Arc<Stored>>,
}

/// Counters of what was dropped, by the queue or by a disk that took no more.
#[derive(Debug, Default)]
pub(super) struct Counts {
    failures: AtomicU64,
    successes: AtomicU64,
    logs: AtomicU64,
}

/// A queue for `lines_max` lines and a reserve for failures.
pub(super) fn new(lines_max: usize) -> (Queue, Incoming) {
    let (lines, lines_in) = mpsc::channel(lines_max.max(1));
    let (reserve, reserve_in) = mpsc::channel(RESERVE_LINES_MAX);
    let queue = Queue {
        lines,
        reserve,
        successes: AtomicU64::new(0),
        counts: Arc::new(Counts::default()),
    };
    (
        queue,
        Incoming {
            lines: lines_in,
            reserve: reserve_in,
        },
    )
}

impl Queue {
    pub(super) fn put(&self, stored: Arc<Stored>) {
        let weight = stored.weight();
        let kept = match weight {
            Weight::Log => self.lines.try_send(stored).is_ok(),
            Weight::Success => self.has_room_for_success() && self.lines.try_send(stored).is_ok(),
            Weight::Failure => match self.lines.try_send(stored) {
                Ok(()) => true,
                Err(full) => self.reserve.try_send(full.into_inner()).is_ok(),
            },
        };
        if !kept {
            self.counts.count(weight);
        }
    }

    pub(super) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    fn has_room_for_success(&self) -> bool {
        if self.lines.capacity() * 4 >= self.lines.max_capacity() {
            return true;
        }
        self.successes
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(SAMPLED_ONE_IN)
    }
}

impl Counts {
    pub(super) fn count(&self, weight: Weight) {
        let counter = match weight {
            Weight::Failure => &self.failures,
            Weight::Success => &self.successes,
            Weight::Log => &self.logs,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> Dropped {
        Dropped {
            failures: self.failures.load(Ordering::Relaxed),
            successes: self.successes.load(Ordering::Relaxed),
            logs: self.logs.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use uuid::Uuid;

    use super::super::line::{InvocationRecord, InvocationRef, Level, Outcome, Trigger};
    use super::*;

    fn of() -> InvocationRef {
        let function = "hello".parse().unwrap();
        InvocationRef {
            project: Uuid::nil(),
            function,
            version: 1,
            invocation: Uuid::nil(),
        }
    }

    fn end(outcome: Outcome) -> Arc<Stored> {
        let record = InvocationRecord {
            of: of(),
            trigger: Trigger::Http,
            duration: std::time::Duration::ZERO,
            outcome,
            used: koyalite_host_api::Used::default(),
        };
        Arc::new(Stored::invocation(record, Utc::now()))
    }

    fn failure() -> Arc<Stored> {
        end(Outcome::Failed {
            status: None,
            reason: String::new(),
        })
    }

    #[test]
    fn a_full_queue_still_takes_failures_and_counts_the_rest() {
        let (queue, mut incoming) = new(64);
        for _ in 0..200 {
            let line = Stored::guest(of(), Level::Error, String::new(), Utc::now());
            queue.put(Arc::new(line));
        }
        queue.put(end(Outcome::Ran));
        for _ in 0..10 {
            queue.put(failure());
        }
        let dropped = queue.counts().dropped();
        assert_eq!(
            dropped,
            Dropped {
                failures: 0,
                successes: 1,
                logs: 136
            }
        );
        assert_eq!(
            std::iter::from_fn(|| incoming.reserve.try_recv().ok()).count(),
            10
        );
        assert_eq!(
            std::iter::from_fn(|| incoming.lines.try_recv().ok()).count(),
            64
        );
    }

    #[test]
    fn successes_are_sampled_when_room_gets_scarce() {
        let (queue, _incoming) = new(64);
        for _ in 0..100 {
            queue.put(end(Outcome::Answered(200)));
        }
        // 49 leave less than a quarter free; of the other 51 every 16th is kept.
        assert_eq!(queue.counts().dropped().successes, 51 - 4);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let (queue, _incoming) = new(8);
        for _ in 0..RESERVE_LINES_MAX + 100 {
            queue.put(failure());
        }
        assert_eq!(queue.counts().dropped().failures, 92);
    }
}
