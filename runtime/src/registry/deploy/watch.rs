//! How the calls of a version end, counted on this node while its deployment may be taken back by itself.
//!
//! Every thread counts in a place of its own: on the way of a request this is two additions that nobody
//! else writes beside. Who looks adds them up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::rule::{AutoRollback, Counts};

/// Threads beyond that share places; the counts stay right.
const PLACES: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's place.
    static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
}

/// Counters on a line of the cache that no other thread writes to.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Place {
    requests: AtomicU64,
    errors: AtomicU64,
    slow: AtomicU64,
}

/// The calls of a version while a deployment serves it.
#[derive(Debug)]
pub struct Watch {
    /// The deployment that is taken back, if it comes to that.
    pub deployment: Uuid,
    /// The version whose calls count.
    pub version: Uuid,
    /// What may go wrong at most.
    pub rule: AutoRollback,
    places: [Place; PLACES],
}

impl Watch {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(deployment: Uuid, version: Uuid, rule: AutoRollback) -> Self {
        Self {
            deployment,
            version,
            rule,
            places: Default::default(),
        }
    }

    /// A call was answered with a head, after that time.
    pub fn answered(&self, status: http::StatusCode, took: Duration) {
        self.count(status.is_server_error(), took);
    }

    /// A call ended without an answer, by the function's fault.
    pub fn failed(&self, took: Duration) {
        self.count(true, took);
    }

    /// An answer that had begun well was cut, by the function's fault.
    pub fn cut(&self) {
        self.mine(|place| &place.errors);
    }

    fn count(&self, is_error: bool, took: Duration) {
        self.mine(|place| &place.requests);
        if is_error {
            self.mine(|place| &place.errors);
        }
        if self.rule.slow().is_some_and(|most| took > most) {
            self.mine(|place| &place.slow);
        }
    }

    fn mine(&self, counter: impl Fn(&Place) -> &AtomicU64) {
        if let Some(place) = self.places.get(MINE.with(|mine| *mine)) {
            counter(place).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let sum = |counter: fn(&Place) -> &AtomicU64| {
            let places = self.places.iter();
            places.map(|it| counter(it).load(Ordering::Relaxed)).sum()
        };
        Counts {
            requests: sum(|place| &place.requests),
            errors: sum(|place| &place.errors),
            slow: sum(|place| &place.slow),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn calls_on_all_threads_are_counted_once_each() {
        let rule = AutoRollback {
            error_percent_max: Some(1),
            p99_ms_max: Some(10),
            window_s: 60,
            requests_min: 1,
        };
        let watch = Watch::new(Uuid::nil(), Uuid::nil(), rule);
        let (fast, slow) = (Duration::from_millis(10), Duration::from_millis(11));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        watch.answered(StatusCode::OK, fast);
                    }
                    watch.answered(StatusCode::NOT_FOUND, slow);
                    watch.answered(StatusCode::BAD_GATEWAY, fast);
                    watch.failed(slow);
                    watch.cut();
                });
            }
        });
        let expected = Counts {
            requests: 20 * 103,
            errors: 20 * 3,
            slow: 20 * 2,
        };
        assert_eq!(watch.counts(), expected);
    }
}
