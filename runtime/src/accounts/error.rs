//! Why an account or a session was refused, and what a caller may know of that.

use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;

use crate::http::{Code, Mistake, Problem};
use crate::registry::{RegistryError, Standing};

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No such address, no such password, or not together: which one is nobody's business.
    #[error("e-mail and password do not belong together")]
    WrongCredentials,
    /// A refresh token that is unknown, or of a session that is over.
    #[error("the session is over; sign in again")]
    SessionOver,
    /// A refresh token that was used before.
    #[error("this refresh token was used before, so its session has been ended; sign in again")]
    Reused,
    /// A code that is unknown, was used, or is too old.
    #[error("this code is good no longer; ask for another one")]
    ResetOver,
    /// Tried too often.
    #[error("too many attempts; wait {} s", seconds(*.retry_after))]
    TooMany {
        /// When the next one is let in.
        retry_after: Duration,
    },
    /// Too many passwords wait to be hashed.
    #[error("too many people sign in at this moment; try again")]
    Busy,
    /// The operator or the project gives no accounts away.
    #[error("accounts are made by administrators here; ask one")]
    SignUpOff,
    /// They have an account, and not here.
    #[error("this account is not a user of the project; ask one of its administrators")]
    NotAMember,
    /// A field that is not acceptable.
    #[error("{}: {}", .0.field.as_deref().unwrap_or_default(), .0.message)]
    Invalid(Mistake),
    /// The control data says no.
    #[error("{0}")]
    Registry(#[from] RegistryError),
    /// A fault of ours.
    #[error("the host could not do that")]
    Internal(&'static str),
}

/// Whole seconds, up: who comes back a moment early would be refused again.
fn seconds(time: Duration) -> u64 {
    time.as_millis()
        .div_ceil(1000)
        .try_into()
        .unwrap_or(u64::MAX)
}

impl AccountError {
    pub(crate) fn invalid(field: &str, message: impl std::fmt::Display) -> Self {
        Self::Invalid(Mistake::at(field, message.to_string()))
    }

    fn code(&self) -> Code {
        match self {
            Self::WrongCredentials => Code::WrongCredentials,
            Self::SessionOver | Self::Reused => Code::SessionOver,
            Self::ResetOver => Code::InvalidToken,
            Self::TooMany { .. } => Code::TooManyRequests,
            Self::Busy => Code::Overloaded,
            Self::SignUpOff | Self::NotAMember => Code::Forbidden,
            Self::Invalid(_) => Code::InvalidField,
            Self::Registry(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {
                Code::InvalidField
            }
            Self::Registry(RegistryError::Conflict {
                kind: Standing::AlreadyExists,
                ..
            }) => Code::AlreadyExists,
            Self::Registry(RegistryError::Conflict { .. }) => Code::Conflict,
            Self::Registry(RegistryError::Unavailable(_)) => Code::Unavailable,
            Self::Registry(RegistryError::Internal(_)) | Self::Internal(_) => Code::Internal,
        }
    }

    /// What only the log may know.
    #[must_use]
    pub fn inside(&self) -> Option<String> {
        match self {
            Self::Registry(
                error @ (RegistryError::Unavailable(_) | RegistryError::Internal(_)),
            ) => Some(error.detail()),
            Self::Internal(why) => Some((*why).to_owned()),
            _ => None,
        }
    }

    /// The problem document.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.code(), self.to_string());
        match self {
            Self::TooMany { retry_after } => {
                problem.with_header(RETRY_AFTER, HeaderValue::from(seconds(*retry_after)))
            }
            Self::Invalid(mistake) => problem.with_errors(vec![mistake.clone()]),
            _ => problem,
        }
    }
}
