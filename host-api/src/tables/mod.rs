//! The tables interface: rows of a project's tables, under the policies of the caller.
//!
//! Each operation is the same four steps: find the table and decide ([`koyalite_policy::decide`]),
//! check the request against the permit (`check`), build one statement (`crate::db::sql`), run it
//! (`crate::db::run`). What policies refuse by the caller's claims alone never reaches Postgres.
//! Never here: WebAssembly types (see `adapter`) and SQL.
//!
//! `plan` goes as far as the statement, so that one operation ([`run`]), several ([`batch`]) and
//! those in a [`Transaction`] are all the same; a [`trial`] is one that is undone.

pub mod query;

mod check;
mod filters;
pub(crate) mod near;
mod plan;
mod reads;
mod related;
mod single;
mod transaction;
pub mod trial;
pub mod verify;

use std::slice::from_ref;

use koyalite_policy::{Command, Denied, Identity, Permit, Resource, TableName, Timestamp, decide};

use crate::error::{HostError, Refused};
use crate::invocation::Project;
use crate::limits::BATCH_OPERATIONS;

pub(crate) use filters::FilterTexts;
use plan::{Plan, plan};
pub use query::{
    AggregateQuery, CountQuery, DeleteQuery, Direction, EmbedQuery, Filter, InsertQuery, Measure,
    Nulls, Operation, OrderKey, Outcome, Page, SelectQuery, Summary, UpdateQuery, UpsertQuery,
};
use reads::{Look, refused, told};
pub use reads::{ReadEnd, ReadLog, Reads, TableRead};
pub use single::{aggregate, count, delete, insert, select, select_page, update, upsert};
pub use transaction::{Transaction, TransactionSlot};

/// Runs one operation.
///
/// # Errors
/// [`HostError`], from the catalogue in `error`. Nothing was written, with the one exception of
/// `answer_too_large`.
pub async fn run(
    project: &Project,
    identity: &Identity,
    operation: &Operation,
) -> Result<Outcome, HostError> {
    let whose = (project, identity);
    let plan = match plan(project, identity, operation) {
        Ok(plan) => plan,
        Err(error) => return Err(refused(whose, [Look::of(operation)], error).await),
    };
    match plan {
        Plan::Known(outcome) => {
            told(whose, [(Look::of(operation), 0)]).await?;
            Ok(outcome)
        }
        Plan::Ask { statement, answer } => {
            let asker = project.told(identity);
            let read = project.database.run(asker.as_ref(), &statement).await;
            let named = |error: HostError| error.refused_by(|| asked(from_ref(operation)));
            let read = read.map_err(named)?;
            told(whose, [(Look::of(operation), answer.seen(&read))]).await?;
            answer.outcome(read)
        }
    }
}

/// Goes as far as the statement and asks nobody: whether an operation makes sense and may be tried.
///
/// # Errors
/// As [`run`], but for what only Postgres can say.
pub fn consider(
    project: &Project,
    identity: &Identity,
    operation: &Operation,
) -> Result<(), HostError> {
    plan(project, identity, operation).map(drop)
}

/// Runs all of the operations in one transaction, or none.
///
/// # Errors
/// As [`run`], for the first operation that fails.
pub async fn batch(
    project: &Project,
    identity: &Identity,
    operations: &[Operation],
) -> Result<Vec<Outcome>, HostError> {
    if operations.len() > BATCH_OPERATIONS {
        return Err(HostError::too_much(
            "too_many_operations",
            "operations in one batch",
            BATCH_OPERATIONS,
        ));
    }
    // What is refused without the database is refused before anything is done.
    let plans = operations
        .iter()
        .map(|operation| plan(project, identity, operation));
    let plans = match plans.collect::<Result<Vec<_>, _>>() {
        Ok(plans) => plans,
        Err(error) => return Err(refused((project, identity), looks(operations), error).await),
    };
    let mut statements = Vec::with_capacity(plans.len());
    let mut steps = Vec::with_capacity(plans.len());
    for plan in plans {
        steps.push(match plan {
            Plan::Known(outcome) => Err(outcome),
            Plan::Ask { statement, answer } => {
                statements.push(statement);
                Ok(answer)
            }
        });
    }
    let asker = project.told(identity);
    let database = &project.database;
    let reads = match statements.as_slice() {
        [] => Ok(Vec::new()),
        [only] => database.run(asker.as_ref(), only).await.map(|it| vec![it]),
        several => database.run_together(asker.as_ref(), several).await,
    };
    // One of them did not pass; which, Postgres does not say.
    let reads = reads.map_err(|error| error.refused_by(|| asked(operations)))?;
    let mut seen = reads.iter();
    let counts = steps.iter().map(|step| match step {
        Err(_) => 0,
        Ok(answer) => seen.next().map_or(0, |read| answer.seen(read)),
    });
    told((project, identity), looks(operations).zip(counts)).await?;
    let mut reads = reads.into_iter();
    let outcomes = steps.into_iter().map(|step| match step {
        Err(known) => Ok(known),
        Ok(answer) => match reads.next() {
            Some(read) => answer.outcome(read),
            None => Err(HostError::internal("a step of a batch without an answer")),
        },
    });
    outcomes.collect()
}

fn looks(operations: &[Operation]) -> impl Iterator<Item = Option<Look<'_>>> {
    operations.iter().map(Look::of)
}

/// The decision for one table.
fn permit(
    project: &Project,
    identity: &Identity,
    (command, table): (Command, &TableName),
    now: Timestamp,
) -> Result<Permit, HostError> {
    if Resource::of(table).is_some() {
        // Guarded like a table, and none.
        return Err(HostError::unknown_table(table.as_str()));
    }
    decide(&project.schema, identity, command, table, now).map_err(|denied| {
        project.database.count_decided_without_database();
        refusal(table, &denied, &[command, Command::Select])
    })
}

fn select_permit(
    project: &Project,
    identity: &Identity,
    table: &TableName,
    now: Timestamp,
) -> Result<Permit, HostError> {
    permit(project, identity, (Command::Select, table), now)
}

/// What is told of a denial; the policies of `commands` were asked.
pub(crate) fn refusal(table: &TableName, denied: &Denied, commands: &[Command]) -> HostError {
    let error = match denied {
        Denied::UnknownTable => HostError::unknown_table(table.as_str()),
        Denied::NoPolicy => HostError::no_policy(denied),
        Denied::MissingClaim { .. } => HostError::missing_claim(denied),
        Denied::Columns => HostError::columns_denied(denied),
        Denied::DeniedByClaims => HostError::denied_by_claims(denied),
    };
    error.refused_on(table, commands)
}

/// Whose policies refused, where only Postgres can tell: a row that was written did not pass.
fn asked(operations: &[Operation]) -> Vec<Refused> {
    operations.iter().filter_map(Operation::asked).collect()
}
