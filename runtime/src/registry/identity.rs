//! Columns that the database counts, after rows that brought numbers of their own: the next number must
//! not be one of theirs. Never takes a number back.

use koyalite_policy::{ColumnName, ProjectName, TableName};
use serde_json::{Map, Value as Json};

use super::change::Change;
use super::ddl::alter::{At, advance as advance_past};
use super::error::RegistryError;
use super::{Registry, tables};

/// Lets the sequences of a table go on after the numbers of these rows, each a JSON object.
///
/// # Errors
/// `NotFound` where there is no such project or table.
pub async fn advance(
    registry: &Registry,
    project: &ProjectName,
    table: &TableName,
    rows: &[&str],
) -> Result<(), RegistryError> {
    let stored = tables::get(registry, project, table).await?;
    let counted = stored.columns.iter();
    let counted = counted.filter(|column| column.is_counted());
    let counted: Vec<&ColumnName> = counted.map(|column| &column.name).collect();
    let highest = highest(&counted, rows);
    if highest.is_empty() {
        return Ok(());
    }
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    for (column, number) in highest {
        let at = At {
            project: &locked,
            table,
            column,
        };
        change.counts(advance_past(&at, number)).await?;
    }
    // Sequences are no part of what nodes serve, and are not undone with a transaction: no commit.
    Ok(())
}

/// The highest number that the rows bring for each column, where they bring any.
fn highest<'a>(columns: &[&'a ColumnName], rows: &[&str]) -> Vec<(&'a ColumnName, i64)> {
    let mut highest: Vec<(&ColumnName, i64)> = Vec::new();
    if columns.is_empty() {
        return highest;
    }
    for row in rows {
        let Ok(row) = serde_json::from_str::<Map<String, Json>>(row) else {
            continue;
        };
        for column in columns {
            let number = row.get(column.as_str()).and_then(number);
            let known = highest.iter_mut().find(|(known, _)| known == column);
            match (number, known) {
                (Some(number), Some((_, known))) => *known = number.max(*known),
                (Some(number), None) => highest.push((column, number)),
                (None, _) => {}
            }
        }
    }
    highest.retain(|(_, number)| *number > 0);
    highest
}

/// A whole number, which may be written as a string.
fn number(value: &Json) -> Option<i64> {
    match value {
        Json::String(text) => text.parse().ok(),
        value => value.as_i64(),
    }
}
