//! The tables interface: rows of a project's tables, under the policies of the caller.
//!
//! Each operation is the same four steps: find the table and decide ([`koyalite_policy::decide`]),
//! check the request against the permit (`check`), build one statement (`crate::db::sql`), run it
//! (`crate::db::run`). What policies refuse by the caller's claims alone never reaches Postgres.
//! Never here: WebAssembly types (see `host.rs`) and SQL.

pub mod query;

mod check;

use std::time::SystemTime;

use koyalite_policy::{Command, Denied, Identity, Permit, TableName, Timestamp, decide};

use crate::db::sql;
use crate::error::HostError;
use crate::invocation::Project;

use check::Checked;
pub use query::{DeleteQuery, Direction, Filter, InsertQuery, SelectQuery, UpdateQuery};

/// Reads rows: a JSON array of objects, at most [`crate::limits::SELECT_ROWS`].
///
/// # Errors
/// [`HostError`], from the catalogue in `error.rs`.
pub async fn select(
    project: &Project,
    identity: &Identity,
    query: SelectQuery,
) -> Result<String, HostError> {
    let permit = permit(project, identity, Command::Select, &query.table)?;
    match check::select(&permit, query)? {
        Checked::Nothing => Ok(nothing(project)),
        Checked::Ask(request) => {
            let statement = sql::select(&permit, project.database.schema(), &request);
            project.database.run(&statement).await
        }
    }
}

/// Writes new rows, all or none; the columns asked for as a JSON array.
///
/// # Errors
/// [`HostError`]; nothing was written, with the one exception of `answer_too_large`.
pub async fn insert(
    project: &Project,
    identity: &Identity,
    query: InsertQuery,
) -> Result<String, HostError> {
    let permit = permit(project, identity, Command::Insert, &query.table)?;
    match check::insert(&permit, query)? {
        Checked::Nothing => Ok(nothing(project)),
        Checked::Ask(request) => {
            let statement = sql::insert(&permit, project.database.schema(), request);
            project.database.run(&statement).await
        }
    }
}

/// Changes the rows that the filter names and the caller may change, all or none.
///
/// # Errors
/// [`HostError`]; nothing was changed, with the one exception of `answer_too_large`.
pub async fn update(
    project: &Project,
    identity: &Identity,
    query: UpdateQuery,
) -> Result<String, HostError> {
    let permit = permit(project, identity, Command::Update, &query.table)?;
    match check::update(&permit, query)? {
        Checked::Nothing => Ok(nothing(project)),
        Checked::Ask(request) => {
            let statement = sql::update(&permit, project.database.schema(), request);
            project.database.run(&statement).await
        }
    }
}

/// Deletes the rows that the filter names and the caller may delete, all or none.
///
/// # Errors
/// [`HostError`]; nothing was deleted, with the one exception of `answer_too_large`.
pub async fn delete(
    project: &Project,
    identity: &Identity,
    query: DeleteQuery,
) -> Result<String, HostError> {
    let permit = permit(project, identity, Command::Delete, &query.table)?;
    match check::delete(&permit, query)? {
        Checked::Nothing => Ok(nothing(project)),
        Checked::Ask(request) => {
            let statement = sql::delete(&permit, project.database.schema(), &request);
            project.database.run(&statement).await
        }
    }
}

fn permit(
    project: &Project,
    identity: &Identity,
    command: Command,
    table: &str,
) -> Result<Permit, HostError> {
    // A text that can be no table's name names no table.
    let name: TableName = table.parse().map_err(|_| HostError::unknown_table(table))?;
    let now = Timestamp::from(SystemTime::now());
    decide(&project.schema, identity, command, &name, now).map_err(|denied| {
        project.database.count_decided_without_database();
        refusal(table, &denied)
    })
}

fn refusal(table: &str, denied: &Denied) -> HostError {
    match denied {
        Denied::UnknownTable => HostError::unknown_table(table),
        Denied::NoPolicy => HostError::no_policy(denied),
        Denied::MissingClaim { .. } => HostError::missing_claim(denied),
        Denied::Columns => HostError::columns_denied(denied),
        Denied::DeniedByClaims { policies } => {
            HostError::denied_by_claims(denied).with_inside(format_args!("policies {policies:?}"))
        }
    }
}

/// The answer where it is clear without asking that no row is meant.
fn nothing(project: &Project) -> String {
    project.database.count_decided_without_database();
    "[]".to_owned()
}
