//! Indexes of tables: made beside the columns, dropped by name, told apart by what they are on.
//!
//! An index on one column that is unique makes the column unique for upserts and references, like
//! the column's own `unique`. What a reference answers (one row or many) is not changed by it.

use std::collections::HashMap;

use koyalite_policy::{ColumnName, IndexName, NAME_BYTES_MAX, ProjectName, TableName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, LockedProject};
use super::columns::StoredTable;
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::pool::DbConnection;
use super::tables::{self, Table};
use super::{ddl, definition};

/// Every one of them is written with every row.
pub const INDEXES_MAX: usize = 16;

/// A query that needs more columns than this finds few rows by the first ones.
pub const INDEX_COLUMNS_MAX: usize = 8;

/// An index to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewIndex {
    /// `[a-z_][a-z0-9_]{0,62}`; left out, it is made of the names of the table and the columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In order.
    pub columns: Vec<String>,
    /// May no two rows agree in these columns?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Index {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: IndexName,
    /// In order.
    pub columns: Vec<ColumnName>,
    /// May no two rows agree in these columns?
    pub unique: bool,
}

impl Index {
    /// Whether it makes this column unique by itself.
    pub(crate) fn is_key(&self, column: &ColumnName) -> bool {
        self.unique && matches!(self.columns.as_slice(), [only] if only == column)
    }
}

/// An index that can be created, if the table has the columns.
#[derive(Debug, Clone)]
pub(crate) struct IndexDefinition {
    pub(crate) name: Option<IndexName>,
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) unique: bool,
}

impl NewIndex {
    /// Validates the index by itself.
    ///
    /// # Errors
    /// Every mistake, each with its field.
    pub(crate) fn read(&self) -> Result<IndexDefinition, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let name = self
            .name
            .as_ref()
            .and_then(|name| definition::keep(name.parse(), "name", &mut mistakes));
        let mut columns: Vec<ColumnName> = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let field = format!("columns[{index}]");
            let Some(column) = definition::keep(column.parse(), &field, &mut mistakes) else {
                continue;
            };
            match columns.contains(&column) {
                true => mistakes.push(Mistake::new(field, format!("a second {column}"))),
                false => columns.push(column),
            }
        }
        if self.columns.is_empty() || self.columns.len() > INDEX_COLUMNS_MAX {
            let message = format!("write 1 to {INDEX_COLUMNS_MAX} columns");
            mistakes.push(Mistake::new("columns", message));
        }
        match mistakes.is_empty() {
            true => Ok(IndexDefinition {
                name,
                columns,
                unique: self.unique,
            }),
            false => Err(mistakes),
        }
    }
}

impl IndexDefinition {
    /// Whether a stored index is the one that is meant: by its name, or by what it is on.
    pub(crate) fn means(&self, index: &Index) -> bool {
        match &self.name {
            Some(name) => name == &index.name,
            None => self.is_like(index),
        }
    }

    /// Whether a stored index does what this one would.
    pub(crate) fn is_like(&self, index: &Index) -> bool {
        self.columns == index.columns && self.unique == index.unique
    }

    /// Whether the table has the columns, each of a type with an order.
    fn check(&self, table: &StoredTable) -> Result<(), RegistryError> {
        let mut mistakes = Vec::new();
        for (index, name) in self.columns.iter().enumerate() {
            let message = match table.column(name) {
                None => format!("{} has no column {name}", table.name),
                Some(column) if !column.ty.ty.has_order() => {
                    format!(
                        "{} has no order; index columns that rows are found by",
                        column.ty
                    )
                }
                Some(_) => continue,
            };
            mistakes.push(Mistake::new(format!("columns[{index}]"), message));
        }
        refuse_if_any(mistakes)
    }

