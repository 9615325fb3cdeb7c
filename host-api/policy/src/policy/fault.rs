//! Why a policy cannot be saved: the closed list, with what to write instead.

use std::fmt;

use uuid::Uuid;

use super::{Clause, Command};
use crate::names::{ColumnName, TableName};
use crate::parse::ParseError;
use crate::reach::REACH_LEVELS_MAX;

/// A policy that cannot be saved, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {name:?}: {fault}")]
pub struct PolicyError {
    /// The policy's id.
    pub id: Uuid,
    /// The policy's name.
    pub name: String,
    /// What is wrong with it.
    #[source]
    pub fault: PolicyFault,
}

impl PolicyError {
    /// The condition that is wrong and the place in it, where it is one of the two conditions.
    pub fn place(&self) -> Option<(Clause, &ParseError)> {
        match &self.fault {
            PolicyFault::Condition { clause, source } => Some((*clause, source)),
            _ => None,
        }
    }
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Its table does not exist.
    #[error("there is no table {0}; create it first")]
    UnknownTable(TableName),
    /// It speaks about no command.
    #[error("it names no command; write one or more of select, insert, update, delete")]
    NoCommands,
    /// It speaks about existing rows but has no `using`.
    #[error("{0} needs `using`; write `true` to mean every row")]
    MissingUsing(Command),
    /// It speaks about new rows but has neither condition.
    #[error("insert needs `check`; write `true` to mean every row")]
    MissingCheck,
    /// It has a `using` that no command of it would read.
    #[error("insert has no existing row for `using` to test; write the condition as `check`")]
    UnusedUsing,
    /// It has a `check` that no command of it would read.
    #[error("select and delete write no row for `check` to test; write the condition as `using`")]
    UnusedCheck,
    /// One of its roles is empty.
    #[error("a role may not be empty; leave `roles` out to mean everyone")]
    EmptyRole,
    /// It denies, but has a mask or presets.
    #[error("a deny policy holds whole rows back; {0} goes with allow")]
    ColumnsOnDeny(ColumnsField),
    /// It guards what is no table, and has a mask or presets.
    #[error("{0} goes with tables; write conditions on {1} alone")]
    ColumnsOnResource(ColumnsField, TableName),
    /// It has a mask or presets that no command of it would heed.
    #[error("no command of this policy heeds {field}; {goes}", field = .0, goes = .0.commands())]
    UnusedColumns(ColumnsField),
    /// A mask or preset names a column that the table has not.
    #[error("{field}: there is no column {column}")]
    UnknownColumn {
        /// Where it is named.
        field: ColumnsField,
        /// The column.
        column: ColumnName,
    },
    /// Its `read` names no column.
    #[error("read names no column, so no request could be covered; name some, or leave it out")]
    EmptyRead,
    /// A preset makes no sense.
    #[error("set {column}: {source}")]
    Preset {
        /// The column to be set.
        column: ColumnName,
        /// Where and why.
        source: Box<ParseError>,
    },
    /// Another policy that may apply at the same time sets a column to something else.
    #[error(
        "set {column}: policy {other:?} sets it differently for the same callers; set it in one policy, or give the two different roles"
    )]
    PresetClash {
        /// The column.
        column: ColumnName,
        /// The other policy's name.
        other: String,
    },
    /// Its check compares with old rows, which only a primary key ties to the new ones.
    #[error("check: old. needs a primary key on the table, to know which row was which; add one")]
    OldWithoutKey,
    /// It reads other tables, and they read others, too far.
    #[error("{0}")]
    Reach(PolicyReach),
    /// One of its conditions is wrong.
    #[error("{clause}: {source}")]
    Condition {
        /// Which condition.
        clause: Clause,
        /// Where and why.
        source: Box<ParseError>,
    },
}

impl PolicyFault {
    /// The field of the policy that is wrong; empty where it is the policy as a whole.
    pub fn field(&self) -> &'static str {
        match self {
            Self::UnknownTable(_) => "table",
            Self::NoCommands => "commands",
            Self::MissingUsing(_) | Self::UnusedUsing => "using",
            Self::MissingCheck | Self::UnusedCheck | Self::OldWithoutKey => "check",
            Self::EmptyRole => "roles",
            Self::ColumnsOnDeny(field)
            | Self::ColumnsOnResource(field, _)
            | Self::UnusedColumns(field)
            | Self::UnknownColumn { field, .. } => field.as_str(),
            Self::EmptyRead => "read",
            Self::Preset { .. } | Self::PresetClash { .. } => "set",
            Self::Reach(_) => "",
            Self::Condition {
                clause: Clause::Using,
                ..
            } => "using",
            Self::Condition {
                clause: Clause::Check,
                ..
            } => "check",
        }
    }

    /// The place in the text of that field, where there is one.
    pub fn place(&self) -> Option<&ParseError> {
        match self {
            Self::Condition { source, .. } | Self::Preset { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// One of the fields of a policy that name columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnsField {
    /// `read`
    Read,
    /// `write`
    Write,
    /// `set`
    Set,
}

impl ColumnsField {
    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Set => "set",
        }
    }

    fn commands(self) -> &'static str {
        match self {
            Self::Read => "it goes with select",
            Self::Write | Self::Set => "it goes with insert and update",
        }
    }
}

impl fmt::Display for ColumnsField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a policy reaches too far into other tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyReach {
    /// The policies of the tables it reads come back to one of them.
    #[error("policies that read one another never end: {}", arrows(.0))]
    Cycle(Vec<TableName>),
    /// The tables it reads read others, and so on for too long.
    #[error("it reaches through more than {REACH_LEVELS_MAX} tables; copy what decides nearer")]
    TooDeep,
    /// With the policies of the tables it reads it becomes too large.
    #[error("with the policies of the tables it reads it becomes too large; simplify those")]
    TooLarge,
}

fn arrows(tables: &[TableName]) -> String {
    let names: Vec<&str> = tables.iter().map(TableName::as_str).collect();
    names.join(" → ")
}
