//! Insert, update, delete.

use std::collections::BTreeMap;

use koyalite_policy::{ColumnName, ColumnShape, Command, Permit, Preset, Residual, TableShape};

use super::{Checked, Mentions, Rows};
use crate::db::bind::Bind;
use crate::db::sql::{Cell, Delete, Insert, Output, Update};
use crate::db::values::{JsonRow, Place, bind_json, parse_changes, parse_rows};
use crate::error::HostError;
use crate::limits::{INSERT_VALUES, RETURNED_ROWS};
use crate::tables::query::{DeleteQuery, InsertQuery, UpdateQuery};
use crate::tables::refusal;

pub(in crate::tables) fn insert(
    mentions: &mut Mentions<'_>,
    query: &InsertQuery,
) -> Result<Checked<Insert>, HostError> {
    let returning = mentions.named_outputs(&query.returning)?;
    let rows = parse_rows(&query.rows)?;
    if rows.is_empty() {
        return Ok(Checked::Nothing);
    }
    let columns = insert_columns(mentions, &rows)?;
    let (columns, rows) = with_presets(mentions.permit(), &columns, cells(&rows, &columns)?);
    Ok(Checked::Ask(Insert {
        columns,
        rows,
        returning,
    }))
}

pub(in crate::tables) fn update(
    mentions: &mut Mentions<'_>,
    query: &UpdateQuery,
) -> Result<Checked<Update>, HostError> {
    let returning = mentions.named_outputs(&query.returning)?;
    let row = parse_changes(&query.changes)?;
    if row.0.is_empty() {
        return Err(HostError::nothing_to_change());
    }
    let mut changes = Vec::with_capacity(row.0.len());
    for (name, raw) in &row.0 {
        let column = mentions.writable(name)?;
        if changes.iter().any(|(known, _)| *known == column.name) {
            return Err(HostError::repeated_column(name));
        }
        let bind = bind_json(raw, Place::Changes(column))?;
        changes.push((column.name.clone(), Cell::Value(bind)));
    }
    changes.extend(presets(mentions.permit()));
    let at_most = at_most(query.max_affected, &returning);
    Ok(match mentions.filter(&query.filter)? {
        Rows::None => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Update {
            filter,
            changes,
            at_most,
            returning,
        }),
    })
}

pub(in crate::tables) fn delete(
    mentions: &mut Mentions<'_>,
    query: &DeleteQuery,
) -> Result<Checked<Delete>, HostError> {
    let returning = mentions.named_outputs(&query.returning)?;
    let at_most = at_most(query.max_affected, &returning);
    Ok(match mentions.filter(&query.filter)? {
        Rows::None => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Delete {
            filter,
            at_most,
            returning,
        }),
    })
}

/// An answer with columns is capped like a select; the cap of a write is that it does not happen.
fn at_most(asked: Option<u32>, returning: &[Output]) -> Option<u32> {
    match (asked, returning) {
        (asked, []) => asked,
        (asked, _) => Some(asked.unwrap_or(RETURNED_ROWS).min(RETURNED_ROWS)),
    }
}

/// What inserted rows must meet to be answered, if any column of them is; see
/// [`Permit::returning`].
pub(in crate::tables) fn visible(
    permit: &Permit,
    returning: &[String],
) -> Result<Residual, HostError> {
    match returning {
        [] => Ok(Residual::True),
        _ => readable_rows(permit),
    }
}

/// As [`visible`], where rows are read in any case.
pub(in crate::tables) fn readable_rows(permit: &Permit) -> Result<Residual, HostError> {
    let refuse = |denied| refusal(&permit.table().name, denied, &[Command::Select]);
    permit.returning().cloned().map_err(refuse)
}

/// What the host writes by itself.
pub(super) fn presets(permit: &Permit) -> impl Iterator<Item = (ColumnName, Cell)> {
    permit.presets().iter().map(|(column, preset)| {
        let cell = match preset {
            Preset::Value(value, ty) => Cell::Value(Bind::Typed {
                value: value.clone(),
                ty: *ty,
            }),
            Preset::Now => Cell::Now,
        };
        (column.clone(), cell)
    })
}

/// The rows of an insert with what the host writes into each.
pub(super) fn with_presets(
    permit: &Permit,
    columns: &[&ColumnShape],
    mut rows: Vec<Vec<Cell>>,
) -> (Vec<ColumnName>, Vec<Vec<Cell>>) {
    let mut names = column_names(permit.table(), columns);
    for (column, cell) in presets(permit) {
        match names.iter().position(|name| *name == column) {
            // It stood in for a row without any value.
            Some(place) => {
                for slot in rows.iter_mut().filter_map(|row| row.get_mut(place)) {
                    *slot = cell.clone();
                }
            }
            None => {
                names.push(column);
                for row in &mut rows {
                    row.push(cell.clone());
                }
            }
        }
    }
    (names, rows)
}

/// The columns that any of the rows names, and all that must be named are.
pub(super) fn insert_columns<'a>(
    mentions: &mut Mentions<'a>,
    rows: &[JsonRow],
) -> Result<Vec<&'a ColumnShape>, HostError> {
    let mut named: BTreeMap<&str, &ColumnShape> = BTreeMap::new();
    for (name, _) in rows.iter().flat_map(|row| &row.0) {
        if !named.contains_key(name.as_str()) {
            let column = mentions.writable(name)?;
            named.insert(column.name.as_str(), column);
        }
    }
    let needed = mentions
        .table()
        .columns
        .iter()
        .filter(|column| !column.nullable && !column.has_default)
        .filter(|column| {
            let mut presets = mentions.permit().presets().iter();
            presets.all(|(preset, _)| *preset != column.name)
        });
    for column in needed {
        let name = column.name.as_str();
        if rows
            .iter()
            .any(|row| row.0.iter().all(|(given, _)| given != name))
        {
            return Err(HostError::missing_value(Some(name)));
        }
    }
    Ok(named.into_values().collect())
}

/// The names of the columns. A row without any value still names one, to have something to give its
/// default to.
fn column_names(table: &TableShape, columns: &[&ColumnShape]) -> Vec<ColumnName> {
    match columns {
        [] => table
            .columns
            .iter()
            .take(1)
            .map(|column| column.name.clone())
            .collect(),
        named => named.iter().map(|column| column.name.clone()).collect(),
    }
}

/// A cell per row and column.
pub(super) fn cells(
    rows: &[JsonRow],
    columns: &[&ColumnShape],
) -> Result<Vec<Vec<Cell>>, HostError> {
    if rows.len().saturating_mul(columns.len()) > INSERT_VALUES {
        return Err(HostError::too_much(
            "too_many_values",
            "values in one insert",
            INSERT_VALUES,
        ));
    }
    let rows = rows
        .iter()
        .enumerate()
        .map(|(index, row)| cells_of(row, index + 1, columns));
    rows.collect()
}

fn cells_of(
    row: &JsonRow,
    number: usize,
    columns: &[&ColumnShape],
) -> Result<Vec<Cell>, HostError> {
    let mut given: BTreeMap<&str, _> = BTreeMap::new();
    for (name, raw) in &row.0 {
        if given.insert(name.as_str(), raw).is_some() {
            return Err(HostError::repeated_column(name));
        }
    }
    if columns.is_empty() {
        return Ok(vec![Cell::Default]);
    }
    let cells = columns
        .iter()
        .map(|column| match given.get(column.name.as_str()) {
            None => Ok(Cell::Default),
            Some(raw) => bind_json(raw, Place::Row(number, column)).map(Cell::Value),
        });
    cells.collect()
}