    /// The name as written, or one that says what the index is on, where that is short enough.
    fn name(&self, table: &TableName, id: Uuid) -> Result<IndexName, RegistryError> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let columns: Vec<&str> = self.columns.iter().map(ColumnName::as_str).collect();
        let telling = format!("{table}_{}_idx", columns.join("_"));
        let name = match telling.len() <= NAME_BYTES_MAX {
            true => telling,
            false => format!("idx_{}", id.simple()),
        };
        name.parse().map_err(RegistryError::internal)
    }
}

/// Makes an index.
///
/// # Errors
/// `Invalid` with every mistake; `Conflict` where the name is taken, the table has enough of them, or
/// it would be unique and rows agree.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    table: &TableName,
    new: &NewIndex,
) -> Result<Table, RegistryError> {
    let definition = new.read()?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    create_in(&mut change, &locked, table, &definition).await?;
    let columns: Vec<&str> = definition.columns.iter().map(ColumnName::as_str).collect();
    let deed = Deed::new(Action::IndexCreate, table).with("columns", columns);
    let table = tables::find(&mut change, &locked, table).await?;
    change.commit(deed).await?;
    Ok(table.into())
}

/// Drops an index; rows stay as they are.
///
/// # Errors
/// `NotFound`; `Conflict` where a reference needs it.
pub async fn drop(
    registry: &Registry,
    project: &ProjectName,
    (table, index): (&TableName, &IndexName),
) -> Result<Table, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let stored = tables::find(&mut change, &locked, table).await?;
    let found = stored.indexes.iter().find(|found| found.name == *index);
    let found = found.ok_or_else(|| RegistryError::not_found("index", index))?;
    drop_in(&mut change, &locked, found).await?;
    let deed = Deed::new(Action::IndexDrop, table).with("index", index.as_str());
    let table = tables::find(&mut change, &locked, table).await?;
    change.commit(deed).await?;
    Ok(table.into())
}

/// Makes an index inside a change.
pub(crate) async fn create_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    table: &TableName,
    definition: &IndexDefinition,
) -> Result<IndexName, RegistryError> {
    let stored = tables::find(change, project, table).await?;
    if stored.indexes.len() >= INDEXES_MAX {
        let reason = format!("a table has at most {INDEXES_MAX} indexes");
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    definition.check(&stored)?;
    let id = Uuid::now_v7();
    let name = definition.name(table, id)?;
    let columns: Vec<String> = definition.columns.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "INSERT INTO koyalite.indexes (id, table_id, name, columns, is_unique)
         VALUES ($1, $2, $3, $4, $5)",
        id,
        stored.id,
        name.as_str(),
        &columns,
        definition.unique,
    )
    .execute(change.conn())
    .await?;
    change
        .run(ddl::create_index(project, table, &name, definition))
        .await?;
    Ok(name)
}

/// Drops an index inside a change.
pub(crate) async fn drop_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    index: &Index,
) -> Result<(), RegistryError> {
    sqlx::query!("DELETE FROM koyalite.indexes WHERE id = $1", index.id)
        .execute(change.conn())
        .await?;
    change.run(ddl::drop_index(project, &index.name)).await
}

/// The indexes of one project's tables, or of all, by the table's id.
pub(crate) async fn load(
    conn: &mut DbConnection,
    project: Option<Uuid>,
) -> Result<HashMap<Uuid, Vec<Index>>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT i.id, i.table_id, i.name, i.columns, i.is_unique
         FROM koyalite.indexes i
         JOIN koyalite.tables t ON t.id = i.table_id
         WHERE $1::uuid IS NULL OR t.project_id = $1
         ORDER BY i.name",
        project,
    )
    .fetch_all(conn)
    .await?;
    let mut indexes: HashMap<Uuid, Vec<Index>> = HashMap::new();
    for row in rows {
        let columns = row.columns.iter().map(|name| name.parse());
        indexes.entry(row.table_id).or_default().push(Index {
            id: row.id,
            name: row.name.parse().map_err(RegistryError::internal)?,
            columns: columns
                .collect::<Result<_, _>>()
                .map_err(RegistryError::internal)?,
            unique: row.is_unique,
        });
    }
    Ok(indexes)
}
