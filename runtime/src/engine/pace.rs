//! Whether a component's calls take long at a stretch, judged by the latest ones.
//!
//! The first slice of a call is used on the thread of its connection, where others wait behind it. For
//! one call that is bearable; a hundred that all spin would hold that thread for a second. So after
//! one that took long, those that follow begin elsewhere, for a while, and for as long as those keep taking
//! long.
//!
//! Long is less than a slice: a call that spins is made to return at the next tick of the epoch, which
//! is near as often as far, and a hundred of them would each have a turn before one has used a slice. After one
//! that has used its slice and goes on, those that follow need a CPU permit for theirs too: a hundred first
//! slices at once are as bad for everybody as what follows them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// At a stretch this is long. To begin elsewhere costs some twenty microseconds, a hundredth of it.
pub(super) const LONG: Duration = Duration::from_millis(2);

/// How long one call is held against the others: they cost the thread a hundredth of its time at most.
const REMEMBERED: Duration = Duration::from_secs(1);

/// What is remembered.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    /// Until when, in milliseconds from `since`; 0 where there is nothing to remember.
    long_until: AtomicU64,
    /// The same of calls that used their slice.
    spent_until: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            long_until: AtomicU64::new(0),
            spent_until: AtomicU64::new(0),
        }
    }
}

impl Pace {
    /// A call has used this much at a stretch, here or elsewhere.
    pub(super) fn was_long(&self) {
        self.remember(&self.long_until);
    }

    /// A call has used its slice, here or elsewhere.
    pub(super) fn was_spent(&self) {
        self.remember(&self.long_until);
        self.remember(&self.spent_until);
    }

    /// Whether the next call is likely to take long.
    pub(super) fn is_long(&self) -> bool {
        self.is_remembered(&self.long_until)
    }

    /// Whether it is likely to use its slice.
    pub(super) fn is_spent(&self) -> bool {
        self.is_remembered(&self.spent_until)
    }

    fn remember(&self, until: &AtomicU64) {
        let end = self.since.elapsed() + REMEMBERED;
        // Nothing else depends on it.
        until.store(millis(end), Ordering::Relaxed);
    }

    fn is_remembered(&self, until: &AtomicU64) -> bool {
        let until = until.load(Ordering::Relaxed);
        until != 0 && millis(self.since.elapsed()) < until
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_call_is_remembered_and_nothing_is_at_first() {
        let pace = Pace::default();
        assert!(!pace.is_long());
        pace.was_long();
        assert!(pace.is_long() && !pace.is_spent());
        pace.was_spent();
        assert!(pace.is_long() && pace.is_spent());
        let until = || AtomicU64::new(millis(REMEMBERED));
        let of_old = Pace {
            since: Instant::now() - 2 * REMEMBERED,
            long_until: until(),
            spent_until: until(),
        };
        assert!(!of_old.is_long() && !of_old.is_spent());
    }
}
