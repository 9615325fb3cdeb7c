//! What is asked, and the rows that it is about once the host has written what it writes by itself.

use std::collections::BTreeSet;

use super::atoms::Rows;
use crate::decide::{Denied, decide};
use crate::eval::Row;
use crate::fold::Caller;
use crate::identity::Identity;
use crate::names::{ColumnName, TableName};
use crate::permit::{Permit, Preset};
use crate::policy::{Clause, Command, Schema};
use crate::time::Timestamp;
use crate::value::Value;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks.
    pub identity: Identity,
    /// What for.
    pub command: Command,
    /// On which table.
    pub table: TableName,
    /// The row that exists, if it is about one; for an insert, what is written.
    pub row: Option<Row>,
    /// What an update changes of it.
    pub set: Row,
    /// The columns that the request reads and those that it writes; none mentioned: whichever
    /// policies there are count.
    pub columns: (BTreeSet<ColumnName>, BTreeSet<ColumnName>),
}

/// A question, with the decision on it and its rows as the host would write them.
pub(super) struct Asked<'a> {
    pub(super) question: &'a Question,
    pub(super) caller: Caller<'a>,
    pub(super) decided: Result<Permit, Denied>,
    /// The row before an update.
    pub(super) old: Option<Row>,
    /// The row that is decided about.
    pub(super) row: Option<Row>,
}

/// What a command asks of policies: its own conditions, and those of select.
pub(super) fn clauses(command: Command) -> Vec<(Command, Clause)> {
    let select = (Command::Select, Clause::Using);
    match command {
        Command::Select => vec![select],
        Command::Insert => vec![(Command::Insert, Clause::Check), select],
        Command::Update => vec![
            (Command::Update, Clause::Using),
            (Command::Update, Clause::Check),
            select,
        ],
        Command::Delete => vec![(Command::Delete, Clause::Using), select],
    }
}

impl<'a> Asked<'a> {
    pub(super) fn of(schema: &'a Schema, question: &'a Question, now: Timestamp) -> Self {
        let Question {
            identity,
            command,
            table,
            ..
        } = question;
        let decided = decide(schema, identity, *command, table, now);
        let fill = |row: Row| match &decided {
            Ok(permit) => filled(permit, row, now),
            Err(_) => row,
        };
        let (old, row) = match (command, question.row.clone()) {
            (Command::Select | Command::Delete, row) => (None, row),
            (Command::Insert, row) => (None, row.map(fill)),
            (Command::Update, None) => (None, None),
            (Command::Update, Some(old)) => {
                let mut new = old.clone();
                new.extend(question.set.clone());
                (Some(old), Some(fill(new)))
            }
        };
        let caller = Caller {
            identity,
            now,
            schema: Some(schema),
        };
        Self {
            question,
            caller,
            decided,
            old,
            row,
        }
    }

    /// The row that a clause tests, if one was given.
    pub(super) fn tested(&self, clause: Clause) -> Option<Rows<'_>> {
        let row = match clause {
            Clause::Using => self.old.as_ref().or(self.row.as_ref()),
            Clause::Check => self.row.as_ref(),
        };
        row.map(|row| Rows {
            row,
            old: self.old.as_ref(),
        })
    }
}

/// The row with what the host writes by itself.
fn filled(permit: &Permit, mut row: Row, now: Timestamp) -> Row {
    for (column, preset) in permit.presets() {
        let value = match preset {
            Preset::Value(value, _) => value.clone(),
            Preset::Now => Value::Timestamptz(now.to_string()),
        };
        row.insert(column.clone(), value);
    }
    row
}
