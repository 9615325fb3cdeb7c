//! Reads, told to whoever keeps a record of them, for projects that want one.
//!
//! A read is told before it is answered, and an answer that could not be told is not given: what a
//! guest has seen is on record, whatever happens next. Never here: what any row holds.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use koyalite_policy::{Command, Identity, TableName};

use super::query::{Operation, SelectQuery};
use crate::error::{ErrorKind, HostError};
use crate::invocation::Project;

/// One read of rows, as it is to be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    /// What was asked for; a write that answers rows is a read too.
    pub command: Command,
    /// The table, and those whose rows came along.
    pub tables: Vec<TableName>,
    /// The policies that were asked, as `table.name`.
    pub policies: Vec<String>,
    /// How it ended.
    pub ended: ReadEnd,
}

/// What a caller learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadEnd {
    /// So many rows of the first table; of a count, what it counted.
    Rows(u64),
    /// Nothing: the code of the refusal.
    Denied(&'static str),
}

/// Whoever keeps the record.
pub trait ReadLog: Send + Sync + 'static {
    /// Returns once all of them are on record.
    ///
    /// # Errors
    /// `Unavailable`: then nothing of it is to be answered.
    fn keep<'a>(
        &'a self,
        caller: &'a Identity,
        reads: Vec<TableRead>,
    ) -> BoxFuture<'a, Result<(), HostError>>;
}

/// A project's record of reads; none where it does not want one.
#[derive(Clone, Default)]
pub struct Reads(Option<Arc<dyn ReadLog>>);

impl Reads {
    /// Kept by `log`.
    #[must_use]
    pub fn kept_by(log: Arc<dyn ReadLog>) -> Self {
        Self(Some(log))
    }
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Reads({})",
            if self.0.is_some() { "kept" } else { "not kept" }
        )
    }
}

/// What an operation looks at.
#[derive(Debug, Clone)]
pub(super) struct Look<'a> {
    command: Command,
    tables: Vec<&'a str>,
}

impl<'a> Look<'a> {
    /// None for a write that answers no rows.
    pub(super) fn of(operation: &'a Operation) -> Option<Self> {
        let write = |command, table, returning: &[String]| {
            (!returning.is_empty()).then_some((command, table))
        };
        let (command, table) = match operation {
            Operation::Select(query) => return Some(Self::select(query)),
            Operation::Count(query) => Some((Command::Select, &query.table)),
            Operation::Aggregate(query) => Some((Command::Select, &query.table)),
            Operation::Insert(query) => write(Command::Insert, &query.table, &query.returning),
            Operation::Upsert(query) => write(Command::Insert, &query.table, &query.returning),
            Operation::Update(query) => write(Command::Update, &query.table, &query.returning),
            Operation::Delete(query) => write(Command::Delete, &query.table, &query.returning),
        }?;
        let tables = vec![table.as_str()];
        Some(Self { command, tables })
    }

    pub(super) fn select(query: &'a SelectQuery) -> Self {
        let embeds = query.embeds.iter().map(|embed| embed.table.as_str());
        Self {
            command: Command::Select,
            tables: std::iter::once(query.table.as_str())
                .chain(embeds)
                .collect(),
        }
    }

    fn ended(&self, project: &Project, caller: &Identity, ended: ReadEnd) -> TableRead {
        let named = self
            .tables
            .iter()
            .filter_map(|name| name.parse::<TableName>().ok());
        // What is no table here is the guest's own text, and not for the record.
        let mut tables: Vec<_> = named
            .filter(|name| project.schema.table(name).is_some())
            .collect();
        let first = tables.first().cloned();
        tables.sort_by_key(|name| (Some(name) != first.as_ref(), name.clone()));
        tables.dedup();
        let mut policies = Vec::new();
        for table in &tables {
            let rules = project.schema.table(table);
            for policy in rules.map(|rules| rules.policies()).unwrap_or_default() {
                let source = policy.source();
                let asked = source.commands.contains(&Command::Select)
                    || (Some(table) == first.as_ref() && source.commands.contains(&self.command));
                if asked && policy.is_for(caller) {
                    policies.push(format!("{table}.{}", source.name));
                }
            }
        }
        TableRead {
            command: self.command,
            tables,
            policies,
            ended,
        }
    }
}

/// Tells of reads that were made; each with how many rows it answered.
pub(super) async fn told(
    (project, caller): (&Project, &Identity),
    looks: impl IntoIterator<Item = (Option<Look<'_>>, u64)>,
) -> Result<(), HostError> {
    let Some(log) = &project.reads.0 else {
        return Ok(());
    };
    let made = looks.into_iter().filter_map(|(look, rows)| {
        look.map(|look| look.ended(project, caller, ReadEnd::Rows(rows)))
    });
    let made: Vec<_> = made.collect();
    match made.is_empty() {
        true => Ok(()),
        false => log.keep(caller, made).await,
    }
}

/// Tells of a read that policies have refused, and hands the refusal on: it stands, whether or not
/// there is a record of it.
pub(super) async fn refused(
    (project, caller): (&Project, &Identity),
    looks: impl IntoIterator<Item = Option<Look<'_>>>,
    error: HostError,
) -> HostError {
    if let (Some(log), ErrorKind::Denied) = (&project.reads.0, error.kind()) {
        let end = |look: Look<'_>| look.ended(project, caller, ReadEnd::Denied(error.code()));
        let denied: Vec<_> = looks.into_iter().flatten().map(end).collect();
        if !denied.is_empty()
            && let Err(unkept) = log.keep(caller, denied).await
        {
            tracing::warn!(code = unkept.code(), "a denied read was not put on record");
        }
    }
    error
}
