//! Tables and columns as their author writes them, and as they are once validated.
//!
//! Reading is all or nothing and reports every mistake at once. What is validated here fits a
//! Postgres table of its own; whether references point at something is for [`super::tables`], which
//! knows the other tables.

use std::collections::BTreeSet;
use std::ops::Not;

use koyalite_policy::{ColumnName, ColumnType, RESERVED_PREFIX, TableName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::column_type::DefinedType;
use super::default::ColumnDefault;
use super::error::Mistake;
use super::indexes::{IndexDefinition, NewIndex};

/// Far above what people write, far below Postgres' 1600, where every row would be a page.
pub const COLUMNS_MAX: usize = 200;

/// Columns that every Postgres table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// A table to create. Unknown fields are for the reader of the request to refuse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewTable {
    /// `[a-z_][a-z0-9_]{0,62}`.
    pub name: String,
    /// In order. Without a primary key among them, `id uuid` goes first.
    #[serde(default)]
    pub columns: Vec<NewColumn>,
    /// Beside those that keys and unique columns have anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<NewIndex>,
}

/// A column to create.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewColumn {
    /// `[a-z_][a-z0-9_]{0,62}`.
    pub name: String,
    /// One of the types, an alias that Postgres knows, or `enum(a, b)`.
    #[serde(rename = "type")]
    pub ty: String,
    /// May it hold NULL?
    #[serde(default, skip_serializing_if = "Not::not")]
    pub nullable: bool,
    /// What it holds when an insert leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Json>,
    /// Are its values unique?
    #[serde(default, skip_serializing_if = "Not::not")]
    pub unique: bool,
    /// Is it (part of) the primary key?
    #[serde(default, skip_serializing_if = "Not::not")]
    pub primary_key: bool,
    /// The row of another table that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<NewReference>,
}

/// A reference to a column of a table of the same project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewReference {
    /// The table.
    pub table: String,
    /// A unique column of it.
    #[serde(default = "id")]
    pub column: String,
    /// What happens to this row when the other one is deleted.
    #[serde(default)]
    pub on_delete: OnDelete,
}

fn id() -> String {
    "id".to_owned()
}

/// What happens to a row when the row that it refers to is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// Deleting the other row is refused.
    #[default]
    Restrict,
    /// This row goes too.
    Cascade,
    /// The column becomes NULL.
    SetNull,
}

impl OnDelete {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Cascade => "cascade",
            Self::SetNull => "set_null",
        }
    }

    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
        }
    }
}

/// A table that can be created.
#[derive(Debug, Clone)]
pub(crate) struct TableDefinition {
    pub(crate) name: TableName,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) indexes: Vec<IndexDefinition>,
}

/// A column that can be created.
#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: ColumnName,
    pub(crate) ty: DefinedType,
    pub(crate) nullable: bool,
    pub(crate) default: Option<ColumnDefault>,
    /// The default as written, for the catalogue.
    pub(crate) default_json: Option<Json>,
    pub(crate) unique: bool,
    pub(crate) primary_key: bool,
    pub(crate) references: Option<Reference>,
}

/// A reference whose target is still to be looked up.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) table: TableName,
    pub(crate) column: ColumnName,
    pub(crate) on_delete: OnDelete,
}

impl NewTable {
    /// Validates the table.
    ///
    /// # Errors
    /// Every mistake, each with its field.
    pub(crate) fn read(&self) -> Result<TableDefinition, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let name = keep(self.name.parse::<TableName>(), "name", &mut mistakes);
        if self.name.starts_with(RESERVED_PREFIX) {
            let message = format!("names that begin with {RESERVED_PREFIX} are the host's own");
            mistakes.push(Mistake::new("name", message));
        }
        let mut columns = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, column) in self.columns.iter().enumerate() {
            let field = format!("columns[{index}]");
            if !seen.insert(column.name.as_str()) {
                mistakes.push(Mistake::new(
                    &field,
                    format!("a second column {:?}", column.name),
                ));
            }
            match column.read() {
                Ok(column) => columns.push(column),
                Err(errors) => mistakes.extend(errors.into_iter().map(|m| m.under(&field))),
            }
        }
        let mut indexes = Vec::new();
        for (index, new) in self.indexes.iter().enumerate() {
            let field = format!("indexes[{index}]");
            match new.read() {
                Ok(definition) => indexes.push(definition),
                Err(errors) => mistakes.extend(errors.into_iter().map(|m| m.under(&field))),
            }
        }
        if columns.len() > COLUMNS_MAX {
            mistakes.push(Mistake::new(
                "columns",
                format!("a table has at most {COLUMNS_MAX} columns"),
            ));
        }
        if !columns.iter().any(|column| column.primary_key) && mistakes.is_empty() {
            match seen.contains("id") {
                true => mistakes.push(Mistake::new(
                    "columns",
                    "no column is the primary key; write `primary_key: true` on `id`",
                )),
                false => columns.splice(0..0, default_primary_key()).for_each(drop),
            }
        }
        match (name, mistakes.is_empty()) {
            (Some(name), true) => Ok(TableDefinition {
                name,
                columns,
                indexes,
            }),
            _ => Err(mistakes),
        }
    }
}

