//! The host's policies against Postgres' own, on the rows that are there.
//!
//! Where policies are mirrored, row security itself is asked; where not, what it would say is worked
//! out as a condition. Either way it reads only. For operators, never for guests: it looks past the
//! policies, and says the keys of the rows on which the two disagree.

use std::collections::BTreeSet;
use std::time::SystemTime;

use koyalite_policy::{Command, Denied, Identity, Service, TableName, Timestamp, decide, native};
use serde_json::Value as Json;

use super::query::{AggregateQuery, Measure, Summary};
use super::{aggregate, refusal};
use crate::db::compare::Askers;
use crate::db::{Compared, Told, sql};
use crate::error::HostError;
use crate::invocation::Project;

/// How many owners of a table's rows are found, for comparing what they see.
const OWNERS: u32 = 5;

/// What came of one table and one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// The two were compared.
    Compared(Compared),
    /// Row security cannot say these policies.
    NotMirrorable(Vec<native::NotMirrorable>),
}

/// Compares which rows of a table a caller sees.
///
/// # Errors
/// `missing_claim` where the host alone would refuse the caller; [`HostError`] where Postgres fails.
pub async fn verify(
    project: &Project,
    identity: &Identity,
    table: &TableName,
) -> Result<Verified, HostError> {
    let (schema, database) = (&project.schema, &project.database);
    let Some(rules) = schema.table(table) else {
        return Err(HostError::unknown_table(table.as_str()));
    };
    let visible = match native::visible(schema, table, database.schema()) {
        Ok(visible) => visible,
        Err(refused) => return Ok(Verified::NotMirrorable(refused)),
    };
    let now = Timestamp::from(SystemTime::now());
    let permit = match decide(schema, identity, Command::Select, table, now) {
        Ok(permit) => Some(permit),
        Err(denied @ Denied::MissingClaim { .. }) => {
            return Err(refusal(table, &denied, &[Command::Select]));
        }
        Err(_) => None,
    };
    let (native, past) = match project.mirror.covers(table) {
        false => (Some(visible), None),
        true => (None, Some(Told::of(&past_all(project)?))),
    };
    let askers = Askers {
        caller: Told::of(identity),
        past,
    };
    let comparison = sql::comparison(rules.shape(), database.schema(), permit.as_ref(), native);
    let compared = database.compare(&askers, &comparison).await?;
    Ok(Verified::Compared(compared))
}

/// Some subjects that policies of the table compare its rows with: people who own some.
///
/// # Errors
/// [`HostError`] where Postgres fails.
pub async fn owners(project: &Project, table: &TableName) -> Result<BTreeSet<String>, HostError> {
    let mut found = BTreeSet::new();
    let Some(rules) = project.schema.table(table) else {
        return Ok(found);
    };
    for column in rules.owner_columns() {
        let query = AggregateQuery {
            table: table.to_string(),
            group_by: vec![column.to_string()],
            measures: vec![Measure {
                summary: Summary::Count,
                column: None,
                name: "rows_of_them".to_owned(),
            }],
            limit: Some(OWNERS),
            ..AggregateQuery::default()
        };
        let rows = aggregate(project, &past_all(project)?, query).await?;
        let rows: Vec<Json> = serde_json::from_str(&rows).map_err(HostError::internal)?;
        let subjects = rows
            .iter()
            .filter_map(|row| row.get(column.as_str())?.as_str());
        found.extend(subjects.map(str::to_owned));
    }
    Ok(found)
}

/// Somebody who sees every row.
fn past_all(project: &Project) -> Result<Identity, HostError> {
    let tables = project.schema.tables();
    let tables = tables.map(|rules| rules.shape().name.clone());
    let service = Service::past_policies("verify", tables);
    Ok(Identity::Service(service.map_err(HostError::internal)?))
}
