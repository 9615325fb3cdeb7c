//! The audit log: what was done to control data, by whom. Append only, in the transaction that did it.
//!
//! Every [`super::change::Change`] ends with a [`Deed`], so nothing is changed without a record. A
//! record gets its place in its project's chain from the sealer, which signs where the chain ends with
//! a key of the key ring: who can write to the database alone can neither change, remove nor move a
//! record without [`verify`] naming it. No record holds a secret.
//!
//! Reading order: `author` (who), `deed` (what), `chain` (pure: hashes), `write`, `seal`, `verify`,
//! `trim` and `beginning` (what is too old), `list`, `reads` (of tables, for projects that want them recorded).

mod author;
mod beginning;
mod chain;
mod deed;
mod list;
mod reads;
mod seal;
mod trim;
mod verify;
mod walk;
pub(super) mod write;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trim_tests;

use std::fmt;

use uuid::Uuid;

pub use self::author::{Author, on_behalf};
pub use self::deed::{Action, Deed};
pub use self::list::{Entry, Wanted, list};
pub use self::reads::{Asker, ReadRecords, keep_reads};
pub use self::seal::{keep_sealing, seal};
pub use self::trim::{Trimmed, gone, remove_gone, trim};
pub use self::verify::{Begins, Finding, Report, verify};
pub use self::write::{record, refused};

/// Whose log: each has a chain of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// What no project's log can hold: roles, operators, projects that are gone.
    Installation,
    /// One project.
    Project(Uuid),
}

impl Chain {
    fn project(self) -> Option<Uuid> {
        match self {
            Self::Installation => None,
            Self::Project(id) => Some(id),
        }
    }

    /// Of this project, or of none.
    #[must_use]
    pub fn of(project: Option<Uuid>) -> Self {
        project.map_or(Self::Installation, Self::Project)
    }
}

/// As the target of a record: a project's id, or `installation`.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => f.write_str("installation"),
            Self::Project(id) => write!(f, "{id}"),
        }
    }
}
