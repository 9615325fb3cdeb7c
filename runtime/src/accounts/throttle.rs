//! How often something may be tried: a few times at once, then at intervals.
//!
//! Each key has a place in a table of fixed size, found by a hash that nobody outside can predict. A
//! place holds one time: when all that was tried will have been paid for at one try an interval. So
//! there is nothing to clean up, and no number of keys takes more memory.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tries of one kind.
pub(super) struct Throttle {
    places: Box<[AtomicU64]>,
    hasher: RandomState,
    interval_ms: u64,
    /// How far a place may be ahead of the clock.
    ahead_ms: u64,
}

/// Too many tries: come back after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) retry_after: Duration,
}

impl Throttle {
    /// `burst` tries at once, then one for each `interval`.
    pub(super) fn new(places: usize, burst: u32, interval: Duration) -> Self {
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Self {
            places: (0..places.max(1)).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            interval_ms,
            ahead_ms: interval_ms.saturating_mul(u64::from(burst)),
        }
    }

    /// Counts a try. It is counted before its outcome is known, or many at once would all be let in;
    /// `now` is the time since any fixed moment.
    pub(super) fn take(&self, key: impl Hash, now: Duration) -> Result<(), TooMany> {
        let Some(place) = self.place(key) else {
            return Ok(());
        };
        let now = millis(now);
        let counted = place.fetch_update(Ordering::AcqRel, Ordering::Acquire, |paid| {
            let next = paid.max(now).saturating_add(self.interval_ms);
            (next <= now.saturating_add(self.ahead_ms)).then_some(next)
        });
        match counted {
            Ok(_) => Ok(()),
            Err(paid) => {
                let next = paid.saturating_add(self.interval_ms);
                let wait = next.saturating_sub(now.saturating_add(self.ahead_ms));
                Err(TooMany {
                    retry_after: Duration::from_millis(wait),
                })
            }
        }
    }

    /// Takes a try back: it was no failure.
    pub(super) fn give_back(&self, key: impl Hash) {
        if let Some(place) = self.place(key) {
            let back = |paid: u64| Some(paid.saturating_sub(self.interval_ms));
            // Always updates: the closure never says no.
            let _ = place.fetch_update(Ordering::AcqRel, Ordering::Acquire, back);
        }
    }

    fn place(&self, key: impl Hash) -> Option<&AtomicU64> {
        let places = u64::try_from(self.places.len()).ok()?;
        let index = self.hasher.hash_one(key).checked_rem(places)?;
        self.places.get(usize::try_from(index).ok()?)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn three_a_minute() -> Throttle {
        Throttle::new(1 << 10, 3, Duration::from_secs(60))
    }

    fn wait(throttle: &Throttle, after_s: u64) -> Option<u64> {
        let tried = throttle.take("ada", START + Duration::from_secs(after_s));
        tried.err().map(|refused| refused.retry_after.as_secs())
    }

    #[test]
    fn a_few_tries_are_free_and_then_they_come_at_intervals() {
        let throttle = three_a_minute();
        for _ in 0..3 {
            assert_eq!(wait(&throttle, 0), None);
        }
        assert_eq!(wait(&throttle, 0), Some(60));
        assert_eq!(wait(&throttle, 20), Some(40), "a refusal costs nothing");
        assert_eq!(wait(&throttle, 60), None);
        assert_eq!(wait(&throttle, 60), Some(60));
        // Long afterwards all is forgotten, and no more than that.
        for _ in 0..3 {
            assert_eq!(wait(&throttle, 10_000), None);
        }
        assert_eq!(wait(&throttle, 10_000), Some(60));
    }

    #[test]
    fn what_was_no_failure_is_given_back() {
        let throttle = three_a_minute();
        for _ in 0..50 {
            assert_eq!(wait(&throttle, 0), None);
            throttle.give_back("ada");
        }
        throttle.give_back("ada");
        let tries = (0..10).filter(|_| wait(&throttle, 0).is_none()).count();
        assert_eq!(tries, 3, "giving back earns nothing");
    }

    #[test]
    fn of_many_at_once_no_more_get_in_than_one_after_the_other() {
        let throttle = Arc::new(three_a_minute());
        let tries = (0..8).map(|_| {
            let throttle = Arc::clone(&throttle);
            std::thread::spawn(move || (0..100).filter(|_| wait(&throttle, 0).is_none()).count())
        });
        let tries: Vec<_> = tries.collect();
        let through: usize = tries.into_iter().map(|tried| tried.join().unwrap()).sum();
        assert_eq!(through, 3);
    }

    #[test]
    fn any_number_of_keys_takes_the_same_memory() {
        let throttle = Throttle::new(16, 3, Duration::from_secs(60));
        let through = (0..10_000_u32).filter(|key| throttle.take(key, START).is_ok());
        assert_eq!(through.count(), 16 * 3);
        assert_eq!(throttle.places.len(), 16);
    }
}
