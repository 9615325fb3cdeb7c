//! Upsert: an insert and an update in one, so both permits are asked.

use koyalite_policy::{ColumnName, TableShape};

use super::write::{cells, insert_columns, presets, with_presets};
use super::{Checked, Mentions};
use crate::db::sql::Upsert;
use crate::db::values::parse_rows;
use crate::error::HostError;
use crate::tables::query::UpsertQuery;

pub(in crate::tables) fn upsert(
    insert: &mut Mentions<'_>,
    update: &mut Mentions<'_>,
    query: &UpsertQuery,
) -> Result<Checked<Upsert>, HostError> {
    let returning = insert.named_outputs(&query.returning)?;
    let rows = parse_rows(&query.rows)?;
    let conflict = conflict(insert.table(), &query.conflict)?;
    let mentioned = returning.iter().map(|output| &output.column);
    for column in conflict.iter().chain(mentioned) {
        insert.readable(column.as_str())?;
        update.readable(column.as_str())?;
    }
    if rows.is_empty() {
        return Ok(Checked::Nothing);
    }
    let columns = insert_columns(insert, &rows)?;
    let uneven = rows.iter().any(|row| row.0.len() != columns.len());
    let presets_of = insert.permit().presets();
    let given = |name: &ColumnName| {
        let mut filled = presets_of.iter().map(|(preset, _)| preset);
        columns.iter().any(|column| column.name == *name) || filled.any(|preset| preset == name)
    };
    if uneven || !conflict.iter().all(given) {
        return Err(HostError::uneven_rows());
    }
    let mut taken = Vec::new();
    for column in &columns {
        if !conflict.contains(&column.name) {
            taken.push(update.writable(column.name.as_str())?.name.clone());
        }
    }
    // Nothing to change: the row is there as proposed, and is still answered and checked.
    if taken.is_empty() {
        taken.extend(conflict.first().cloned());
    }
    let set: Vec<_> = presets(update.permit()).collect();
    taken.retain(|column| set.iter().all(|(preset, _)| preset != column));
    let (columns, rows) = with_presets(insert.permit(), &columns, cells(&rows, &columns)?);
    Ok(Checked::Ask(Upsert {
        columns,
        rows,
        conflict,
        taken,
        set,
        returning,
    }))
}

/// The columns that tell whether a row is there.
fn conflict(table: &TableShape, names: &[String]) -> Result<Vec<ColumnName>, HostError> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = super::mentions::find(table, name)?;
        if columns.contains(&column.name) {
            return Err(HostError::repeated_column(name));
        }
        columns.push(column.name.clone());
    }
    let primary = table.columns.iter().filter(|column| column.primary_key);
    let primary: Vec<_> = primary.map(|column| column.name.clone()).collect();
    if columns.is_empty() {
        return match primary.is_empty() {
            false => Ok(primary),
            true => Err(HostError::no_primary_key(table.name.as_str())),
        };
    }
    let are = |key: &[ColumnName]| {
        columns.len() == key.len() && key.iter().all(|name| columns.contains(name))
    };
    let is_unique = |name: &ColumnName| {
        table
            .column(name.as_str())
            .is_some_and(|column| column.unique)
    };
    match columns.as_slice() {
        _ if are(&primary) => Ok(columns),
        _ if table.unique_together.iter().any(|key| are(key)) => Ok(columns),
        [only] if is_unique(only) => Ok(columns),
        _ => Err(HostError::invalid_conflict_target()),
    }
}
