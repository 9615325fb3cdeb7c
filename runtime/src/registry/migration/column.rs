//! One column made another by itself: a file of that column alone, applied like any other.

use koyalite_policy::{ColumnName, ProjectName, TableName};
use serde::Deserialize;
use serde_json::Value as Json;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::Change;
use super::super::columns::Column;
use super::super::condition::Condition;
use super::super::definition::{NewColumn, NewReference, NewTable};
use super::super::error::{Mistake, RegistryError};
use super::super::policy_input::given;
use super::super::tables::{self, Table};
use super::{Author, SchemaFile, Terms, prepare};

/// What to change of a column. A field left out stays.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct ColumnPatch {
    /// A wider type, or another list of values.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// May it hold NULL?
    pub nullable: Option<bool>,
    /// Another default; `null` removes it.
    #[serde(default, deserialize_with = "given")]
    pub default: Option<Option<Json>>,
    /// Are its values unique?
    pub unique: Option<bool>,
    /// What it refers to; `null`: nothing.
    #[serde(default, deserialize_with = "given")]
    pub references: Option<Option<NewReference>>,
}

/// Changes a column, where its table is as the condition says.
///
/// # Errors
/// As for [`apply_schema`](super::apply_schema), with the column's own fields; `NotFound` where the table
/// has none of this name; `Conflict` where the condition does not hold.
pub async fn change_column(
    registry: &Registry,
    project: &ProjectName,
    (table, column): (&TableName, &ColumnName),
    (condition, patch): (&Condition, ColumnPatch),
    by: Author,
) -> Result<Table, RegistryError> {
    let mut change = Change::at_the_end(registry).await?;
    let locked = change.lock(project).await?;
    let stored = tables::find(&mut change, &locked, table).await?;
    condition.check(&Table::from(stored.clone()))?;
    let found = stored
        .column(column)
        .ok_or_else(|| RegistryError::not_found("column", column))?;
    let new = NewTable {
        name: table.to_string(),
        columns: vec![patch.apply(found)],
        indexes: Vec::new(),
    };
    let file = SchemaFile {
        tables: vec![new],
        ..SchemaFile::default()
    };
    let terms = Terms::cautious(by);
    let prepared = prepare(change, project, &file, &terms).await;
    let prepared = prepared.map_err(of_the_column)?;
    if !prepared.changes_anything() {
        return Ok(stored.into());
    }
    let deed = Deed::new(Action::SchemaApply, locked.id).with("steps", prepared.steps());
    prepared.commit(&terms.by.name, deed).await?;
    tables::get(registry, project, table).await
}

impl ColumnPatch {
    fn apply(self, found: &Column) -> NewColumn {
        let reference = found.references.as_ref().map(|found| NewReference {
            table: found.table.to_string(),
            column: found.column.to_string(),
            on_delete: found.on_delete,
        });
        NewColumn {
            name: found.name.to_string(),
            ty: self.ty.unwrap_or_else(|| found.ty.to_string()),
            nullable: self.nullable.unwrap_or(found.nullable),
            default: self.default.unwrap_or_else(|| found.default.clone()),
            unique: self.unique.unwrap_or(found.unique),
            primary_key: found.primary_key,
            references: self.references.unwrap_or(reference),
        }
    }
}

/// The refusal without the place in a file that nobody wrote.
fn of_the_column(error: RegistryError) -> RegistryError {
    let own = |mistake: Mistake| {
        let field = mistake.field.strip_prefix("tables[0].columns[0].");
        Mistake {
            field: field.unwrap_or_default().to_owned(),
            ..mistake
        }
    };
    match error {
        RegistryError::Invalid { errors } => RegistryError::Invalid {
            errors: errors.into_iter().map(own).collect(),
        },
        error => error,
    }
}
