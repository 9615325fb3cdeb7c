//! On what terms a version comes to serve: for which share of the calls, watched by what rule, and why.

use serde::Serialize;

use super::affinity::{Affinity, Percent};
use super::rule::AutoRollback;
use crate::registry::condition::Condition;
use crate::registry::error::{Mistake, RegistryError, refuse_if_any};

/// A sentence or two for whoever reads the history.
pub(crate) const MESSAGE_CHARS_MAX: usize = 500;

/// The terms of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The share of the calls that the version has beside the one that serves; none: all of them.
    pub weight: Option<Percent>,
    /// What callers are told apart by; none: as the manifest says.
    pub affinity: Option<Affinity>,
    /// When it is taken back by itself; none: never.
    pub auto_rollback: Option<AutoRollback>,
    /// Why, in somebody's words.
    pub message: Option<String>,
    /// By what kind of step.
    pub cause: Cause,
    /// What the function must be like before.
    pub condition: Condition,
}

/// Terms as they were written, before anything was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenTerms {
    /// Percent, 1 to 100.
    pub weight: Option<u32>,
    /// As `claim:sub`.
    pub affinity: Option<String>,
    /// The rule.
    pub auto_rollback: Option<AutoRollback>,
    /// Why.
    pub message: Option<String>,
}

impl WrittenTerms {
    /// Reads them.
    ///
    /// # Errors
    /// `Invalid` with every mistake, each with its field.
    pub fn read(self) -> Result<Terms, RegistryError> {
        let mut mistakes = Vec::new();
        let weight = match self.weight {
            None | Some(100) => None,
            Some(percent) => {
                let share = Percent::new(percent.into());
                if share.is_none() {
                    let message = "write a percentage from 1 to 100";
                    mistakes.push(Mistake::new("weight", message));
                }
                share
            }
        };
        let affinity = self.affinity.and_then(|text| match text.parse() {
            Ok(affinity) => Some(affinity),
            Err(error) => {
                mistakes.push(Mistake::new("affinity", error));
                None
            }
        });
        if let Some(rule) = &self.auto_rollback {
            let wrong = rule.mistakes().into_iter();
            mistakes.extend(
                wrong.map(|(field, message)| Mistake::new(field, message).under("auto_rollback")),
            );
        }
        let message = match read_message(self.message) {
            Ok(message) => message,
            Err(mistake) => {
                mistakes.push(mistake);
                None
            }
        };
        refuse_if_any(mistakes)?;
        Ok(Terms {
            weight,
            affinity,
            auto_rollback: self.auto_rollback,
            message,
            cause: Cause::Deploy,
            condition: Condition::Always,
        })
    }
}

/// A message without space around it; an empty one is none.
fn read_message(text: Option<String>) -> Result<Option<String>, Mistake> {
    let text = text.map(|text| text.trim().to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let odd = |c: char| c.is_control() && c != '\n';
    match text.chars().count() <= MESSAGE_CHARS_MAX && !text.contains(odd) {
        true => Ok(Some(text)),
        false => {
            let message =
                format!("write at most {MESSAGE_CHARS_MAX} characters without control characters");
            Err(Mistake::new("message", message))
        }
    }
}

/// By what kind of step a deployment came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A component was deployed.
    #[default]
    Deploy,
    /// The shares of versions were set.
    Weights,
    /// A version was taken over from another project.
    Promote,
    /// Somebody went back.
    Rollback,
    /// The rule of the deployment before was crossed.
    AutomaticRollback,
}

impl Cause {
    const ALL: [Self; 5] = [
        Self::Deploy,
        Self::Weights,
        Self::Promote,
        Self::Rollback,
        Self::AutomaticRollback,
    ];

    /// As it is stored.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Weights => "weights",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::AutomaticRollback => "automatic_rollback",
        }
    }

    /// From what is stored.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_in_the_terms_is_named_at_once() {
        let rule = AutoRollback {
            error_percent_max: None,
            p99_ms_max: None,
            window_s: 60,
            requests_min: 50,
        };
        let written = WrittenTerms {
            weight: Some(101),
            affinity: Some("sub".to_owned()),
            auto_rollback: Some(rule),
            message: Some("a\u{7}".to_owned()),
        };
        let Err(RegistryError::Invalid { errors }) = written.read() else {
            panic!("read")
        };
        let fields: Vec<_> = errors
            .iter()
            .map(|mistake| mistake.field.as_str())
            .collect();
        let expected = [
            "weight",
            "affinity",
            "auto_rollback.error_percent_max",
            "message",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn all_of_the_calls_is_no_share_and_an_empty_message_is_none() {
        let written = WrittenTerms {
            weight: Some(100),
            message: Some("  \n".to_owned()),
            ..WrittenTerms::default()
        };
        assert_eq!(written.read().unwrap(), Terms::default());
        let long = |chars: usize| WrittenTerms {
            message: Some("ä".repeat(chars)),
            ..WrittenTerms::default()
        };
        assert!(long(MESSAGE_CHARS_MAX).read().is_ok());
        assert!(long(MESSAGE_CHARS_MAX + 1).read().is_err());
    }

    #[test]
    fn what_is_stored_of_a_cause_is_read_again() {
        for cause in Cause::ALL {
            assert_eq!(Cause::of_word(cause.word()), Some(cause));
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.word());
        }
    }
}
