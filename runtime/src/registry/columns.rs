//! Columns and what they refer to, as the catalogue has them.
//!
//! The catalogue is the truth about a project's tables: every statement that alters one writes both
//! in the same transaction.

use koyalite_host_api::relationship as host;
use koyalite_policy::{ColumnName, ColumnShape, ColumnType, TableName, TableShape};
use serde::Serialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::column_type::DefinedType;
use super::ddl::ForeignKey;
use super::default::IDENTITY;
use super::definition::{ColumnDefinition, OnDelete};
use super::error::RegistryError;
use super::indexes::{self, Index};
use super::pool::DbConnection;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Column {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: ColumnName,
    /// Its type; written with its values where they are listed.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub ty: DefinedType,
    /// May it hold NULL?
    pub nullable: bool,
    /// What it holds when an insert leaves it out.
    pub default: Option<Json>,
    /// Are its values unique?
    pub unique: bool,
    /// Is it (part of) the primary key?
    pub primary_key: bool,
    /// The row that it names.
    pub references: Option<Relationship>,
}

impl Column {
    /// Does the database count its values?
    pub(crate) fn is_counted(&self) -> bool {
        let whole = matches!(
            self.ty.ty,
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint
        );
        whole && self.default == Some(Json::from(IDENTITY))
    }
}

/// A reference from a column to a column of a table of the same project.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Relationship {
    /// The table referred to.
    pub table: TableName,
    /// The column of it.
    pub column: ColumnName,
    /// `1:1`, or `1:N`: one row there, many here.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens here when the row there is deleted.
    pub on_delete: OnDelete,
    /// The name of the constraint, by which an embed may choose this reference.
    pub constraint: String,
}

/// A table of some project with its columns, as loaded.
#[derive(Debug, Clone)]
pub(crate) struct StoredTable {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) name: TableName,
    pub(crate) created_at: chrono::DateTime<chrono::Utc>,
    pub(crate) columns: Vec<Column>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) policy_readable: bool,
    /// Whether it is mirrored by itself, whatever its project is.
    pub(crate) native_mirror: bool,
}

impl StoredTable {
    /// The table as the policy engine sees it.
    pub(crate) fn shape(&self) -> TableShape {
        let keys = self
            .columns
            .iter()
            .filter(|column| column.primary_key)
            .count();
        let shape = |column: &Column| ColumnShape {
            name: column.name.clone(),
            ty: column.ty.ty,
            nullable: column.nullable,
            has_default: column.default.is_some(),
            primary_key: column.primary_key,
            unique: column.unique
                || (column.primary_key && keys == 1)
                || self.indexes.iter().any(|index| index.is_key(&column.name)),
            values: column.ty.values.clone(),
        };
        TableShape {
            name: self.name.clone(),
            columns: self.columns.iter().map(shape).collect(),
            unique_together: self
                .indexes
                .iter()
                .filter(|index| index.unique && index.columns.len() > 1)
                .map(|index| index.columns.clone())
                .collect(),
        }
    }

    /// What its columns refer to, as embeds follow it.
    pub(crate) fn relationships(&self) -> impl Iterator<Item = host::Relationship> {
        self.columns.iter().filter_map(|column| {
            let reference = column.references.as_ref()?;
            Some(host::Relationship {
                constraint: reference.constraint.clone(),
                from_table: self.name.clone(),
                from_column: column.name.clone(),
                to_table: reference.table.clone(),
                to_column: reference.column.clone(),
                multiplicity: match column.unique {
                    true => host::Multiplicity::OneToOne,
                    false => host::Multiplicity::OneToMany,
                },
            })
        })
    }

    pub(crate) fn column(&self, name: &ColumnName) -> Option<&Column> {
        self.columns.iter().find(|column| &column.name == name)
    }
}

