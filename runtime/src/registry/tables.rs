//! Tables: real Postgres tables in the project's schema, and their rows in the catalogue.
//!
//! Whatever alters a table is one change, at whose end every policy of the project is checked
//! against the tables as they would be: a change that breaks a policy is refused and leaves nothing.

use chrono::{DateTime, Utc};
use koyalite_policy::{ColumnName, ProjectName, Schema, TableName};
use serde::Serialize;
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::{Change, LockedProject, project_id};
use super::columns::{self, Column, PlacedColumn, StoredTable};
use super::ddl;
use super::definition::{ColumnDefinition, NewColumn, NewTable, TableDefinition};
use super::error::{RegistryError, Standing, refuse_if_any};
use super::indexes::{self, Index};
use super::references::{Own, target};
use super::verdict::{self, Rules};
use super::{Registry, mirror, vectors, webhooks};

/// A project's tables are all in every node's memory, and all policies are checked at every change.
pub const TABLES_MAX: usize = 500;

/// A table of a project.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Table {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the project.
    pub name: TableName,
    /// In order.
    pub columns: Vec<Column>,
    /// By name.
    pub indexes: Vec<Index>,
    /// Whether policies read it past its own; see `policy_readable`.
    pub policy_readable: bool,
    /// Whether Postgres enforces its policies too, where its project's are not all mirrored.
    pub native_mirror: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl From<StoredTable> for Table {
    fn from(stored: StoredTable) -> Self {
        let StoredTable {
            id,
            name,
            columns,
            indexes,
            policy_readable,
            native_mirror,
            created_at,
            ..
        } = stored;
        Self {
            id,
            name,
            columns,
            indexes,
            policy_readable,
            native_mirror,
            created_at,
        }
    }
}

/// Creates a table.
///
/// # Errors
/// `Invalid` with every mistake of the definition; `Conflict` where the name is taken.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: &NewTable,
) -> Result<Table, RegistryError> {
    let definition = new.read()?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    create_in(&mut change, &locked, &definition).await?;
    let table = find(&mut change, &locked, &definition.name).await?;
    let deed = Deed::new(Action::TableCreate, &definition.name);
    mirror::commit(change, &locked, deed).await?;
    Ok(table.into())
}

/// The table of that name.
///
/// # Errors
/// `NotFound` where there is no such project or table.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &TableName,
) -> Result<Table, RegistryError> {
    let tables = list(registry, project).await?;
    let mut matching = tables.into_iter().filter(|table| &table.name == name);
    matching
        .next()
        .ok_or_else(|| RegistryError::not_found("table", name))
}

/// The tables of a project, by name.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(registry: &Registry, project: &ProjectName) -> Result<Vec<Table>, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let tables = columns::load(&mut conn, Some(id)).await?;
    Ok(tables.into_iter().map(Table::from).collect())
}

/// What becomes of rows and values that stand in the way of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// They stay, and the change is refused.
    Kept,
    /// Whoever asked has said that they may go.
    MayGo,
}

/// Drops a table with its policies, and with its rows where they may go.
///
/// # Errors
/// `Conflict` where another table refers to it, a policy of another table mentions it, or it has
/// rows that may not go.
pub async fn drop(
    registry: &Registry,
    project: &ProjectName,
    name: &TableName,
    data: Data,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let table = find(&mut change, &locked, name).await?;
    // References within the table would keep the catalogue's own rows from going.
    sqlx::query!(
        "DELETE FROM koyalite.relationships WHERE from_table_id = $1 AND to_table_id = $1",
        table.id,
    )
    .execute(change.conn())
    .await?;
    sqlx::query!("DELETE FROM koyalite.tables WHERE id = $1", table.id)
        .execute(change.conn())
        .await?;
    check_policies(&mut change, &locked).await?;
    change.hold(&locked, name).await?;
    if data == Data::Kept && change.finds(ddl::any_row(&locked, name)).await? {
        let reason = format!("table {name} has rows, which would be gone; {SAY_SO}");
        return Err(RegistryError::conflict(Standing::WouldLoseData, reason));
    }
    change.run(ddl::drop_table(&locked, name)).await?;
    let deed = Deed::new(Action::TableDrop, name).with("lose_data", data == Data::MayGo);
    mirror::commit(change, &locked, deed).await
}

const SAY_SO: &str = "repeat it with `lose_data=true` if that is meant";

/// Adds a column to a table.
///
/// # Errors
/// `Invalid` with every mistake; `Conflict` where the name is taken, or the table has rows and the
/// column has no value for them.
pub async fn add_column(
    registry: &Registry,
    project: &ProjectName,
    table: &TableName,
    new: &NewColumn,
) -> Result<Table, RegistryError> {
    let definition = new.read()?;
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let stored = find(&mut change, &locked, table).await?;
    add_column_in(&mut change, &locked, &stored, &definition).await?;
    check_policies(&mut change, &locked).await?;
    let deed = Deed::new(Action::ColumnCreate, table).with("column", definition.name.as_str());
    let table = find(&mut change, &locked, table).await?;
    mirror::commit(change, &locked, deed).await?;
    Ok(table.into())
}

