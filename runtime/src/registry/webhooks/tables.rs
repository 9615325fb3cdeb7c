//! Events of tables: the triggers of a project's tables, as its endpoints want them.
//!
//! A table has triggers while an endpoint names its events. They carry the columns that any of these
//! endpoints names; each delivery carries those of its own.

use std::collections::{BTreeMap, BTreeSet};

use koyalite_policy::{ColumnName, TableName};

use super::super::change::{Change, LockedProject};
use super::super::columns::{self, StoredTable};
use super::super::ddl::events::{create_events, drop_events};
use super::super::error::RegistryError;
use super::input::{Columns, tables_of};

/// What is wanted of one table.
#[derive(Default)]
struct Wanted {
    operations: BTreeSet<&'static str>,
    columns: BTreeSet<ColumnName>,
}

/// Brings the triggers of these tables in line with the endpoints, inside a change. Tables that are
/// not there are nobody's to watch.
pub(crate) async fn renew(
    change: &mut Change<'_>,
    project: &LockedProject,
    affected: &BTreeSet<String>,
) -> Result<(), RegistryError> {
    if affected.is_empty() {
        return Ok(());
    }
    let wanted = wanted(change, project).await?;
    let tables = columns::load(change.conn(), Some(project.id)).await?;
    for table in tables
        .iter()
        .filter(|table| affected.contains(table.name.as_str()))
    {
        change.run(drop_events(project, &table.name)).await?;
        if let Some(wanted) = wanted.get(table.name.as_str()) {
            let columns = wanted.columns.iter().collect();
            let events = create_events(
                project,
                &table.name,
                &wanted.operations,
                (&key(table), &columns),
            );
            change.run(events).await?;
        }
    }
    Ok(())
}

/// The same for a table that has just been made.
pub(crate) async fn renew_made(
    change: &mut Change<'_>,
    project: &LockedProject,
    table: &TableName,
) -> Result<(), RegistryError> {
    if !wanted(change, project).await?.contains_key(table.as_str()) {
        return Ok(());
    }
    renew(change, project, &BTreeSet::from([table.to_string()])).await
}

fn key(table: &StoredTable) -> Vec<&ColumnName> {
    let columns = table.columns.iter();
    let key = columns.filter(|column| column.primary_key);
    key.map(|column| &column.name).collect()
}

async fn wanted(
    change: &mut Change<'_>,
    project: &LockedProject,
) -> Result<BTreeMap<String, Wanted>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT event_types, columns FROM koyalite.webhook_endpoints
         WHERE project_id = $1 AND enabled",
        project.id,
    )
    .fetch_all(change.conn())
    .await?;
    let mut all: BTreeMap<String, Wanted> = BTreeMap::new();
    for row in rows {
        let columns: Columns =
            serde_json::from_value(row.columns).map_err(RegistryError::internal)?;
        for (table, operations) in tables_of(&row.event_types) {
            let wanted = all.entry(table.to_owned()).or_default();
            wanted.operations.extend(operations);
            let named = columns.iter().filter(|(name, _)| name.as_str() == table);
            wanted
                .columns
                .extend(named.flat_map(|(_, columns)| columns.clone()));
        }
    }
    Ok(all)
}

/// The tables whose events these types name.
pub(super) fn named(event_types: &[String]) -> BTreeSet<String> {
    tables_of(event_types)
        .into_keys()
        .map(str::to_owned)
        .collect()
}
