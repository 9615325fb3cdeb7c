//! A project's `schema.json`: all its tables and policies at once, applied as often as one likes.
//!
//! Policies stand under their table, or beside the tables with the table's name; both come to the
//! same. Mistakes are told at the place where the author wrote them.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use koyalite_policy::{Claims, ColumnName, Command, Effect, NameError, TableName};
use serde::{Deserialize, Serialize};

use crate::http::{Code, Mistake};
use crate::registry::RegistryError;
use crate::registry::definition::{NewColumn, NewTable};
use crate::registry::indexes::NewIndex;
use crate::registry::migration::{
    Applied, Author, MigrationEntry, SchemaFile, Step, Terms, Unmentioned, apply_schema, history,
    plan_schema,
};
use crate::registry::policies::NewPolicy;
use crate::registry::tables::Data;

use super::Shared;
use super::answer::{Answer, Items, ok};
use super::auth::Operator;
use super::error::ApiError;
use super::extract::{Asked, InProject};
use super::json::Json;
use super::paging::{Paging, part};
use super::production::may_drop;

/// The file.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = SchemaDocument)]
pub(super) struct Document {
    #[serde(default)]
    tables: Vec<Table>,
    #[serde(default)]
    policies: Vec<NewPolicy>,
    claims: Option<Claims>,
}

/// A table with the policies that guard it.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = TableDocument)]
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
#[derive(Deserialize, utoipa::ToSchema)]
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

/// How a file is to be applied, as the query says.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    lose_data: bool,
    state: Option<String>,
}

/// What applying would do.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Planned {
    state: String,
    steps: Vec<Step>,
    kept: Vec<String>,
    warnings: Vec<String>,
    refusals: Vec<Refusal>,
}

/// A refusal that applying would answer: the parts of its problem document that are not the same for
/// every request.
#[derive(Serialize, utoipa::ToSchema)]
struct Refusal {
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
}

pub(super) async fn plan(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Asked(asking): Asked<Asking>,
    Json(document): Json<Document>,
) -> Result<Answer<Planned>, ApiError> {
    let (file, places) = document.flatten()?;
    let terms = asking.terms(&control, &operator);
    let plan = plan_schema(&control.registry, &project.name, &file, &terms)
        .await
        .map_err(|error| refused(error, &places))?;
    let refusals = plan.refusals.into_iter().map(|error| {
        let problem = refused(error, &places).problem();
        Refusal {
            code: problem.code.as_str(),
            detail: problem.detail,
            errors: problem.errors,
        }
    });
    Ok(ok(Planned {
        state: plan.state,
        steps: plan.steps,
        kept: plan.kept,
        warnings: plan.warnings,
        refusals: refusals.collect(),
    }))
}

pub(super) async fn apply(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Asked(asking): Asked<Asking>,
    Json(document): Json<Document>,
) -> Result<Answer<Applied>, ApiError> {
    let (file, places) = document.flatten()?;
    let terms = asking.terms(&control, &operator);
    if matches!(terms.unmentioned, Unmentioned::Dropped) {
        may_drop(&project, terms.data)?;
    }
    let applied = apply_schema(&control.registry, &project.name, &file, &terms).await;
    Ok(ok(applied.map_err(|error| refused(error, &places))?))
}

pub(super) async fn past(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(paging): Asked<Paging>,
) -> Result<Answer<Items<MigrationEntry>>, ApiError> {
    let page = paging.page("history")?;
    let entries = history(&control.registry, &project.name, &page).await?;
    part("history", entries, |entry| entry.seq)
}

impl Asking {
    fn terms(self, control: &Shared, operator: &Operator) -> Terms {
        Terms {
            unmentioned: match self.prune {
                true => Unmentioned::Dropped,
                false => Unmentioned::Kept,
            },
            data: match self.lose_data {
                true => Data::MayGo,
                false => Data::Kept,
            },
            state: self.state,
            by: author(control, operator),
        }
    }
}

/// Whose name stands beside what is done.
pub(super) fn author(control: &Shared, operator: &Operator) -> Author {
    Author {
        user: operator.user_id(&control.registry),
        name: operator.subject.clone(),
    }
}

/// Terms under which nothing goes.
pub(super) fn cautious(control: &Shared, operator: &Operator) -> Terms {
    Terms::cautious(author(control, operator))
}

/// A refusal, told where the author wrote what it is about.
pub(super) fn refused(error: RegistryError, places: &[String]) -> ApiError {
    ApiError::invalid_as(code(&error))(placed(error, places))
}

impl Document {
    /// The file as the registry takes it, and where each of its policies was written.
    pub(super) fn flatten(self) -> Result<(SchemaFile, Vec<String>), ApiError> {
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
