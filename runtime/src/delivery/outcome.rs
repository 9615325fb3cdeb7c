//! What follows from an attempt: delivered, tried again when, given up; and what it says about the
//! endpoint. Pure.

use std::time::Duration;

use http::StatusCode;

use super::send::Answer;
use crate::registry::webhooks::due::{Failing, Then};

/// Waits between attempts, in seconds: 5 s, 5 min, 30 min, then 2, 5, 10, 14, 20 and 24 hours, as
/// Standard Webhooks proposes. Ten attempts in a little over three days.
const WAITS_S: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How much of a wait is left to chance, so that what failed together is not tried together.
const JITTER: f64 = 0.2;

/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES_TO_OPEN: i32 = 5;

/// For how long, the first time and at most. In between it doubles with every failed probe.
const OPEN_S: (f64, f64) = (5.0, 300.0);

/// How long an endpoint may fail, without one success, before it is switched off.
const FAILING_MAX_S: f64 = 120.0 * 3_600.0;

const GONE: &str = "the receiver answered 410 Gone";
const FAILED_TOO_LONG: &str = "every delivery has failed for 120 hours";

/// What becomes of a delivery. `retries` have failed before, and `chance` is between 0 and 1.
pub(super) fn then(answer: &Answer, retries: u32, chance: f64) -> Then {
    let asked = match answer {
        Answer::Status { status, .. } if status.is_success() => return Then::Delivered,
        Answer::Status { status, .. } if *status == StatusCode::GONE => return Then::Dead,
        Answer::Status { retry_after, .. } => *retry_after,
        Answer::Failed(_) => None,
    };
    let wait = usize::try_from(retries).ok().and_then(|at| WAITS_S.get(at));
    let Some(wait) = wait else {
        return Then::Dead;
    };
    let jittered = f64::from(*wait) * (1.0 + JITTER * chance);
    let asked = asked.map_or(0.0, |asked| asked.min(RETRY_AFTER_MAX).as_secs_f64());
    Then::Retry {
        after_s: jittered.max(asked),
    }
}

/// What a failed delivery means for its endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Circuit {
    /// Nothing yet.
    Stays,
    /// It is left alone for so long; then one delivery probes.
    Opens { for_s: f64 },
    /// It is switched off, and why.
    Off(&'static str),
}

/// What a failed delivery means for its endpoint, which has been failing like this.
pub(super) fn circuit(answer: &Answer, failing: Failing) -> Circuit {
    let asked = match answer {
        Answer::Status { status, .. } if *status == StatusCode::GONE => return Circuit::Off(GONE),
        Answer::Status {
            status,
            retry_after: Some(asked),
            ..
        } if throttles(*status) => asked.min(&RETRY_AFTER_MAX).as_secs_f64(),
        Answer::Status { .. } | Answer::Failed(_) => 0.0,
    };
    if failing.for_s >= FAILING_MAX_S {
        return Circuit::Off(FAILED_TOO_LONG);
    }
    let (first, most) = OPEN_S;
    let doublings = failing.failures - FAILURES_TO_OPEN;
    let open = match doublings {
        ..0 => 0.0,
        0..16 => (first * 2_f64.powi(doublings)).min(most),
        _ => most,
    };
    match open.max(asked) {
        0.0 => Circuit::Stays,
        for_s => Circuit::Opens { for_s },
    }
}

/// Answers that say: not so fast.
fn throttles(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after_s: Option<u64>) -> Answer {
        Answer::Status {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after_s.map(Duration::from_secs),
            snippet: String::new(),
        }
    }

    #[test]
    fn only_a_success_is_delivered_and_only_gone_is_final() {
        for status in [200, 201, 204, 299] {
            assert_eq!(then(&answered(status, None), 0, 0.0), Then::Delivered);
        }
        assert_eq!(then(&answered(410, None), 0, 0.0), Then::Dead);
        for status in [301, 302, 307, 308, 400, 401, 404, 408, 429, 500, 503] {
            let wait = Then::Retry { after_s: 5.0 };
            assert_eq!(then(&answered(status, None), 0, 0.0), wait, "{status}");
        }
    }

    #[test]
    fn the_schedule_is_the_standards_with_jitter_and_then_it_is_dead() {
        let failed = Answer::Failed("away".to_owned());
        let mut hours = 0.0;
        for (retries, wait) in (0..).zip(WAITS_S) {
            let least = then(&failed, retries, 0.0);
            let most = then(&failed, retries, 1.0);
            let wait = f64::from(wait);
            assert_eq!(least, Then::Retry { after_s: wait });
            assert_eq!(
                most,
                Then::Retry {
                    after_s: wait * 1.2
                }
            );
            hours += wait / 3_600.0;
        }
        assert!((75.0..76.0).contains(&hours), "{hours}");
        assert_eq!(then(&failed, 9, 0.0), Then::Dead);
        assert_eq!(then(&failed, u32::MAX, 0.0), Then::Dead);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_less_or_for_ever() {
        let check = |asked, expected| {
            let wait = then(&answered(429, Some(asked)), 0, 0.0);
            assert_eq!(wait, Then::Retry { after_s: expected }, "{asked}");
        };
        check(60, 60.0);
        check(1, 5.0);
        check(u64::MAX, 86_400.0);
    }

    #[test]
    fn an_endpoint_that_fails_is_left_alone_for_longer_and_longer() {
        let check = |failures, for_s, expected| {
            let failing = Failing { failures, for_s };
            let said = circuit(&Answer::Failed(String::new()), failing);
            assert_eq!(said, expected, "{failures} in {for_s}");
        };
        check(1, 0.0, Circuit::Stays);
        check(4, 60.0, Circuit::Stays);
        check(5, 60.0, Circuit::Opens { for_s: 5.0 });
        check(6, 60.0, Circuit::Opens { for_s: 10.0 });
        check(11, 60.0, Circuit::Opens { for_s: 300.0 });
        check(i32::MAX, 60.0, Circuit::Opens { for_s: 300.0 });
        check(1, 432_000.0, Circuit::Off(FAILED_TOO_LONG));
    }

    #[test]
    fn throttling_opens_at_once_and_gone_is_off() {
        let one = Failing {
            failures: 1,
            for_s: 0.0,
        };
        let opens = Circuit::Opens { for_s: 30.0 };
        assert_eq!(circuit(&answered(429, Some(30)), one), opens);
        assert_eq!(circuit(&answered(500, Some(30)), one), Circuit::Stays);
        assert_eq!(circuit(&answered(410, None), one), Circuit::Off(GONE));
    }
}
