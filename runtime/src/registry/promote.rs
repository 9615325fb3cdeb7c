//! A function goes from one project to another, as from staging to production: the same component and
//! manifest as a version there, with the policies it was used with where that is wanted. Nothing is built
//! or uploaded again, and all of it is one change.

use std::collections::HashMap;

use koyalite_policy::{FunctionName, PolicySource, ProjectName, TableName};
use uuid::Uuid;

use super::audit::Action;
use super::change::project_id;
use super::deploy::stored::{self, Active, Changed};
use super::deploy::terms::{Cause, Terms};
use super::deploy::{self, DeployInput, Deployed};
use super::error::RegistryError;
use super::functions::Policies;
use super::manifest::Manifest;
use super::policy_sets::{self, Restored};
use super::pool::DbConnection;
use super::snapshot::{HANDLERS, handler_word};
use super::{Registry, mirror, policies, removal};

/// What goes where.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// The project that it is taken from.
    pub from: ProjectName,
    /// The function.
    pub name: FunctionName,
    /// Its version; none: the one that serves.
    pub version: Option<u32>,
    /// The project that it goes to.
    pub to: ProjectName,
    /// What becomes of the policies there.
    pub policies: Policies,
    /// On what terms it serves there.
    pub terms: Terms,
    /// Who does it, and owns the function there from now on.
    pub by: Uuid,
}

/// Makes the version serve in the other project.
///
/// # Errors
/// `NotFound` for an unknown project, function or version; `Invalid` where the other project's settings
/// refuse it; `Conflict` where its path is taken there, or the policies do not fit the tables and claims
/// of that project.
pub async fn promote(registry: &Registry, wanted: Promotion) -> Result<Deployed, RegistryError> {
    let source = project_id(registry, &wanted.from).await?;
    let target = project_id(registry, &wanted.to).await?;
    if source == target {
        let reason = "that is the project it is in; name another one";
        return Err(RegistryError::invalid("to", reason));
    }
    let mut change = removal::deploying(registry).await?;
    change.lock_all(&[source, target]).await?;
    let project = change.lock(&wanted.to).await?;
    let current = stored::active(change.conn(), source, &wanted.name)
        .await?
        .ok_or_else(|| RegistryError::not_found("function", &wanted.name))?;
    let taken = taken(change.conn(), (source, &current), &wanted).await?;
    let manifest = taken.manifest;
    let there = stored::active(change.conn(), project.id, &wanted.name).await?;
    let what = (&taken.input, &manifest);
    let placed = deploy::place(change.conn(), project.id, there, what).await?;
    change.deploys(project.id);
    let changed = placed.changed;
    let deed = placed
        .version
        .deed(Action::FunctionPromote, &wanted.name)
        .with("from", wanted.from.as_str())
        .with("from_version", taken.number);
    let deed = deploy::explained(deed, &wanted.terms);
    let restored = match taken.policies {
        None if changed == Changed::No => None,
        None => {
            change.commit(deed).await?;
            None
        }
        Some(sources) => {
            let sources = known_here(change.conn(), project.id, sources).await?;
            let done = policy_sets::apply(&mut change, &project, (sources, wanted.by)).await?;
            if changed == Changed::Yes || done != Restored::default() {
                let deed = deed.with("policies", "taken along");
                mirror::commit(change, &project, deed).await?;
            }
            Some(done)
        }
    };
    let mut deployed = placed.deployed(&wanted.name, &manifest.path)?;
    deployed.policies = restored;
    Ok(deployed)
}

/// What is taken along.
struct Taken {
    number: i32,
    input: DeployInput,
    manifest: Manifest,
    policies: Option<Vec<PolicySource>>,
}

async fn taken(
    conn: &mut DbConnection,
    (source, current): (Uuid, &Active),
    wanted: &Promotion,
) -> Result<Taken, RegistryError> {
    let number = wanted.version.map(i32::try_from).transpose();
    let unknown = || RegistryError::not_found("version", wanted.version.unwrap_or_default());
    let number = number.map_err(|_| unknown())?;
    let row = sqlx::query!(
        "SELECT id, number, sha256, manifest, imports, exports, handler, scheduled, shared_refused
         FROM koyalite.versions WHERE function_id = $1 AND number = $2",
        current.function,
        number.unwrap_or(current.version.number),
    )
    .fetch_optional(&mut *conn)
    .await?
    .ok_or_else(unknown)?;
    let manifest = Manifest::from_stored(row.manifest)?;
    let handler = HANDLERS
        .into_iter()
        .find(|handler| handler_word(*handler) == row.handler)
        .ok_or_else(|| RegistryError::internal("a version of an unknown kind"))?;
    let policies = match wanted.policies {
        Policies::Stay => None,
        // Those of the version that serves are the ones in force.
        Policies::Restored if row.id == current.version.id => {
            Some(policies::sources(conn, source).await?)
        }
        Policies::Restored => Some(policy_sets::kept(conn, row.id).await?),
    };
    Ok(Taken {
        number: row.number,
        input: DeployInput {
            project: wanted.to.clone(),
            name: wanted.name.clone(),
            deployer: wanted.by,
            sha256: row.sha256,
            imports: row.imports,
            exports: row.exports,
            handler,
            scheduled: row.scheduled,
            shared_refused: row.shared_refused,
            manifest: None,
            // What is taken over is what ran, wherever it once came from.
            source_url: None,
            terms: Terms {
                cause: Cause::Promote,
                ..wanted.terms.clone()
            },
        },
        manifest,
        policies,
    })
}

/// A policy is the same where its id is, and another project's has another: the one of the same name on
/// the table of the same name, if there is one.
async fn known_here(
    conn: &mut DbConnection,
    project: Uuid,
    sources: Vec<PolicySource>,
) -> Result<Vec<PolicySource>, RegistryError> {
    let here = policies::sources(conn, project).await?;
    let here: HashMap<(TableName, String), Uuid> = here
        .into_iter()
        .map(|policy| ((policy.table, policy.name), policy.id))
        .collect();
    let known = sources.into_iter().map(|policy| {
        let key = (policy.table.clone(), policy.name.clone());
        let id = here.get(&key).copied().unwrap_or_else(Uuid::now_v7);
        PolicySource { id, ..policy }
    });
    Ok(known.collect())
}