/// Drops a column, with its values where they may go.
///
/// # Errors
/// `Conflict` where a policy mentions it, another table refers to it, it is of the primary key, or it
/// has values that may not go.
pub async fn drop_column(
    registry: &Registry,
    project: &ProjectName,
    (table, column): (&TableName, &ColumnName),
    data: Data,
) -> Result<Table, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let stored = find(&mut change, &locked, table).await?;
    let found = stored
        .column(column)
        .ok_or_else(|| RegistryError::not_found("column", column))?;
    if found.primary_key {
        let reason = "a column of the primary key cannot be dropped";
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    if let Some(index) = stored.indexes.iter().find(|i| i.columns.contains(column)) {
        let reason = format!("the index {} is on {column}; drop that first", index.name);
        return Err(RegistryError::conflict(Standing::InUse, reason));
    }
    vectors::keep_column(change.conn(), found.id, column).await?;
    sqlx::query!("DELETE FROM koyalite.columns WHERE id = $1", found.id)
        .execute(change.conn())
        .await?;
    check_policies(&mut change, &locked).await?;
    change.hold(&locked, table).await?;
    if data == Data::Kept && change.finds(ddl::any_value(&locked, table, column)).await? {
        let reason = format!("{table}.{column} has values, which would be gone; {SAY_SO}");
        return Err(RegistryError::conflict(Standing::WouldLoseData, reason));
    }
    change.run(ddl::drop_column(&locked, table, column)).await?;
    let deed = Deed::new(Action::ColumnDrop, table)
        .with("column", column.as_str())
        .with("lose_data", data == Data::MayGo);
    let table = find(&mut change, &locked, table).await?;
    mirror::commit(change, &locked, deed).await?;
    Ok(table.into())
}

/// Creates a table inside a change.
pub(crate) async fn create_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    table: &TableDefinition,
) -> Result<(), RegistryError> {
    let others = columns::load(change.conn(), Some(project.id)).await?;
    if others.len() >= TABLES_MAX {
        let reason = format!("a project has at most {TABLES_MAX} tables");
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let table_id = Uuid::now_v7();
    let ids: Vec<Uuid> = table.columns.iter().map(|_| Uuid::now_v7()).collect();
    let own = Own {
        id: table_id,
        table,
        ids: &ids,
    };
    let mut mistakes = Vec::new();
    let mut placed = Vec::new();
    for (index, (definition, id)) in table.columns.iter().zip(&ids).enumerate() {
        let target = target(definition, *id, &others, Some(&own))
            .map_err(|mistake| mistakes.push(mistake.under(&format!("columns[{index}]"))))
            .unwrap_or_default();
        placed.push(PlacedColumn {
            id: *id,
            definition,
            target,
        });
    }
    refuse_if_any(mistakes)?;
    sqlx::query!(
        "INSERT INTO koyalite.tables (id, project_id, name) VALUES ($1, $2, $3)",
        table_id,
        project.id,
        table.name.as_str(),
    )
    .execute(change.conn())
    .await?;
    for column in &placed {
        columns::insert(change.conn(), table_id, column).await?;
    }
    for column in &placed {
        columns::insert_relationship(change.conn(), table_id, column).await?;
    }
    let keys: Vec<_> = placed
        .into_iter()
        .map(|column| column.target.map(|target| target.key))
        .collect();
    change.run(ddl::create_table(project, table, &keys)).await?;
    for (index, definition) in table.indexes.iter().enumerate() {
        indexes::create_in(change, project, &table.name, definition)
            .await
            .map_err(|error| error.under(&format!("indexes[{index}]")))?;
    }
    // Endpoints may have waited for a table of this name.
    webhooks::tables::renew_made(change, project, &table.name).await
}

/// Adds a column inside a change, whose end checks the policies.
pub(crate) async fn add_column_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    table: &StoredTable,
    definition: &ColumnDefinition,
) -> Result<(), RegistryError> {
    if definition.primary_key {
        let message = "the primary key is fixed when a table is created";
        return Err(RegistryError::invalid("primary_key", message));
    }
    let tables = columns::load(change.conn(), Some(project.id)).await?;
    let id = Uuid::now_v7();
    let target = target(definition, id, &tables, None).map_err(|mistake| vec![mistake])?;
    let column = PlacedColumn {
        id,
        definition,
        target,
    };
    columns::insert(change.conn(), table.id, &column).await?;
    columns::insert_relationship(change.conn(), table.id, &column).await?;
    let key = column.target.as_ref().map(|target| &target.key);
    change
        .run(ddl::add_column(project, &table.name, definition, key))
        .await
}

/// The table of that name inside a change.
pub(crate) async fn find(
    change: &mut Change<'_>,
    project: &LockedProject,
    name: &TableName,
) -> Result<StoredTable, RegistryError> {
    let tables = columns::load(change.conn(), Some(project.id)).await?;
    let mut matching = tables.into_iter().filter(|table| &table.name == name);
    matching
        .next()
        .ok_or_else(|| RegistryError::not_found("table", name))
}

const BREAKS: &str = "this would break a policy; change or disable it first";

/// Refuses the change if a policy of the project no longer makes sense.
pub(crate) async fn check_policies(
    change: &mut Change<'_>,
    project: &LockedProject,
) -> Result<(), RegistryError> {
    schema_in(change, project).await.map(|_| ())
}

/// The tables and policies as the change would leave them.
pub(crate) async fn schema_in(
    change: &mut Change<'_>,
    project: &LockedProject,
) -> Result<Schema, RegistryError> {
    let rules = Rules::load(change.conn(), project.id).await?;
    rules.build().map_err(|errors| {
        let broken = errors.iter().map(verdict::broken).collect();
        RegistryError::conflicts(Standing::InUse, BREAKS, broken)
    })
}