/// The tables of one project, or of all, ordered by project and name, columns in their order.
pub(crate) async fn load(
    conn: &mut DbConnection,
    project: Option<Uuid>,
) -> Result<Vec<StoredTable>, RegistryError> {
    let rows = sqlx::query!(
        r#"SELECT t.id AS table_id, t.project_id, t.name AS table_name, t.created_at,
               t.policy_readable, t.native_mirror,
               c.id, c.name, c.type AS ty, c.listed_values, c.is_nullable, c."default", c.is_unique,
               c.is_primary_key, r.type AS "kind?", r.on_delete AS "on_delete?",
               r.constraint_name AS "constraint_name?", tt.name AS "to_table?", tc.name AS "to_column?"
           FROM koyalite.tables t
           JOIN koyalite.columns c ON c.table_id = t.id
           LEFT JOIN koyalite.relationships r ON r.from_column_id = c.id
           LEFT JOIN koyalite.tables tt ON tt.id = r.to_table_id
           LEFT JOIN koyalite.columns tc ON tc.id = r.to_column_id
           WHERE $1::uuid IS NULL OR t.project_id = $1
           ORDER BY t.project_id, t.name, c.position"#,
        project,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut indexes = indexes::load(conn, project).await?;
    let mut tables: Vec<StoredTable> = Vec::new();
    for row in rows {
        let constraint = row.constraint_name.unwrap_or_default();
        let references = match (row.to_table, row.to_column, row.kind, row.on_delete) {
            (Some(table), Some(column), Some(kind), Some(on_delete)) => Some(Relationship {
                table: table.parse().map_err(RegistryError::internal)?,
                column: column.parse().map_err(RegistryError::internal)?,
                kind,
                on_delete: on_delete_of(&on_delete)?,
                constraint,
            }),
            _ => None,
        };
        let column = Column {
            id: row.id,
            name: row.name.parse().map_err(RegistryError::internal)?,
            ty: DefinedType {
                ty: row.ty.parse().map_err(RegistryError::internal)?,
                values: row.listed_values,
            },
            nullable: row.is_nullable,
            default: row.default,
            unique: row.is_unique,
            primary_key: row.is_primary_key,
            references,
        };
        match tables.last_mut() {
            Some(table) if table.id == row.table_id => table.columns.push(column),
            _ => tables.push(StoredTable {
                id: row.table_id,
                project_id: row.project_id,
                name: row.table_name.parse().map_err(RegistryError::internal)?,
                created_at: row.created_at,
                policy_readable: row.policy_readable,
                native_mirror: row.native_mirror,
                columns: vec![column],
                indexes: indexes.remove(&row.table_id).unwrap_or_default(),
            }),
        }
    }
    Ok(tables)
}

fn on_delete_of(text: &str) -> Result<OnDelete, RegistryError> {
    [OnDelete::Restrict, OnDelete::Cascade, OnDelete::SetNull]
        .into_iter()
        .find(|action| action.as_str() == text)
        .ok_or_else(|| RegistryError::internal(format!("unknown on_delete {text:?}")))
}

/// A column that is about to be made, with its id and the place it refers to.
#[derive(Debug, Clone)]
pub(crate) struct PlacedColumn<'a> {
    pub(crate) id: Uuid,
    pub(crate) definition: &'a ColumnDefinition,
    pub(crate) target: Option<Target>,
}

/// What a reference points at.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) table_id: Uuid,
    pub(crate) column_id: Uuid,
    pub(crate) key: ForeignKey,
}

/// Writes the catalogue's row of a column.
pub(crate) async fn insert(
    conn: &mut DbConnection,
    table_id: Uuid,
    column: &PlacedColumn<'_>,
) -> Result<(), RegistryError> {
    let definition = column.definition;
    sqlx::query!(
        r#"INSERT INTO koyalite.columns
               (id, table_id, position, name, type, is_nullable, "default", is_unique, is_primary_key,
                listed_values)
           SELECT $1, $2, coalesce(max(position), 0) + 1, $3, $4, $5, $6, $7, $8, $9
           FROM koyalite.columns WHERE table_id = $2"#,
        column.id,
        table_id,
        definition.name.as_str(),
        &*&definition.ty.ty.sql_name(),
        definition.nullable,
        definition.default_json,
        definition.unique,
        definition.primary_key,
        definition.ty.values.as_deref(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes the catalogue's row of a column's reference, once both columns have theirs.
pub(crate) async fn insert_relationship(
    conn: &mut DbConnection,
    table_id: Uuid,
    column: &PlacedColumn<'_>,
) -> Result<(), RegistryError> {
    let (Some(target), Some(reference)) = (&column.target, &column.definition.references) else {
        return Ok(());
    };
    let kind = match column.definition.unique {
        true => "1:1",
        false => "1:N",
    };
    sqlx::query!(
        "INSERT INTO koyalite.relationships (id, from_table_id, from_column_id, to_table_id,
             to_column_id, type, on_delete, constraint_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        table_id,
        column.id,
        target.table_id,
        target.column_id,
        kind,
        reference.on_delete.as_str(),
        target.key.constraint,
    )
    .execute(conn)
    .await?;
    Ok(())
}
