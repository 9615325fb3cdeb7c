//! Why a call to a table did not succeed.

use std::fmt;

use crate::bindings::imports::koyalite::host::types as host;

pub use host::ErrorKind;

/// Why a call to a table did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose turn it is to act.
    pub kind: ErrorKind,
    /// A stable word for programs, for example `denied_by_claims` or `unknown_column`.
    pub code: String,
    /// One sentence for people. It never holds a value of a row that the caller may not read.
    pub message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

impl ErrorKind {
    /// The status of the answer that this error becomes when a function returns it by `?`.
    pub fn status(self) -> u16 {
        match self {
            Self::Denied => 403,
            Self::NotFound => 404,
            Self::Invalid => 400,
            Self::Conflict => 409,
            Self::Limit => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        let host::Error {
            kind,
            code,
            message,
        } = error;
        Self {
            kind,
            code,
            message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}
