//! What a host call answers when it does not succeed: [`HostError`].
//!
//! The catalogue is closed: every error is made by one of the constructors here, each with a stable
//! code. The outside message is written for the guest's author and never holds a stored value, a
//! constraint's name or a word of Postgres; what the operator needs stays in `inside`, for the log.

mod files;
mod outbox;
mod requests;
mod vectors;

use std::fmt;

use koyalite_policy::{Command, TableName};

use crate::limits::{ECHO_CHARS, RETURNED_ROWS};

/// The code of [`HostError::database_away`], which a read looks at to try once more.
pub(crate) const DATABASE_AWAY: &str = "database_away";

/// Whose turn it is to act on an error, as `error-kind` in `wit/host/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A policy refused, or the caller's claims can never pass one.
    Denied,
    /// No such table, column or row.
    NotFound,
    /// The request cannot be understood; the message says what would have been right.
    Invalid,
    /// A unique or foreign key stands in the way.
    Conflict,
    /// A limit of this project or invocation was reached.
    Limit,
    /// Try again later: the database is away or busy.
    Unavailable,
    /// A fault of the host.
    Internal,
}

/// One failed host call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    inside: Option<String>,
    refused: Vec<Refused>,
}

/// Where policies refused: a table, and the commands whose policies were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The table.
    pub table: TableName,
    /// The commands.
    pub commands: Vec<Command>,
}

impl HostError {
    /// Whose turn it is to act.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// One sentence for the guest's author.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the operator's log should say beyond the message. Never for a guest.
    pub fn inside(&self) -> Option<&str> {
        self.inside.as_deref()
    }

    /// Where policies refused, if that is what happened: for the operator's log, never for a guest.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> HostError {
        HostError {
            kind,
            code,
            message: message.into(),
            inside: None,
            refused: Vec::new(),
        }
    }

    pub(crate) fn with_inside(mut self, inside: impl fmt::Display) -> HostError {
        self.inside = Some(inside.to_string());
        self
    }
}

impl HostError {
    /// Says whose policies refused, if any did and it is not known more closely.
    pub(crate) fn refused_by(mut self, asked: impl FnOnce() -> Vec<Refused>) -> HostError {
        if self.kind == ErrorKind::Denied && self.refused.is_empty() {
            self.refused = asked();
        }
        self
    }

    /// The same, where it is one table's.
    pub(crate) fn refused_on(self, table: &TableName, commands: &[Command]) -> HostError {
        self.refused_by(|| {
            vec![Refused {
                table: table.clone(),
                commands: commands.to_vec(),
            }]
        })
    }
}

/// Calls that are not an invocation's to make.
impl HostError {
    /// The call was made by code that runs on nobody's behalf: a start function, or a task that the
    /// host did not start.
    pub fn no_identity() -> HostError {
        let message = "host calls are for the time of an invocation; this code runs outside of one";
        HostError::new(ErrorKind::Denied, "no_identity", message)
    }

    /// The function runs without a project, so it has no tables and nobody who could allow any.
    pub fn no_project() -> HostError {
        let message = "this function runs by itself, without a project, so there are no tables; \
                       deploy it to a project to use them";
        HostError::new(ErrorKind::Denied, "no_project", message)
    }

    /// The invocation has made all the host calls it may make.
    pub fn host_calls_limit(calls: u32) -> HostError {
        let message = format!(
            "an invocation of this function may make {calls} host calls; `host_calls` in [limits] of its \
             manifest raises that"
        );
        HostError::new(ErrorKind::Limit, "host_calls_limit", message)
    }
}

/// Refusals by policy.
impl HostError {
    /// The code of a refusal that row security knows nothing of.
    pub const MISSING_CLAIM: &str = "missing_claim";

    /// The caller's claims can never pass a policy of this table; no row was looked at.
    pub fn denied_by_claims(reason: impl fmt::Display) -> HostError {
        HostError::new(ErrorKind::Denied, "denied_by_claims", reason.to_string())
    }

    /// No policy lets anybody run this command on this table.
    pub fn no_policy(reason: impl fmt::Display) -> HostError {
        HostError::new(ErrorKind::Denied, "no_policy", reason.to_string())
    }

    /// The caller's token lacks a claim that the project requires.
    pub fn missing_claim(reason: impl fmt::Display) -> HostError {
        HostError::new(ErrorKind::Denied, Self::MISSING_CLAIM, reason.to_string())
    }

