//! Policies: saved only when they make sense on their table, with a verdict for those who ask first.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::NoContent;
use koyalite_policy::{ColumnName, Command, Effect, TableName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::{Code, Mistake};
use crate::registry::RegistryError;
use crate::registry::policies::{self, NewPolicy, Policy, PolicyPatch, SavedPolicy};

use super::Shared;
use super::answer::{Answer, Created, Items, created, ok};
use super::auth::Operator;
use super::error::{ApiError, registry_mistake};
use super::extract::{Asked, At, InProject, name};
use super::json::Json;
use super::paging::{Paging, part};
use super::unchanged::{Tagged, Unchanged, tagged, tagged_as};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    table: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(control): State<Shared>,
    InProject(project): InProject,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Items<Policy>>, ApiError> {
    let table: Option<TableName> = wanted.table.as_deref().map(name).transpose()?;
    let (limit, cursor) = (wanted.limit, wanted.cursor);
    let page = Paging { limit, cursor }.page("policies")?;
    let policies = policies::list(&control.registry, &project.name, table.as_ref()).await?;
    let key = |policy: &Policy| (policy.source.table.to_string(), policy.source.name.clone());
    part("policies", page.cut(policies, key), key)
}

pub(super) async fn show(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<Tagged<Answer<Policy>>, ApiError> {
    let policy = policies::get(&control.registry, &project.name, policy_id(&id)?).await?;
    tagged(ok(policy))
}

pub(super) async fn create(
    State(control): State<Shared>,
    InProject(project): InProject,
    operator: Operator,
    Json(new): Json<NewPolicy>,
) -> Result<Created<SavedPolicy>, ApiError> {
    let creator = operator.user_id(&control.registry);
    let saved = policies::create(&control.registry, &project.name, &new, creator).await;
    Ok(created(
        saved.map_err(ApiError::invalid_as(Code::InvalidPolicy))?,
    ))
}

pub(super) async fn change(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
    Unchanged(condition): Unchanged,
    Json(patch): Json<PolicyPatch>,
) -> Result<Tagged<Answer<SavedPolicy>>, ApiError> {
    let (id, patch) = (policy_id(&id)?, (&condition, patch));
    let saved = policies::update(&control.registry, &project.name, id, patch).await;
    let saved = saved.map_err(ApiError::invalid_as(Code::InvalidPolicy))?;
    let policy = saved.policy.clone();
    tagged_as(ok(saved), &policy)
}

pub(super) async fn remove(
    State(control): State<Shared>,
    InProject(project): InProject,
    At((_, id)): At<(String, String)>,
) -> Result<NoContent, ApiError> {
    policies::delete(&control.registry, &project.name, policy_id(&id)?).await?;
    Ok(NoContent)
}

fn policy_id(text: &str) -> Result<Uuid, ApiError> {
    // What is no id names no policy: the same answer as for an id of another project.
    Uuid::parse_str(text).map_err(|_| ApiError::UnknownPolicy(text.to_owned()))
}

/// A policy to judge. Only what the verdict depends on has to be given.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = PolicyDraft)]
pub(super) struct Draft {
    #[serde(default = "draft_name")]
    name: String,
    table: String,
    #[serde(default = "allow")]
    effect: Effect,
    commands: Option<BTreeSet<Command>>,
    #[serde(default)]
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
    read: Option<Vec<ColumnName>>,
    write: Option<Vec<ColumnName>>,
    #[serde(default)]
    set: BTreeMap<ColumnName, String>,
}

fn draft_name() -> String {
    "draft".to_owned()
}

fn allow() -> Effect {
    Effect::Allow
}

/// Whether a policy could be saved. Being told no is a successful answer: 200.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DraftVerdict)]
pub(super) struct Verdict {
    valid: bool,
    errors: Vec<Mistake>,
    warnings: Vec<String>,
}

pub(super) async fn check(
    State(control): State<Shared>,
    InProject(project): InProject,
    Json(draft): Json<Draft>,
) -> Result<Answer<Verdict>, ApiError> {
    let draft = draft.into_policy()?;
    match policies::check(&control.registry, &project.name, &draft).await {
        Ok(warnings) => Ok(ok(Verdict {
            valid: true,
            errors: Vec::new(),
            warnings,
        })),
        Err(RegistryError::Invalid { errors }) => {
            let errors = errors.iter().map(registry_mistake).collect();
            Ok(ok(Verdict {
                valid: false,
                errors,
                warnings: Vec::new(),
            }))
        }
        Err(error) => Err(error.into()),
    }
}

impl Draft {
    fn into_policy(self) -> Result<NewPolicy, ApiError> {
        // A lone `check` can only be about rows that are written; asking for more would refuse it
        // for a reason that its author did not ask about.
        let commands = self.commands.unwrap_or_else(|| match self.using {
            Some(_) => Command::ALL.into(),
            None => [Command::Insert].into(),
        });
        Ok(NewPolicy {
            name: self.name,
            table: name(&self.table)?,
            effect: self.effect,
            commands,
            roles: self.roles,
            using: self.using,
            check: self.check,
            read: self.read,
            write: self.write,
            set: self.set,
            enabled: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, commands: &[Command]) {
        let draft: Draft = super::super::json::parse(body.as_bytes()).unwrap();
        let policy = draft.into_policy().unwrap();
        assert_eq!(
            policy.commands,
            commands.iter().copied().collect(),
            "{body}"
        );
    }

    #[test]
    fn a_draft_speaks_of_the_commands_that_its_conditions_can_mean() {
        check(r#"{"table": "todos", "using": "true"}"#, &Command::ALL);
        check(
            r#"{"table": "todos", "using": "true", "check": "true"}"#,
            &Command::ALL,
        );
        check(r#"{"table": "todos", "check": "true"}"#, &[Command::Insert]);
        let given = r#"{"table": "todos", "using": "true", "commands": ["delete"]}"#;
        check(given, &[Command::Delete]);
    }
}
