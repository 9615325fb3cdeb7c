//! Several functions at once, with the tables and policies that they rely on: one change, or nothing.

use koyalite_policy::{FunctionName, ProjectName};
use serde_json::json;

use super::stored::{Changed, Placed};
use super::{DeployInput, Deployed, explained, put};
use crate::registry::audit::{Action, Deed};
use crate::registry::change::Change;
use crate::registry::error::{RegistryError, refuse_if_any};
use crate::registry::migration::{self, Applied, SchemaFile};
use crate::registry::{Mistake, Registry, removal};

/// Reviewed by one person at one sitting; an installation of more has several projects.
pub const FUNCTIONS_TOGETHER_MAX: usize = 50;

/// What is deployed together.
#[derive(Debug)]
pub struct Together {
    /// The project.
    pub project: ProjectName,
    /// Functions, each admitted by the engine.
    pub functions: Vec<DeployInput>,
    /// The tables and policies that there are to be, and how; none: they stay.
    pub schema: Option<(SchemaFile, migration::Terms)>,
}

/// What became of all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedTogether {
    /// Nodes that are at this number, or after it, serve all of it.
    pub seq: i64,
    /// In the order in which they were sent.
    pub functions: Vec<Deployed>,
    /// What became of tables and policies, where they were sent.
    pub schema: Option<Applied>,
}

/// Makes all of it serve.
///
/// # Errors
/// Those of a deploy and of a schema, the first that there is; then nothing has changed.
pub async fn deploy_together(
    registry: &Registry,
    wanted: Together,
) -> Result<DeployedTogether, RegistryError> {
    check(&wanted.functions)?;
    let change = Change::at_the_end(registry).await?;
    let mut change = removal::hold_components(change).await?;
    let project = change.lock(&wanted.project).await?;
    let mut placed = Vec::new();
    // Before the policies change: each version that stops serving is remembered with those of until now.
    for input in &wanted.functions {
        let put = put(&mut change, &project, input).await;
        let (one, path) = put.map_err(|error| of_function(&input.name, error))?;
        placed.push((input.name.clone(), one, path));
    }
    let deed = deed(&wanted, &placed);
    let changed = placed.iter().any(|(_, one, _)| one.changed == Changed::Yes);
    let schema = match &wanted.schema {
        None => {
            if changed {
                change.commit(deed).await?;
            }
            None
        }
        Some((file, terms)) => {
            let prepared = migration::prepare(change, &wanted.project, file, terms).await?;
            Some(match (changed, prepared.changes_anything()) {
                (false, false) => prepared.kept(),
                (_, true) => {
                    let deed = deed.with("schema_steps", prepared.steps());
                    prepared.commit(&terms.by.name, deed).await?
                }
                (true, false) => prepared.commit_unchanged(deed).await?,
            })
        }
    };
    let functions = placed
        .into_iter()
        .map(|(name, one, path)| one.deployed(&name, &path));
    Ok(DeployedTogether {
        seq: registry.snapshot().seq,
        functions: functions.collect::<Result<_, _>>()?,
        schema,
    })
}

/// There is something to deploy, not too much, and each function once.
fn check(functions: &[DeployInput]) -> Result<(), RegistryError> {
    let mut mistakes = Vec::new();
    if functions.is_empty() || functions.len() > FUNCTIONS_TOGETHER_MAX {
        let message = format!("send 1 to {FUNCTIONS_TOGETHER_MAX} functions");
        mistakes.push(Mistake::new("functions", message));
    }
    for (index, input) in functions.iter().enumerate() {
        let mut before = functions.iter().take(index);
        if before.any(|other| other.name == input.name) {
            let field = format!("functions.{}", input.name);
            mistakes.push(Mistake::new(
                field,
                "it is sent twice; send each function once",
            ));
        }
    }
    refuse_if_any(mistakes)
}

/// The record of it: one for all.
fn deed(wanted: &Together, placed: &[(FunctionName, Placed, String)]) -> Deed {
    let functions: Vec<_> = placed
        .iter()
        .map(|(name, one, _)| {
            let changed = one.changed == Changed::Yes;
            let (version, sha256) = (one.version.number, &one.version.sha256);
            json!({ "name": name, "version": version, "sha256": sha256, "changed": changed })
        })
        .collect();
    let deed = Deed::new(Action::ProjectDeploy, &wanted.project).with("functions", functions);
    match wanted.functions.first() {
        Some(first) => explained(deed, &first.terms),
        None => deed,
    }
}

/// A refusal that says which function it is about.
fn of_function(name: &FunctionName, error: RegistryError) -> RegistryError {
    match error {
        RegistryError::Invalid { errors } => {
            let field = format!("functions.{name}");
            let errors = errors.into_iter().map(|mistake| mistake.under(&field));
            RegistryError::Invalid {
                errors: errors.collect(),
            }
        }
        RegistryError::Conflict {
            kind,
            reason,
            errors,
        } => RegistryError::Conflict {
            kind,
            reason: format!("function {name}: {reason}"),
            errors,
        },
        other => other,
    }
}