    /// Each of the columns may be mentioned, but no policy covers all of them together.
    pub fn columns_denied(reason: impl fmt::Display) -> HostError {
        HostError::new(ErrorKind::Denied, "columns_denied", reason.to_string())
    }

    /// A written row does not pass the policy's check. Nothing was written.
    pub fn check_failed() -> HostError {
        HostError::new(
            ErrorKind::Denied,
            "check_failed",
            "a written row does not pass the table's policies; nothing was written",
        )
    }

    /// The column exists, but the caller may not read it.
    pub fn column_not_readable(column: &str) -> HostError {
        let message = format!("column {} may not be read by this caller", echo(column));
        HostError::new(ErrorKind::Denied, "column_not_readable", message)
    }

    /// The column exists, but the caller may not write it.
    pub fn column_not_writable(column: &str) -> HostError {
        let message = format!("column {} may not be written by this caller", echo(column));
        HostError::new(ErrorKind::Denied, "column_not_writable", message)
    }
}

/// Requests that name what is not there or cannot be understood.
impl HostError {
    /// The project has no such table.
    pub fn unknown_table(table: &str) -> HostError {
        let message = format!("no table {} in this project", echo(table));
        HostError::new(ErrorKind::NotFound, "unknown_table", message)
    }

    /// The table has no such column.
    pub fn unknown_column(table: &str, column: &str) -> HostError {
        let message = format!("table {} has no column {}", echo(table), echo(column));
        HostError::new(ErrorKind::NotFound, "unknown_column", message)
    }

    /// The filter does not parse, does not fit the table or names what may not be read. The reason
    /// carries the position.
    pub fn invalid_filter(code: &'static str, reason: impl fmt::Display) -> HostError {
        let kind = match code {
            "unknown_column" => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        };
        HostError::new(kind, code, reason.to_string())
    }

    /// The rows are not JSON of the expected shape.
    pub fn invalid_rows(reason: impl fmt::Display) -> HostError {
        HostError::new(ErrorKind::Invalid, "invalid_rows", reason.to_string())
    }

    /// A value does not fit its column; the reason says what would have been right.
    pub fn invalid_value(place: impl fmt::Display, reason: impl fmt::Display) -> HostError {
        HostError::new(
            ErrorKind::Invalid,
            "invalid_value",
            format!("{place}: {reason}"),
        )
    }

    /// Postgres refused a value that passed the host's own check, a number out of range say.
    pub fn value_out_of_range() -> HostError {
        let message = "a value is outside what its column can hold";
        HostError::new(ErrorKind::Invalid, "value_out_of_range", message)
    }

    /// A column that must have a value got none.
    pub fn missing_value(column: Option<&str>) -> HostError {
        let message = match column {
            Some(name) => format!("column {} needs a value: it has no default", echo(name)),
            None => "a column that needs a value got none".to_owned(),
        };
        HostError::new(ErrorKind::Invalid, "missing_value", message)
    }

    /// The same column was named twice where once is meant.
    pub fn repeated_column(column: &str) -> HostError {
        let message = format!("column {} is named twice", echo(column));
        HostError::new(ErrorKind::Invalid, "repeated_column", message)
    }

    /// An update without a change.
    pub fn nothing_to_change() -> HostError {
        let message = "changes must name at least one column";
        HostError::new(ErrorKind::Invalid, "nothing_to_change", message)
    }

    /// A check constraint of the table itself refused the row.
    pub fn constraint_failed() -> HostError {
        let message = "a row breaks a constraint of the table; nothing was written";
        HostError::new(ErrorKind::Invalid, "constraint_failed", message)
    }
}

/// Keys in the way.
impl HostError {
    /// A row with the same unique key is there already.
    pub fn already_exists() -> HostError {
        let message = "a row with the same unique key exists; nothing was written";
        HostError::new(ErrorKind::Conflict, "already_exists", message)
    }

    /// A foreign key points nowhere, or other rows point here.
    pub fn reference_conflict() -> HostError {
        let message = "a reference between rows stands in the way; nothing was written";
        HostError::new(ErrorKind::Conflict, "reference_conflict", message)
    }
}

