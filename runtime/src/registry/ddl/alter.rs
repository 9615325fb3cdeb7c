//! Statements that alter a table which exists, and the questions to ask of its rows first.
//!
//! The same rule as above: every name is quoted here, every word is from a closed list.

use koyalite_policy::{ColumnName, TableName, quote_ident};

use super::{Ddl, ForeignKey, qualified, vectors};
use crate::registry::change::LockedProject;
use crate::registry::default::quote_literal;
use crate::registry::definition::ColumnDefinition;

/// A column of a table, to be altered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) project: &'a LockedProject,
    pub(crate) table: &'a TableName,
    pub(crate) column: &'a ColumnName,
}

impl At<'_> {
    fn table(&self) -> String {
        qualified(&self.project.schema, self.table)
    }

    fn column(&self) -> String {
        quote_ident(self.column.as_str())
    }

    fn alter(&self, how: &str) -> Ddl {
        Ddl(format!(
            "ALTER TABLE {} ALTER COLUMN {} {how};",
            self.table(),
            self.column()
        ))
    }

    pub(crate) fn set_type(&self, wanted: &ColumnDefinition) -> Ddl {
        let ty = vectors::stored_type(self.project, wanted.ty.ty);
        self.alter(&format!("TYPE {ty}"))
    }

    pub(crate) fn set_nullable(&self, wanted: &ColumnDefinition) -> Ddl {
        self.alter(match wanted.nullable {
            true => "DROP NOT NULL",
            false => "SET NOT NULL",
        })
    }

    pub(crate) fn set_default(&self, wanted: &ColumnDefinition) -> Ddl {
        match &wanted.default {
            Some(default) => self.alter(&format!("SET DEFAULT {}", default.to_sql())),
            None => self.alter("DROP DEFAULT"),
        }
    }

    pub(crate) fn add_unique(&self) -> Ddl {
        let (table, column) = (self.table(), self.column());
        Ddl(format!("ALTER TABLE {table} ADD UNIQUE ({column});"))
    }

    /// Drops a constraint by the name that Postgres knows it by.
    pub(crate) fn drop_constraint(&self, name: &str) -> Ddl {
        let (table, name) = (self.table(), quote_ident(name));
        Ddl(format!("ALTER TABLE {table} DROP CONSTRAINT {name};"))
    }

    pub(crate) fn add_reference(&self, key: &ForeignKey) -> Ddl {
        Ddl(format!(
            "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {};",
            self.table(),
            quote_ident(&key.constraint),
            self.column(),
            qualified(&self.project.schema, &key.table),
            quote_ident(key.column.as_str()),
            key.on_delete,
        ))
    }

    /// How many rows hold a value there.
    pub(crate) fn count_values(&self) -> Ddl {
        let (table, column) = (self.table(), self.column());
        Ddl(format!("SELECT count({column}) FROM {table}"))
    }

    /// How many rows hold none.
    pub(crate) fn count_nulls(&self) -> Ddl {
        let (table, column) = (self.table(), self.column());
        Ddl(format!(
            "SELECT count(*) FROM {table} WHERE {column} IS NULL"
        ))
    }

    /// How many values name no row of the table referred to.
    pub(crate) fn count_orphans(&self, key: &ForeignKey) -> Ddl {
        let (table, column) = (self.table(), self.column());
        Ddl(format!(
            "SELECT count(*) FROM {table} f WHERE f.{column} IS NOT NULL
             AND NOT EXISTS (SELECT FROM {} t WHERE t.{} = f.{column})",
            qualified(&self.project.schema, &key.table),
            quote_ident(key.column.as_str()),
        ))
    }
}

/// How many rows a table has.
pub(crate) fn count_rows(project: &LockedProject, table: &TableName) -> Ddl {
    let name = qualified(&project.schema, table);
    Ddl(format!("SELECT count(*) FROM {name}"))
}

/// How many groups of rows agree in all of these columns, where none of them is NULL.
pub(crate) fn count_duplicates(
    project: &LockedProject,
    table: &TableName,
    columns: &[ColumnName],
) -> Ddl {
    let name = qualified(&project.schema, table);
    let columns: Vec<String> = columns.iter().map(|c| quote_ident(c.as_str())).collect();
    Ddl(format!(
        "SELECT count(*) FROM (SELECT FROM {name} WHERE {} GROUP BY {} HAVING count(*) > 1) g",
        columns
            .iter()
            .map(|column| format!("{column} IS NOT NULL"))
            .collect::<Vec<_>>()
            .join(" AND "),
        columns.join(", "),
    ))
}

/// Lets a column's own sequence go on after this number, if it has not come as far.
pub(crate) fn advance(at: &At<'_>, number: i64) -> Ddl {
    let (table, column) = (
        quote_literal(&at.table()),
        quote_literal(at.column.as_str()),
    );
    Ddl(format!(
        "SELECT count(setval(of.sequence, {number}))
         FROM (SELECT pg_get_serial_sequence({table}, {column})::regclass AS sequence) of
         WHERE coalesce(pg_sequence_last_value(of.sequence), 0) < {number}"
    ))
}
