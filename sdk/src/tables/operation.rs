//! Operations as values: for batches and transactions.

use serde::de::DeserializeOwned;

use super::query::parse_rows;
use super::{Aggregate, Count, Delete, Error, ErrorKind, Insert, Select, Update, Upsert};
use crate::bindings::imports::koyalite::host::tables as host;

/// Runs all of these in one transaction and one journey to the database, or none of them.
///
/// # Errors
/// That of the first operation that fails; then nothing was done.
pub async fn batch(operations: impl IntoIterator<Item = Operation>) -> Result<Vec<Answer>, Error> {
    let (mut tables, mut calls) = (Vec::new(), Vec::new());
    for operation in operations {
        tables.push(operation.table);
        calls.push(operation.call?);
    }
    let outcomes = host::batch(calls).await?;
    let answers = tables.into_iter().zip(outcomes);
    Ok(answers
        .map(|(table, outcome)| Answer { table, outcome })
        .collect())
}

/// An operation that is still to be run: made from any select, count, aggregate, insert, upsert,
/// update or delete by `into`.
#[derive(Clone, Debug)]
#[must_use = "nothing is done before it is run"]
pub struct Operation {
    pub(super) table: String,
    pub(super) call: Result<host::Operation, Error>,
}

/// What an operation answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) table: String,
    pub(super) outcome: host::Outcome,
}

impl Answer {
    /// The rows, each as a `T`.
    ///
    /// # Errors
    /// `row_mismatch` where a row does not fit `T`, or where it was a count.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, Error> {
        match &self.outcome {
            host::Outcome::Rows(rows) => parse_rows(&self.table, rows),
            host::Outcome::Count(_) => Err(mismatch("it was a count: take `count`")),
        }
    }

    /// The number that a count answered.
    ///
    /// # Errors
    /// `row_mismatch` where it answered rows.
    pub fn count(&self) -> Result<u64, Error> {
        match self.outcome {
            host::Outcome::Count(count) => Ok(count),
            host::Outcome::Rows(_) => Err(mismatch("it answered rows: take `rows`")),
        }
    }
}

fn mismatch(message: &str) -> Error {
    Error::new(ErrorKind::Internal, "row_mismatch", message)
}

impl From<Select> for Operation {
    fn from(select: Select) -> Self {
        let Select { table, query } = select;
        Self {
            table: table.clone(),
            call: Ok(host::Operation::Select(host::Selection { table, query })),
        }
    }
}

impl From<Count> for Operation {
    fn from(count: Count) -> Self {
        let Count { table, filter } = count;
        Self {
            table: table.clone(),
            call: Ok(host::Operation::Count(host::Counting { table, filter })),
        }
    }
}

impl From<Aggregate> for Operation {
    fn from(aggregate: Aggregate) -> Self {
        let Aggregate { table, aggregation } = aggregate;
        Self {
            table: table.clone(),
            call: Ok(host::Operation::Aggregate(host::Summing {
                table,
                aggregation,
            })),
        }
    }
}

impl From<Insert> for Operation {
    fn from(insert: Insert) -> Self {
        let table = insert.table.clone();
        Self {
            call: insert.arguments().map(host::Operation::Insert),
            table,
        }
    }
}

impl From<Upsert> for Operation {
    fn from(upsert: Upsert) -> Self {
        let table = upsert.insert.table.clone();
        Self {
            call: upsert.arguments().map(host::Operation::Upsert),
            table,
        }
    }
}

impl From<Update> for Operation {
    fn from(update: Update) -> Self {
        let table = update.rows.table.clone();
        Self {
            call: update.arguments().map(host::Operation::Update),
            table,
        }
    }
}

impl From<Delete> for Operation {
    fn from(delete: Delete) -> Self {
        let table = delete.rows.table.clone();
        Self {
            call: delete.arguments().map(host::Operation::Delete),
            table,
        }
    }
}