impl NewColumn {
    /// Validates the column by itself.
    ///
    /// # Errors
    /// Every mistake, each with its field.
    pub(crate) fn read(&self) -> Result<ColumnDefinition, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if SYSTEM_COLUMNS.contains(&self.name.as_str()) {
            let message = format!(
                "every table has a system column {:?}; choose another",
                self.name
            );
            mistakes.push(Mistake::new("name", message));
        }
        if self.primary_key && self.nullable {
            mistakes.push(Mistake::new(
                "nullable",
                "a primary key is never NULL; leave it out",
            ));
        }
        let name = keep(self.name.parse::<ColumnName>(), "name", &mut mistakes);
        let ty = keep(self.ty.parse::<DefinedType>(), "type", &mut mistakes);
        let written = self.default.as_ref().filter(|value| !value.is_null());
        let default = match (written, &ty) {
            (Some(value), Some(ty)) => {
                keep(ColumnDefault::read(value, ty.ty), "default", &mut mistakes)
            }
            _ => None,
        };
        if default == Some(ColumnDefault::Identity) && self.nullable {
            let message = "a column that the database counts is never NULL; leave it out";
            mistakes.push(Mistake::new("nullable", message));
        }
        let values = ty.as_ref().and_then(|ty| ty.values.as_ref());
        if let (Some(ColumnDefault::Text(text)), Some(values)) = (&default, values)
            && !values.contains(text)
        {
            let message = format!("write one of its values: {}", values.join(", "));
            mistakes.push(Mistake::new("default", message));
        }
        let references = self.references.as_ref().and_then(|reference| {
            if reference.on_delete == OnDelete::SetNull && !self.nullable {
                let message = "set_null needs a column that may be NULL; write `nullable: true`";
                mistakes.push(Mistake::new("references.on_delete", message));
            }
            reference.read(&mut mistakes)
        });
        match (name, ty, mistakes.is_empty()) {
            (Some(name), Some(ty), true) => Ok(ColumnDefinition {
                name,
                ty,
                nullable: self.nullable,
                default,
                default_json: written.cloned(),
                unique: self.unique,
                primary_key: self.primary_key,
                references,
            }),
            _ => Err(mistakes),
        }
    }
}

impl NewReference {
    fn read(&self, mistakes: &mut Vec<Mistake>) -> Option<Reference> {
        let table = keep(self.table.parse(), "references.table", mistakes);
        let column = keep(self.column.parse(), "references.column", mistakes);
        Some(Reference {
            table: table?,
            column: column?,
            on_delete: self.on_delete,
        })
    }
}

/// The value, or its error among the mistakes.
pub(crate) fn keep<T, E: std::fmt::Display>(
    read: Result<T, E>,
    field: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    read.map_err(|error| mistakes.push(Mistake::new(field, error)))
        .ok()
}

/// `id uuid`, for a table whose author named no key. An option only because names are parsed.
fn default_primary_key() -> Option<ColumnDefinition> {
    Some(ColumnDefinition {
        name: "id".parse().ok()?,
        ty: DefinedType {
            ty: ColumnType::Uuid,
            values: None,
        },
        nullable: false,
        default: Some(ColumnDefault::RandomUuid),
        default_json: Some(Json::from("gen_random_uuid()")),
        unique: false,
        primary_key: true,
        references: None,
    })
}
