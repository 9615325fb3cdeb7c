//! Triggers that make events of what happens to a table's rows.

use std::collections::BTreeSet;

use koyalite_policy::{ColumnName, TableName, quote_ident};

use super::super::change::LockedProject;
use super::super::default::quote_literal;
use super::{Ddl, qualified};

/// The word that the names of such triggers begin with. No column or table meets them: names of
/// triggers are their own.
const PREFIX: &str = "koyalite_on_";

/// What a trigger fires on, as its name and Postgres say it.
const OPERATIONS: [&str; 3] = ["insert", "update", "delete"];

/// Takes away the triggers of a table.
pub(crate) fn drop_events(project: &LockedProject, table: &TableName) -> Ddl {
    let name = qualified(&project.schema, table);
    let drops = OPERATIONS.map(|operation| {
        let trigger = quote_ident(&format!("{PREFIX}{operation}"));
        format!("DROP TRIGGER IF EXISTS {trigger} ON {name};")
    });
    Ddl(drops.concat())
}

/// Makes events of these operations, with the values of these columns.
pub(crate) fn create_events(
    project: &LockedProject,
    table: &TableName,
    operations: &BTreeSet<&'static str>,
    (key, columns): (&[&ColumnName], &BTreeSet<&ColumnName>),
) -> Ddl {
    let name = qualified(&project.schema, table);
    let key = quote_literal(&list(key.iter().copied()));
    let columns = quote_literal(&list(columns.iter().copied()));
    let creates = operations.iter().map(|operation| {
        let trigger = quote_ident(&format!("{PREFIX}{operation}"));
        format!(
            "CREATE TRIGGER {trigger} AFTER {operation} ON {name} FOR EACH ROW \
             EXECUTE FUNCTION koyalite_api.table_event({key}, {columns});"
        )
    });
    Ddl(creates.collect())
}

/// Names of columns have no characters that JSON would escape.
fn list<'a>(columns: impl Iterator<Item = &'a ColumnName>) -> String {
    let quoted: Vec<_> = columns.map(|column| format!("\"{column}\"")).collect();
    format!("[{}]", quoted.join(", "))
}