/// Limits, each named in [`crate::limits`].
impl HostError {
    /// More rows, bytes or names in one request than the limit. `what` is a plural noun.
    pub fn too_much(code: &'static str, what: &str, limit: usize) -> HostError {
        HostError::new(
            ErrorKind::Limit,
            code,
            format!("too many {what}: at most {limit}"),
        )
    }

    /// Refuses the first of several sizes that is above its limit: code, what there would be too much of,
    /// size, limit.
    pub(crate) fn unless_within<const N: usize>(
        sizes: [(&'static str, &str, usize, usize); N],
    ) -> Result<(), HostError> {
        let above = sizes.into_iter().find(|(_, _, size, limit)| size > limit);
        match above {
            Some((code, what, _, limit)) => Err(HostError::too_much(code, what, limit)),
            None => Ok(()),
        }
    }

    /// The change would touch more rows than asked for. Nothing was changed.
    pub fn max_affected() -> HostError {
        let message = format!(
            "more rows match than max-affected allows, or than {RETURNED_ROWS} where columns are \
             returned; nothing was changed"
        );
        HostError::new(ErrorKind::Limit, "max_affected", message)
    }

    /// The answer is larger than [`crate::limits::ANSWER_BYTES`]. Nothing was changed by a read.
    pub fn answer_too_large(limit: usize) -> HostError {
        let message = format!("the answer is over {limit} bytes: ask for fewer rows or columns");
        HostError::new(ErrorKind::Limit, "answer_too_large", message)
    }

    /// As [`HostError::answer_too_large`], but the statement wrote and is done.
    pub fn written_answer_too_large(limit: usize) -> HostError {
        let message = format!("the change was made, but its answer is over {limit} bytes");
        HostError::new(ErrorKind::Limit, "answer_too_large", message)
    }

    /// Postgres stopped the statement at its time limit.
    pub fn statement_timeout() -> HostError {
        let message = "the statement took longer than its time limit, and nothing was changed: ask for fewer rows, or \
                       those that an index finds; a function has 5 s, or `statement_ms` in [limits] of its manifest";
        HostError::new(ErrorKind::Limit, "statement_timeout", message)
    }

    /// Postgres found the statement too large to run.
    pub fn statement_too_complex() -> HostError {
        let message = "the statement is too large to run: split it";
        HostError::new(ErrorKind::Limit, "statement_too_complex", message)
    }
}

/// Faults that are not the guest's.
impl HostError {
    /// No connection came free in time.
    pub fn database_busy() -> HostError {
        let message = "the database is busy; try again shortly";
        HostError::new(ErrorKind::Unavailable, "database_busy", message)
    }

    /// Postgres cannot be reached, or went away under the statement.
    pub fn database_away(inside: impl fmt::Display) -> HostError {
        let message = "the database is away; try again shortly";
        HostError::new(ErrorKind::Unavailable, DATABASE_AWAY, message).with_inside(inside)
    }

    /// Another change was in the way; this one was undone and may be tried again.
    pub fn try_again(inside: impl fmt::Display) -> HostError {
        let message = "another change was in the way; nothing was written, try again";
        HostError::new(ErrorKind::Unavailable, "try_again", message).with_inside(inside)
    }

    /// Anything that should not happen.
    pub fn internal(inside: impl fmt::Display) -> HostError {
        let message = "the host could not do this; its log says why";
        HostError::new(ErrorKind::Internal, "internal", message).with_inside(inside)
    }
}

/// A guest's text as an error repeats it: quoted, without control characters, cut to a readable
/// length so that nobody can make the log or a caller carry megabytes.
pub(crate) fn echo(text: &str) -> String {
    let short: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(ECHO_CHARS)
        .collect();
    let cut = if text.chars().nth(ECHO_CHARS).is_some() {
        "…"
    } else {
        ""
    };
    format!("\"{short}{cut}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_control_characters_are_dropped() {
        let error = HostError::unknown_table(&format!("a\n{}", "b".repeat(5000)));
        assert!(error.message().len() < 200, "{}", error.message());
        assert!(!error.message().contains('\n'));
    }

    #[test]
    fn what_is_inside_does_not_show_outside() {
        let error = HostError::internal("relation secret_table does not exist");
        assert!(!error.to_string().contains("secret_table"));
        assert_eq!(error.inside(), Some("relation secret_table does not exist"));
    }
}
