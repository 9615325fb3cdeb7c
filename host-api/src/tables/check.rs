//! From a guest's request to what SQL is made of: every name exists, every column that is mentioned
//! may be read or written, every value has its column's type, every limit is kept.
//!
//! Pure: a permit and a request in, a checked request out. What a permit does not allow is refused
//! here, before a connection is taken.

use std::collections::BTreeMap;

use koyalite_policy::{
    ColumnName, ColumnShape, Expr, Filter as Verdict, Permit, Residual, TableShape, Value,
    parse_filter,
};

use super::query::{DeleteQuery, Filter, InsertQuery, SelectQuery, UpdateQuery};
use super::refusal;
use crate::db::sql::{Cell, Delete, Insert, Returning, Select, Update};
use crate::db::values::{JsonRow, Place, bind_json, parse_changes, parse_rows};
use crate::error::HostError;
use crate::limits::{
    COLUMNS, FILTER_BYTES, FILTER_PARAMS, INSERT_VALUES, ORDER_KEYS, PARAMS_BYTES, RETURNED_ROWS,
    SELECT_ROWS,
};

/// A request that passed.
#[derive(Debug)]
pub(super) enum Checked<T> {
    /// It means no row, whatever the table holds.
    Nothing,
    /// Postgres has to be asked.
    Ask(T),
}

pub(super) fn select(permit: &Permit, query: SelectQuery) -> Result<Checked<Select>, HostError> {
    let columns = match query.columns.as_slice() {
        [] => all_readable(permit),
        named => readable(permit, named)?,
    };
    if query.order.len() > ORDER_KEYS {
        return Err(HostError::too_much(
            "too_many_order_keys",
            "sort keys",
            ORDER_KEYS,
        ));
    }
    let mut order = Vec::with_capacity(query.order.len());
    for (name, direction) in &query.order {
        order.push((readable_column(permit, name)?.name.clone(), *direction));
    }
    let limit = query.limit.unwrap_or(SELECT_ROWS).min(SELECT_ROWS);
    Ok(match filter(permit, &query.filter)? {
        Rows::None => Checked::Nothing,
        _ if limit == 0 => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Select {
            columns,
            filter,
            order,
            limit,
        }),
    })
}

pub(super) fn insert(permit: &Permit, query: InsertQuery) -> Result<Checked<Insert>, HostError> {
    let returning = returning(permit, &query.returning)?;
    let rows = parse_rows(&query.rows)?;
    if rows.is_empty() {
        return Ok(Checked::Nothing);
    }
    let table = permit.table();
    let columns = insert_columns(permit, &rows)?;
    let cells = rows.len().saturating_mul(columns.len());
    if cells > INSERT_VALUES {
        return Err(HostError::too_much(
            "too_many_values",
            "values in one insert",
            INSERT_VALUES,
        ));
    }
    let rows = rows
        .iter()
        .enumerate()
        .map(|(index, row)| cells_of(row, index + 1, &columns));
    let rows = rows.collect::<Result<_, _>>()?;
    // A row without any value still names a column, to have something to give its default to.
    let columns = match columns.as_slice() {
        [] => table
            .columns
            .iter()
            .take(1)
            .map(|column| column.name.clone())
            .collect(),
        named => named.iter().map(|column| column.name.clone()).collect(),
    };
    Ok(Checked::Ask(Insert {
        columns,
        rows,
        returning,
    }))
}

pub(super) fn update(permit: &Permit, query: UpdateQuery) -> Result<Checked<Update>, HostError> {
    let returning = returning(permit, &query.returning)?;
    let row = parse_changes(&query.changes)?;
    if row.0.is_empty() {
        return Err(HostError::nothing_to_change());
    }
    let mut changes = Vec::with_capacity(row.0.len());
    for (name, raw) in &row.0 {
        let column = writable_column(permit, name)?;
        if changes.iter().any(|(known, _)| *known == column.name) {
            return Err(HostError::repeated_column(name));
        }
        changes.push((column.name.clone(), bind_json(raw, Place::Changes(column))?));
    }
    let at_most = at_most(query.max_affected, &returning);
    Ok(match filter(permit, &query.filter)? {
        Rows::None => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Update {
            filter,
            changes,
            at_most,
            returning,
        }),
    })
}

pub(super) fn delete(permit: &Permit, query: DeleteQuery) -> Result<Checked<Delete>, HostError> {
    let returning = returning(permit, &query.returning)?;
    let at_most = at_most(query.max_affected, &returning);
    Ok(match filter(permit, &query.filter)? {
        Rows::None => Checked::Nothing,
        Rows::Where(filter) => Checked::Ask(Delete {
            filter,
            at_most,
            returning,
        }),
    })
}

