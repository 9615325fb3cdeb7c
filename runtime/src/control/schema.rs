//! A project's `schema.json`: all its tables and policies at once, applied as often as one likes.
//!
//! Policies stand under their table, or beside the tables with the table's name; both come to the
//! same. Mistakes are told at the place where the author wrote them.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use koyalite_policy::{Claims, ColumnName, Command, Effect, NameError, TableName};
use serde::Deserialize;

use crate::http::Code;
use crate::registry::RegistryError;
use crate::registry::apply::{Applied, SchemaFile, apply_schema};
use crate::registry::definition::{NewColumn, NewTable};
use crate::registry::indexes::NewIndex;
use crate::registry::policies::NewPolicy;

use super::Shared;
use super::answer::{Answer, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::InProject;
use super::json::Json;

/// The file.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    tables: Vec<Table>,
    #[serde(default)]
    policies: Vec<NewPolicy>,
    claims: Option<Claims>,
}

/// A table with the policies that guard it.
#[derive(Deserialize)]
struct Table {
    name: String,
    #[serde(default)]
    columns: Vec<NewColumn>,
    #[serde(default)]
    indexes: Vec<NewIndex>,
    #[serde(default)]
    policies: Vec<TablePolicy>,
}

/// A policy whose table is the one it stands in.
#[derive(Deserialize)]
struct TablePolicy {
    name: String,
    effect: Option<Effect>,
    commands: Option<BTreeSet<Command>>,
    #[serde(default)]
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
    read: Option<Vec<ColumnName>>,
    write: Option<Vec<ColumnName>>,
    #[serde(default)]
    set: BTreeMap<ColumnName, String>,
    enabled: Option<bool>,
}

pub(super) async fn apply(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(document): Json<Document>,
) -> Result<Answer<Applied>, ApiError> {
    let (file, places) = document.flatten()?;
    let by = operator.user_id(&control.registry);
    match apply_schema(&control.registry, &project.name, &file, by).await {
        Ok(applied) => Ok(ok(applied)),
        Err(error) => Err(ApiError::invalid_as(code(&error))(placed(error, &places))),
    }
}

impl Document {
    /// The file as the registry takes it, and where each of its policies was written.
    fn flatten(self) -> Result<(SchemaFile, Vec<String>), ApiError> {
        let mut places = Vec::new();
        let mut file = SchemaFile {
            claims: self.claims,
            ..SchemaFile::default()
        };
        for (t, table) in self.tables.into_iter().enumerate() {
            if !table.policies.is_empty() {
                let of: TableName = table.name.parse().map_err(|error: NameError| {
                    let mistake = RegistryError::invalid(&format!("tables[{t}].name"), error);
                    ApiError::invalid_as(Code::InvalidSchema)(mistake)
                })?;
                for (p, policy) in table.policies.into_iter().enumerate() {
                    file.policies.push(policy.of(of.clone()));
                    places.push(format!("tables[{t}].policies[{p}]"));
                }
            }
            file.tables.push(NewTable {
                name: table.name,
                columns: table.columns,
                indexes: table.indexes,
            });
        }
        for (p, policy) in self.policies.into_iter().enumerate() {
            file.policies.push(policy);
            places.push(format!("policies[{p}]"));
        }
        Ok((file, places))
    }
}

impl TablePolicy {
    fn of(self, table: TableName) -> NewPolicy {
        NewPolicy {
            name: self.name,
            table,
            effect: self.effect.unwrap_or(Effect::Allow),
            commands: self.commands.unwrap_or_else(|| Command::ALL.into()),
            roles: self.roles,
            using: self.using,
            check: self.check,
            read: self.read,
            write: self.write,
            set: self.set,
            enabled: self.enabled.unwrap_or(true),
        }
    }
}

/// The code that the same mistake has where a policy, or a table, is sent by itself. Tables come
/// first, so mistakes of both kinds never come together.
fn code(error: &RegistryError) -> Code {
    match error {
        RegistryError::Invalid { errors }
            if errors.iter().all(|m| m.field.starts_with("policies[")) =>
        {
            Code::InvalidPolicy
        }
        _ => Code::InvalidSchema,
    }
}

/// The refusal with `policies[n]`, the place in the flattened file, as the place in the author's.
fn placed(error: RegistryError, places: &[String]) -> RegistryError {
    match error {
        RegistryError::Invalid { mut errors } => {
            for mistake in &mut errors {
                if let Some(field) = written_at(&mistake.field, places) {
                    mistake.field = field;
                }
            }
            RegistryError::Invalid { errors }
        }
        error => error,
    }
}

fn written_at(field: &str, places: &[String]) -> Option<String> {
    let (index, rest) = field.strip_prefix("policies[")?.split_once(']')?;
    let place = places.get(index.parse::<usize>().ok()?)?;
    Some(format!("{place}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
        "tables": [
            {"name": "users"},
            {"name": "todos", "columns": [{"name": "owner_id", "type": "uuid"}], "policies": [
                {"name": "own rows", "using": "owner_id = auth.uid()"}]}],
        "policies": [{"name": "all", "table": "users", "using": "true"}]
    }"#;

    #[test]
    fn policies_under_and_beside_their_table_come_to_the_same() {
        let document: Document = super::super::json::parse(FILE.as_bytes()).unwrap();
        let (file, places) = document.flatten().unwrap();
        let policies: Vec<(&str, &str)> = file
            .policies
            .iter()
            .map(|one| (one.table.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(policies, [("todos", "own rows"), ("users", "all")]);
        assert_eq!(file.policies[0].commands, Command::ALL.into());
        assert_eq!(places, ["tables[1].policies[0]", "policies[0]"]);
    }

    #[test]
    fn a_mistake_is_told_where_it_was_written() {
        let places = ["tables[1].policies[0]".to_owned(), "policies[0]".to_owned()];
        let check = |field, expected: Option<&str>| {
            assert_eq!(written_at(field, &places).as_deref(), expected, "{field}");
        };
        check("policies[0].using", Some("tables[1].policies[0].using"));
        check("policies[1].name", Some("policies[0].name"));
        check("policies[2].name", None);
        check("tables[0].name", None);
    }
}
