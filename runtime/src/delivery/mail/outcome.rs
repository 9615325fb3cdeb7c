//! What follows from an attempt to send a message. Pure.

use super::smtp::{Refusal, Stage};
use crate::registry::mail::due::Then;

/// Waits between attempts, in seconds: greylisting servers take the second within minutes, and a server
/// that is away is back within three days or not at all.
const WAITS_S: [u32; 10] = [
    60, 300, 900, 3_600, 10_800, 21_600, 43_200, 43_200, 43_200, 86_400,
];

/// How much of a wait is left to chance.
const JITTER: f64 = 0.2;

/// Why a reason is cut: it is for a list.
const REASON_CHARS_MAX: usize = 500;

/// What is recorded of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) then: Then,
    pub(super) smtp_status: Option<i32>,
    pub(super) reason: Option<String>,
}

impl Outcome {
    pub(super) fn of(then: Then) -> Self {
        Self {
            then,
            smtp_status: None,
            reason: None,
        }
    }

    /// Nobody was asked yet: tried again, as after a refusal for now.
    pub(super) fn later(attempts: u32, reason: String, chance: f64) -> Self {
        Self {
            reason: Some(reason),
            ..Self::of(later(attempts, chance))
        }
    }

    pub(super) fn failed(reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..Self::of(Then::Failed)
        }
    }
}

/// What becomes of a message after so many attempts. `chance` is between 0 and 1.
pub(super) fn outcome(answer: Result<(), Refusal>, attempts: u32, chance: f64) -> Outcome {
    let Err(refusal) = answer else {
        return Outcome::of(Then::Sent);
    };
    let permanent = refusal.code.is_some_and(|code| code >= 500);
    let (then, text) = match (refusal.stage, refusal.code) {
        (Stage::Recipient, Some(_)) if permanent => (Then::Bounced, refusal.text),
        // A login that is refused is the operator's to mend; the message can wait.
        (Stage::Sender | Stage::Data | Stage::Content, Some(_)) if permanent => {
            (Then::Failed, refusal.text)
        }
        (Stage::Content, None) => {
            let text = format!("ambiguous: {}; it may have arrived", refusal.text);
            (Then::Ambiguous, text)
        }
        _ => (later(attempts, chance), refusal.text),
    };
    Outcome {
        then,
        smtp_status: refusal.code.map(i32::from),
        reason: Some(text.chars().take(REASON_CHARS_MAX).collect()),
    }
}

fn later(attempts: u32, chance: f64) -> Then {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    match WAITS_S.get(at) {
        Some(wait) => Then::Deferred {
            after_s: f64::from(*wait) * (1.0 + JITTER * chance),
        },
        None => Then::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stage: Stage, code: Option<u16>, attempts: u32) -> Then {
        let text = "said".to_owned();
        outcome(Err(Refusal { stage, code, text }), attempts, 0.0).then
    }

    #[test]
    fn what_is_refused_for_now_is_tried_again_for_three_days() {
        let mut hours = 0.0;
        for attempt in 1..=10 {
            match after(Stage::Recipient, Some(451), attempt) {
                Then::Deferred { after_s } => hours += after_s / 3_600.0,
                then => panic!("{then:?} after attempt {attempt}"),
            }
        }
        assert!((70.0..72.0).contains(&hours), "{hours}");
        assert_eq!(after(Stage::Recipient, Some(451), 11), Then::Failed);
    }

    #[test]
    fn what_a_refusal_means_depends_on_where_it_came() {
        let soon = Then::Deferred { after_s: 60.0 };
        let check = |stage, code, expected: &Then| {
            assert_eq!(&after(stage, code, 1), expected, "{stage:?} {code:?}");
        };
        check(Stage::Connect, None, &soon);
        check(Stage::Connect, Some(535), &soon);
        check(Stage::Sender, Some(421), &soon);
        check(Stage::Sender, Some(550), &Then::Failed);
        check(Stage::Recipient, None, &soon);
        check(Stage::Recipient, Some(450), &soon);
        check(Stage::Recipient, Some(550), &Then::Bounced);
        check(Stage::Data, None, &soon);
        check(Stage::Data, Some(554), &Then::Failed);
        check(Stage::Content, Some(451), &soon);
        check(Stage::Content, Some(554), &Then::Failed);
    }

    #[test]
    fn what_was_cut_off_in_its_content_is_marked_and_not_sent_again() {
        let refusal = Refusal {
            stage: Stage::Content,
            code: None,
            text: "the connection was lost".to_owned(),
        };
        let outcome = outcome(Err(refusal), 1, 0.0);
        assert_eq!(outcome.then, Then::Ambiguous);
        assert!(outcome.reason.unwrap().starts_with("ambiguous"));
    }
}
