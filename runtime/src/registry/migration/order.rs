//! The order in which tables are made: each after those that it refers to. Where they refer to each
//! other in a circle, some references are left for later. Pure.

use koyalite_policy::TableName;

use super::super::definition::{ColumnDefinition, TableDefinition};

/// Tables in order, and the columns whose references are still to be made.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    pub(super) tables: Vec<TableDefinition>,
    pub(super) later: Vec<(TableName, ColumnDefinition)>,
}

/// Tables so that each comes after those that it refers to.
pub(super) fn in_order(mut missing: Vec<TableDefinition>) -> Ordered {
    let mut ordered = Ordered::default();
    while !missing.is_empty() {
        let names: Vec<TableName> = missing.iter().map(|table| table.name.clone()).collect();
        let (now, later): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|table| !table.columns.iter().any(|c| waits(table, c, &names)));
        missing = later;
        match now.is_empty() {
            false => ordered.tables.extend(now),
            true => ordered.break_circle(missing.first_mut(), &names),
        }
    }
    ordered
}

/// Whether the column refers to one of these tables, other than its own.
fn waits(table: &TableDefinition, column: &ColumnDefinition, names: &[TableName]) -> bool {
    column
        .references
        .as_ref()
        .is_some_and(|r| r.table != table.name && names.contains(&r.table))
}

impl Ordered {
    /// Lets a table be made without the references that it would have to wait for.
    fn break_circle(&mut self, table: Option<&mut TableDefinition>, names: &[TableName]) {
        let Some(table) = table else {
            return;
        };
        let whole = table.clone();
        for column in &mut table.columns {
            if waits(&whole, column, names) {
                self.later.push((whole.name.clone(), column.clone()));
                column.references = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::definition::NewTable;
    use super::*;

    fn check(tables: &[(&str, &[&str])], order: &[&str], later: &[&str]) {
        let missing = tables.iter().map(|(name, targets)| {
            let columns = targets.iter().map(|target| {
                json!({ "name": format!("to_{target}"), "type": "uuid",
                        "references": { "table": target } })
            });
            let columns: Vec<_> = columns.collect();
            let new = json!({ "name": name, "columns": columns });
            let new: NewTable = serde_json::from_value(new).unwrap();
            new.read().unwrap()
        });
        let ordered = in_order(missing.collect());
        let names: Vec<_> = ordered.tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, order);
        let left: Vec<_> = ordered
            .later
            .iter()
            .map(|(table, column)| format!("{table}.{}", column.name))
            .collect();
        assert_eq!(left, later);
    }

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        check(
            &[("a", &["b"]), ("b", &["c", "old"]), ("c", &["c"])],
            &["c", "b", "a"],
            &[],
        );
    }

    #[test]
    fn a_circle_is_closed_afterwards() {
        check(&[("a", &["b"]), ("b", &["a"])], &["a", "b"], &["a.to_b"]);
        check(
            &[("a", &["b", "c"]), ("b", &["a"]), ("c", &["b"])],
            &["a", "b", "c"],
            &["a.to_b", "a.to_c"],
        );
    }
}
