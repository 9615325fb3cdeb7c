//! When a deployment is taken back by itself: what may go wrong at most, judged by counts alone. Pure.
//!
//! A percentile over a threshold is counted, not measured: more than one call in a hundred took longer.
//! That is exact, and needs two counters and no histogram.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The shortest and the longest look back: a burst is not judged by a second, nor a fault after hours.
const WINDOW_S: std::ops::RangeInclusive<u32> = 5..=3600;
const WINDOW_S_USUAL: u32 = 60;

/// So many calls before anything is judged; one failure among three says nothing.
const REQUESTS_MIN_USUAL: u32 = 50;
const REQUESTS_MIN_MAX: u32 = 1_000_000;

/// As the longest wait for a first byte that a manifest may ask for.
const P99_MS_MAX: u32 = 300_000;

/// What may go wrong at most, of the calls of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AutoRollback {
    /// Percent of the calls that may fail: a status from 500, a trap, a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_percent_max: Option<u32>,
    /// How long 99 of 100 calls may take to their first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms_max: Option<u32>,
    /// How far back is looked.
    #[serde(default = "usual_window")]
    pub window_s: u32,
    /// Fewer calls than that within it are not judged.
    #[serde(default = "usual_requests")]
    pub requests_min: u32,
}

const fn usual_window() -> u32 {
    WINDOW_S_USUAL
}

const fn usual_requests() -> u32 {
    REQUESTS_MIN_USUAL
}

impl AutoRollback {
    /// What is wrong with it: each field, and what would be right.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if self.error_percent_max.is_none() && self.p99_ms_max.is_none() {
            let message = "say what may go wrong at most: error_percent_max, p99_ms_max or both";
            wrong.push(("error_percent_max", message.to_owned()));
        }
        let mut within = |field, value: Option<u32>, range: std::ops::RangeInclusive<u32>| {
            if value.is_some_and(|value| !range.contains(&value)) {
                let (least, most) = range.into_inner();
                wrong.push((
                    field,
                    format!("write a whole number from {least} to {most}"),
                ));
            }
        };
        within("error_percent_max", self.error_percent_max, 0..=99);
        within("p99_ms_max", self.p99_ms_max, 1..=P99_MS_MAX);
        within("window_s", Some(self.window_s), WINDOW_S);
        within(
            "requests_min",
            Some(self.requests_min),
            1..=REQUESTS_MIN_MAX,
        );
        wrong
    }

    /// How far back is looked.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window_s.into())
    }

    /// Above which a call counts as slow.
    #[must_use]
    pub fn slow(&self) -> Option<Duration> {
        let ms = self.p99_ms_max.map(u64::from);
        ms.map(Duration::from_millis)
    }

    /// What was crossed by the calls of one window, if anything was.
    #[must_use]
    pub fn judge(&self, seen: Counts) -> Option<Crossed> {
        if seen.requests < u64::from(self.requests_min) {
            return None;
        }
        let over = |part: u64, percent: u32| part * 100 > seen.requests * u64::from(percent);
        let failed = self.error_percent_max.filter(|it| over(seen.errors, *it));
        let slow = self.p99_ms_max.filter(|_| over(seen.slow, 1));
        match (failed, slow) {
            (Some(percent), _) => Some(Crossed::Errors { seen, percent }),
            (None, Some(ms)) => Some(Crossed::P99 { seen, ms }),
            (None, None) => None,
        }
    }
}

/// Calls, and what went wrong with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that took longer than they may.
    pub slow: u64,
}

impl Counts {
    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(others.requests),
            errors: self.errors.saturating_add(others.errors),
            slow: self.slow.saturating_add(others.slow),
        }
    }

    /// What came since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            slow: self.slow.saturating_sub(before.slow),
        }
    }
}

/// What was crossed, with the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossed {
    /// Too many calls failed.
    Errors {
        /// The calls of the window.
        seen: Counts,
        /// How many of a hundred may.
        percent: u32,
    },
    /// Too many calls were slow.
    P99 {
        /// The calls of the window.
        seen: Counts,
        /// How long they may take.
        ms: u32,
    },
}

impl Crossed {
    /// The calls that it was judged by.
    #[must_use]
    pub const fn seen(&self) -> Counts {
        match self {
            Self::Errors { seen, .. } | Self::P99 { seen, .. } => *seen,
        }
    }
}

impl fmt::Display for Crossed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors { seen, percent } => {
                let Counts {
                    requests, errors, ..
                } = seen;
                write!(
                    f,
                    "{errors} of {requests} calls failed; at most {percent} % may"
                )
            }
            Self::P99 { seen, ms } => {
                let Counts { requests, slow, .. } = seen;
                write!(
                    f,
                    "{slow} of {requests} calls took over {ms} ms; at most 1 % may"
                )
            }
        }
    }
}