/// An answer with columns is capped like a select; the cap of a write is that it does not happen.
fn at_most(asked: Option<u32>, returning: &Returning) -> Option<u32> {
    match (asked, returning.columns.as_slice()) {
        (asked, []) => asked,
        (asked, _) => Some(asked.unwrap_or(RETURNED_ROWS).min(RETURNED_ROWS)),
    }
}

fn returning(permit: &Permit, names: &[String]) -> Result<Returning, HostError> {
    let columns = readable(permit, names)?;
    let visible = match (names, permit.returning()) {
        ([], _) => Residual::True,
        (_, Ok(residual)) => residual.clone(),
        (_, Err(denied)) => return Err(refusal(permit.table().name.as_str(), denied)),
    };
    Ok(Returning { columns, visible })
}

/// The columns that any of the rows names, and all that must be named are.
fn insert_columns<'a>(
    permit: &'a Permit,
    rows: &[JsonRow],
) -> Result<Vec<&'a ColumnShape>, HostError> {
    let table = permit.table();
    let mut named: BTreeMap<&str, &ColumnShape> = BTreeMap::new();
    for (name, _) in rows.iter().flat_map(|row| &row.0) {
        if !named.contains_key(name.as_str()) {
            let column = writable_column(permit, name)?;
            named.insert(column.name.as_str(), column);
        }
    }
    let needed = table
        .columns
        .iter()
        .filter(|column| !column.nullable && !column.has_default);
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

/// Which rows a filter leaves.
enum Rows {
    None,
    Where(Option<Expr>),
}

fn filter(permit: &Permit, filter: &Filter) -> Result<Rows, HostError> {
    if filter.text.len() > FILTER_BYTES {
        return Err(HostError::too_much(
            "filter_too_long",
            "bytes in a filter",
            FILTER_BYTES,
        ));
    }
    if filter.params.len() > FILTER_PARAMS {
        return Err(HostError::too_much(
            "too_many_params",
            "filter parameters",
            FILTER_PARAMS,
        ));
    }
    if filter.params.iter().map(size).sum::<usize>() > PARAMS_BYTES {
        return Err(HostError::too_much(
            "params_too_large",
            "bytes of parameters",
            PARAMS_BYTES,
        ));
    }
    match parse_filter(&filter.text, &filter.params, permit) {
        Ok(Verdict::All) => Ok(Rows::Where(None)),
        Ok(Verdict::When(condition)) => Ok(Rows::Where(Some(condition))),
        Ok(Verdict::Nothing) => Ok(Rows::None),
        Err(error) => Err(HostError::invalid_filter(error.code(), error)),
    }
}

/// About how many bytes a parameter holds.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text)
        | Value::Numeric(text)
        | Value::Timestamptz(text)
        | Value::Date(text)
        | Value::Time(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Vector(numbers) => 4 * numbers.len(),
        Value::Json(json) => json.to_string().len(),
        Value::List(items) => items.iter().map(|item| 8 + size(item)).sum(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Uuid(_) => {
            16
        }
    }
}

fn all_readable(permit: &Permit) -> Vec<ColumnName> {
    let columns = permit.table().columns.iter().map(|column| &column.name);
    columns
        .filter(|name| permit.readable(name))
        .cloned()
        .collect()
}

fn readable(permit: &Permit, names: &[String]) -> Result<Vec<ColumnName>, HostError> {
    if names.len() > COLUMNS {
        return Err(HostError::too_much("too_many_columns", "columns", COLUMNS));
    }
    let mut columns: Vec<ColumnName> = Vec::with_capacity(names.len());
    for name in names {
        let column = readable_column(permit, name)?;
        // Twice the same name would be twice the same key in each row's JSON.
        if columns.contains(&column.name) {
            return Err(HostError::repeated_column(name));
        }
        columns.push(column.name.clone());
    }
    Ok(columns)
}

fn readable_column<'a>(permit: &'a Permit, name: &str) -> Result<&'a ColumnShape, HostError> {
    let column = find(permit.table(), name)?;
    match permit.readable(&column.name) {
        true => Ok(column),
        false => Err(HostError::column_not_readable(name)),
    }
}

fn writable_column<'a>(permit: &'a Permit, name: &str) -> Result<&'a ColumnShape, HostError> {
    let column = find(permit.table(), name)?;
    match permit.writable(&column.name) {
        true => Ok(column),
        false => Err(HostError::column_not_writable(name)),
    }
}

fn find<'a>(table: &'a TableShape, name: &str) -> Result<&'a ColumnShape, HostError> {
    let unknown = || HostError::unknown_column(table.name.as_str(), name);
    table.column(name).ok_or_else(unknown)
}
