//! Dry runs: a real statement, run in a transaction that is always undone, and the rows that it is
//! about.
//!
//! For those who explain policies, never for guests: [`stored`] and [`written`] look past the
//! policies, as a service that bypasses them on that one table. Nothing here commits.

use koyalite_policy::{Command, Identity, Permit, Preset, Service, TableName, Timestamp};
use serde_json::{Map, Value as Json};

use super::plan::{Plan, counted, plan, plan_reach};
use super::query::{Filter, InsertQuery, Operation, OrderKey, Outcome, SelectQuery};
use super::{permit, select};
use crate::db::rows::Read;
use crate::db::run::{Effect, Statement};
use crate::db::sql;
use crate::error::HostError;
use crate::invocation::Project;
use crate::limits::EXPLAINED_ROWS;

/// A row as JSON: its columns by name.
pub type JsonRow = Map<String, Json>;

/// What became of a statement that was undone.
#[derive(Debug)]
pub struct Trial {
    /// How many rows it reached or wrote, or why none.
    pub affected: Result<u64, HostError>,
    /// Its text; none where it was decided without one.
    pub statement: Option<String>,
}

/// Runs an operation that answers no row and undoes it.
pub async fn attempt(project: &Project, identity: &Identity, operation: &Operation) -> Trial {
    let known = |affected| Trial {
        affected,
        statement: None,
    };
    match plan(project, identity, operation) {
        Err(error) => known(Err(error)),
        Ok(Plan::Known(_)) => known(Ok(0)),
        Ok(Plan::Ask { statement, .. }) => {
            let text = statement.text.clone();
            let counting = match statement.effect {
                Effect::Reads => statement,
                Effect::Writes => sql::counted(statement),
            };
            let read = undone(project, identity, &counting).await;
            Trial {
                affected: read.and_then(|read| counted(&read)),
                statement: Some(text),
            }
        }
    }
}

/// The first rows that a filter finds in a table, whoever may see them, by their key; one more than
/// [`EXPLAINED_ROWS`] says that there are more.
///
/// # Errors
/// [`HostError`], for a filter that does not fit the table.
pub async fn stored(
    project: &Project,
    table: &TableName,
    filter: Filter,
) -> Result<Vec<JsonRow>, HostError> {
    let query = SelectQuery {
        table: table.to_string(),
        filter,
        order: key(project, table).map(OrderKey::ascending).collect(),
        limit: u32::try_from(EXPLAINED_ROWS + 1).ok(),
        ..SelectQuery::default()
    };
    rows(&select(project, &past_policies(table)?, query).await?)
}

/// The keys of the first rows that a count, an update or a delete reaches; none where it is refused,
/// or its table has no key.
///
/// # Errors
/// [`HostError`] where Postgres fails.
pub async fn reached(
    project: &Project,
    identity: &Identity,
    operation: &Operation,
) -> Result<Vec<JsonRow>, HostError> {
    match plan_reach(project, identity, operation) {
        Ok(Plan::Ask { statement, .. }) => {
            let told = project.told(identity);
            let read = project.database.run(told.as_ref(), &statement).await?;
            rows(&read.rows)
        }
        Ok(Plan::Known(_)) | Err(_) => Ok(Vec::new()),
    }
}

/// New rows as they would be stored for `identity`, with what the database and the policies put into
/// them; written past the policies and undone.
///
/// # Errors
/// [`HostError`], of the catalogue in `error`.
pub async fn written(
    project: &Project,
    identity: &Identity,
    table: &TableName,
    new: &[JsonRow],
) -> Result<Vec<JsonRow>, HostError> {
    let now = Timestamp::from(std::time::SystemTime::now());
    let presets = permit(project, identity, (Command::Insert, table), now);
    let presets = presets.map(|permit| preset(&permit, now));
    let presets = presets.unwrap_or_default();
    let filled = new.iter().map(|row| {
        let mut row = row.clone();
        row.extend(presets.clone());
        Json::Object(row)
    });
    let all = project.schema.table(table).map(|rules| rules.shape());
    let all = all.into_iter().flat_map(|shape| &shape.columns);
    let insert = Operation::Insert(InsertQuery {
        table: table.to_string(),
        rows: Json::Array(filled.collect()).to_string(),
        returning: all.map(|column| column.name.to_string()).collect(),
    });
    let past = past_policies(table)?;
    match plan(project, &past, &insert)? {
        Plan::Known(Outcome::Rows(known)) => rows(&known),
        Plan::Known(Outcome::Count(_)) => Ok(Vec::new()),
        Plan::Ask { statement, .. } => rows(&undone(project, &past, &statement).await?.rows),
    }
}

/// The names of a table's primary key.
pub fn key<'a>(project: &'a Project, table: &TableName) -> impl Iterator<Item = &'a str> {
    let shape = project.schema.table(table).map(|rules| rules.shape());
    let columns = shape.into_iter().flat_map(|shape| &shape.columns);
    let key = columns.filter(|column| column.primary_key);
    key.map(|column| column.name.as_str())
}

async fn undone(
    project: &Project,
    identity: &Identity,
    statement: &Statement,
) -> Result<Read, HostError> {
    let told = project.told(identity);
    let open = project.database.begin(told.as_ref(), ()).await?;
    let mut read = open.run(statement).await;
    if read.is_ok() && statement.effect == Effect::Writes {
        // What would only be looked at by the commit is looked at now.
        let checked = open.run(&sql::check_constraints()).await;
        read = checked.and(read);
    }
    open.rollback().await;
    read
}

fn preset(permit: &Permit, now: Timestamp) -> JsonRow {
    let presets = permit.presets().iter().map(|(column, preset)| {
        let value = match preset {
            Preset::Value(value, _) => value.to_json(),
            Preset::Now => now.to_string().into(),
        };
        (column.to_string(), value)
    });
    presets.collect()
}

fn rows(text: &str) -> Result<Vec<JsonRow>, HostError> {
    serde_json::from_str(text).map_err(HostError::internal)
}

fn past_policies(table: &TableName) -> Result<Identity, HostError> {
    let service = Service::past_policies("explain", [table.clone()]);
    Ok(Identity::Service(service.map_err(HostError::internal)?))
}