/// The counts of a while back, so that what came within a window is known.
#[derive(Debug, Default)]
pub struct Window(VecDeque<(Instant, Counts)>);

impl Window {
    /// Takes the counts of now, and answers what came within the time before.
    pub fn look(&mut self, now: Instant, length: Duration, counts: Counts) -> Counts {
        if self.0.is_empty() {
            // What was counted before anybody looked is new too.
            self.0.push_back((now, Counts::default()));
        }
        self.0.push_back((now, counts));
        // The last one that is as old as the window, or the first that there is, is where it begins.
        while let Some((second, _)) = self.0.get(1)
            && now.duration_since(*second) >= length
        {
            self.0.pop_front();
        }
        let begun = self.0.front().map_or(counts, |(_, begun)| *begun);
        counts.since(begun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: AutoRollback = AutoRollback {
        error_percent_max: Some(5),
        p99_ms_max: Some(200),
        window_s: 60,
        requests_min: 50,
    };

    fn counts(requests: u64, errors: u64, slow: u64) -> Counts {
        Counts {
            requests,
            errors,
            slow,
        }
    }

    fn check(requests: u64, errors: u64, slow: u64, said: Option<&str>) {
        let crossed = RULE.judge(counts(requests, errors, slow));
        let text = crossed.map(|it| it.to_string());
        assert_eq!(text.as_deref(), said);
    }

    #[test]
    fn what_is_crossed_is_said_with_its_figures() {
        check(0, 0, 0, None);
        check(49, 49, 49, None);
        check(100, 5, 1, None);
        check(100, 6, 1, Some("6 of 100 calls failed; at most 5 % may"));
        check(
            100,
            0,
            2,
            Some("2 of 100 calls took over 200 ms; at most 1 % may"),
        );
        check(100, 6, 2, Some("6 of 100 calls failed; at most 5 % may"));
        check(50, 50, 0, Some("50 of 50 calls failed; at most 5 % may"));
        let errors_alone = AutoRollback {
            p99_ms_max: None,
            ..RULE
        };
        assert_eq!(errors_alone.judge(counts(100, 0, 100)), None);
    }

    #[test]
    fn a_rule_names_what_is_wrong_with_it() {
        let fields = |rule: AutoRollback| -> Vec<_> {
            rule.mistakes()
                .into_iter()
                .map(|(field, _)| field)
                .collect()
        };
        assert!(fields(RULE).is_empty());
        let nothing = AutoRollback {
            error_percent_max: None,
            p99_ms_max: None,
            window_s: 4,
            requests_min: 0,
        };
        let expected = ["error_percent_max", "window_s", "requests_min"];
        assert_eq!(fields(nothing), expected);
        let far = AutoRollback {
            error_percent_max: Some(100),
            p99_ms_max: Some(0),
            window_s: 3601,
            requests_min: REQUESTS_MIN_MAX + 1,
        };
        assert_eq!(fields(far).len(), 4);
    }

    #[test]
    fn a_window_begins_with_what_came_before_the_first_look() {
        let (mut window, length) = (Window::default(), Duration::from_secs(10));
        let now = Instant::now();
        assert_eq!(window.look(now, length, counts(7, 1, 0)), counts(7, 1, 0));
    }

    #[test]
    fn a_window_forgets_what_is_older_than_it() {
        let begin = Instant::now();
        let mut window = Window::default();
        let mut look = |second: u64, requests| {
            let now = begin + Duration::from_secs(second);
            let length = Duration::from_secs(10);
            window.look(now, length, counts(requests, 0, 0)).requests
        };
        assert_eq!(look(0, 0), 0);
        assert_eq!(look(5, 30), 30);
        assert_eq!(look(10, 40), 40);
        // Since the fifth second, and since the tenth.
        assert_eq!(look(15, 100), 70);
        assert_eq!(look(20, 100), 60);
        assert_eq!(look(60, 100), 0);
    }

    proptest! {
        #[test]
        fn more_failures_among_as_many_calls_never_speak_for_a_version(
            requests in 0_u64..10_000, errors in 0_u64..10_000, more in 0_u64..10_000,
        ) {
            let judge = |errors: u64| RULE.judge(counts(requests, errors.min(requests), 0));
            prop_assert!(judge(errors).is_none() || judge(errors + more).is_some());
        }

        #[test]
        fn a_window_never_holds_more_than_came(steps in prop::collection::vec((0_u64..20, 0_u64..50), 1..50)) {
            let begin = Instant::now();
            let (mut window, mut at, mut all) = (Window::default(), 0, 0);
            for (seconds, came) in steps {
                at += seconds;
                all += came;
                let now = begin + Duration::from_secs(at);
                let seen = window.look(now, Duration::from_secs(30), counts(all, 0, 0));
                prop_assert!(seen.requests <= all);
            }
        }
    }
}
