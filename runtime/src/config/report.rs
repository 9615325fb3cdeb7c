//! All mistakes of a configuration in one message: what, where it was written, what would be right.

use std::fmt;
use std::path::PathBuf;

use super::key::Key;

/// The exit code of a program that was configured wrongly: as for a wrong command line.
pub const EXIT_CODE: u8 = 2;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable,
    File(PathBuf),
    /// Nowhere, and it should have been.
    Missing,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    setting: String,
    origin: Origin,
    problem: String,
}

impl ConfigMistake {
    pub(super) fn new(
        setting: impl Into<String>,
        origin: Origin,
        problem: impl Into<String>,
    ) -> ConfigMistake {
        ConfigMistake {
            setting: setting.into(),
            origin,
            problem: problem.into(),
        }
    }

    /// A mistake in a setting's value, under the name by which it was given.
    pub(super) fn in_value(key: Key, origin: &Origin, problem: impl Into<String>) -> ConfigMistake {
        let setting = match origin {
            Origin::Flag => key.flag(),
            Origin::Variable | Origin::Missing => key.variable(),
            Origin::File(_) => key.name().to_owned(),
        };
        ConfigMistake::new(setting, origin.clone(), problem)
    }
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigMistake {
            setting,
            origin,
            problem,
        } = self;
        match origin {
            Origin::Flag => write!(f, "{setting} (command line) {problem}"),
            Origin::Variable => write!(f, "{setting} (environment) {problem}"),
            Origin::File(path) => write!(f, "{setting} ({}) {problem}", path.display()),
            Origin::Missing => write!(f, "{setting} {problem}"),
        }
    }
}

/// Every mistake of a configuration; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the order of reading.
    pub mistakes: Vec<ConfigMistake>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.len() {
            1 => write!(f, "1 mistake in the configuration:")?,
            count => write!(f, "{count} mistakes in the configuration:")?,
        }
        self.mistakes
            .iter()
            .try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for Report {}
