//! What a column's reference points at: looked up when a column is made, and refused where it points
//! at nothing, at something that is not unique, or at another type.

use koyalite_policy::{ColumnName, ColumnType};
use uuid::Uuid;

use super::columns::{StoredTable, Target};
use super::ddl::ForeignKey;
use super::definition::{ColumnDefinition, TableDefinition};
use super::error::{Mistake, RegistryError};
use super::pool::DbConnection;

/// The table that is being created, which its own columns may refer to.
pub(crate) struct Own<'a> {
    pub(crate) id: Uuid,
    pub(crate) table: &'a TableDefinition,
    pub(crate) ids: &'a [Uuid],
}

/// Forgets what a column refers to.
pub(crate) async fn forget(conn: &mut DbConnection, column_id: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.relationships WHERE from_column_id = $1",
        column_id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Looks up what a column refers to: it must exist, be unique, and have the column's type.
pub(crate) fn target(
    column: &ColumnDefinition,
    column_id: Uuid,
    tables: &[StoredTable],
    own: Option<&Own<'_>>,
) -> Result<Option<Target>, Mistake> {
    let Some(reference) = &column.references else {
        return Ok(None);
    };
    let found = match own.filter(|own| own.table.name == reference.table) {
        Some(own) => own.find(&reference.column),
        None => tables
            .iter()
            .find(|table| table.name == reference.table)
            .map(|table| {
                let shape = table.shape();
                let unique = shape
                    .column(reference.column.as_str())
                    .is_some_and(|c| c.unique);
                let found = table.column(&reference.column);
                (table.id, found.map(|found| (found.id, found.ty.ty, unique)))
            }),
    };
    let (table_id, found) = found.ok_or_else(|| {
        Mistake::new(
            "references.table",
            format!("there is no table {}", reference.table),
        )
    })?;
    let (target_id, ty, unique) = found.ok_or_else(|| {
        let message = format!("{} has no column {}", reference.table, reference.column);
        Mistake::new("references.column", message)
    })?;
    if !unique {
        let message = format!(
            "{} is not unique; refer to a unique column",
            reference.column
        );
        return Err(Mistake::new("references.column", message));
    }
    if ty != column.ty.ty {
        let message = format!("the column referred to is {ty}; write that type here");
        return Err(Mistake::new("type", message));
    }
    Ok(Some(Target {
        table_id,
        column_id: target_id,
        key: ForeignKey {
            constraint: ForeignKey::constraint_name(column_id),
            table: reference.table.clone(),
            column: reference.column.clone(),
            on_delete: reference.on_delete.sql(),
        },
    }))
}

type Found = (Uuid, Option<(Uuid, ColumnType, bool)>);

impl Own<'_> {
    fn find(&self, name: &ColumnName) -> Option<Found> {
        let keys = self
            .table
            .columns
            .iter()
            .filter(|column| column.primary_key)
            .count();
        let found = self
            .table
            .columns
            .iter()
            .zip(self.ids)
            .find(|(c, _)| &c.name == name);
        let facts = found.map(|(column, id)| {
            (
                *id,
                column.ty.ty,
                column.unique || (column.primary_key && keys == 1),
            )
        });
        Some((self.id, facts))
    }
}
