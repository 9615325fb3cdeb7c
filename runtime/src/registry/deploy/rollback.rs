//! The way back: a new deployment of an older version, all calls at once.

use koyalite_policy::{FunctionName, ProjectName};
use uuid::Uuid;

use super::Deployed;
use super::rule::Crossed;
use super::serve::{Deploying, Serving, explained, serve};
use super::stored::{Active, Changed, Placed, StoredVersion, active, by_id, previous, version};
use super::terms::{Cause, Terms};
use crate::registry::audit::Action;
use crate::registry::change::Change;
use crate::registry::error::RegistryError;
use crate::registry::functions::number;
use crate::registry::manifest::Manifest;
use crate::registry::policy_sets::{self, Policies};
use crate::registry::pool::DbConnection;
use crate::registry::{Registry, mirror};

/// The version to roll back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackTo {
    /// What served before the version that serves now; where two serve, the older of them alone.
    Previous,
    /// A version by its number.
    Version(u32),
}

/// A rollback as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Where to.
    pub to: RollbackTo,
    /// What becomes of the policies.
    pub policies: Policies,
    /// Why.
    pub message: Option<String>,
    /// Who asks.
    pub by: Uuid,
}

/// Makes an older version serve again, as a new deployment.
///
/// # Errors
/// `NotFound` for an unknown function or version; `Conflict` where nothing served before, or the
/// policies of then no longer fit.
pub async fn rollback(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    wanted: Rollback,
) -> Result<Deployed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?;
    let current = active(change.conn(), project.id, name)
        .await?
        .ok_or_else(|| RegistryError::not_found("function", name))?;
    let version = match wanted.to {
        RollbackTo::Version(wanted) => version(change.conn(), current.function, wanted).await?,
        RollbackTo::Previous => older(change.conn(), &current).await?,
    };
    let terms = Terms {
        message: wanted.message,
        cause: Cause::Rollback,
        ..Terms::default()
    };
    let deed = explained(version.deed(Action::FunctionRollback, name), &terms);
    let what = (project.id, &current, wanted.by);
    let (placed, path) = go_back(change.conn(), what, version, terms).await?;
    change.deploys(project.id);
    if placed.changed == Changed::No {
        return placed.deployed(name, &path);
    }
    let mut restored = None;
    match wanted.policies {
        Policies::Stay => change.commit(deed).await?,
        Policies::Restored => {
            let id = placed.version.id;
            restored = Some(policy_sets::restore(&mut change, &project, id, wanted.by).await?);
            let deed = deed.with("policies", "restored");
            mirror::commit(change, &project, deed).await?;
        }
    }
    let mut deployed = placed.deployed(name, &path)?;
    deployed.policies = restored;
    Ok(deployed)
}

/// What a rollback by itself came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// That version serves again.
    To(u32),
    /// Another deployment serves by now, or there is nothing to go back to.
    Nothing,
}

/// Takes a deployment back whose rule was crossed. Of several nodes that want to, one does: it must still
/// be the one that serves.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn take_back(
    registry: &Registry,
    (project, name): (&ProjectName, &FunctionName),
    deployment: Uuid,
    crossed: Crossed,
) -> Result<TakenBack, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?;
    let current = active(change.conn(), project.id, name).await?;
    let Some(current) = current.filter(|current| current.deployment == deployment) else {
        return Ok(TakenBack::Nothing);
    };
    let version = match older(change.conn(), &current).await {
        Err(RegistryError::Conflict { .. }) => return Ok(TakenBack::Nothing),
        version => version?,
    };
    let terms = Terms {
        message: Some(crossed.to_string()),
        cause: Cause::AutomaticRollback,
        ..Terms::default()
    };
    let seen = crossed.seen();
    let deed = explained(version.deed(Action::FunctionRollback, name), &terms)
        .with("automatic", true)
        .with("from_version", newer(change.conn(), &current).await?)
        .with("requests", seen.requests)
        .with("errors", seen.errors)
        .with("slow", seen.slow);
    let what = (project.id, &current, registry.admin());
    let (placed, _) = go_back(change.conn(), what, version, terms).await?;
    change.deploys(project.id);
    change.commit(deed).await?;
    Ok(TakenBack::To(number(placed.version.number)?))
}

/// The number of the version that a deployment has tried out.
async fn newer(conn: &mut DbConnection, current: &Active) -> Result<i32, RegistryError> {
    match current.canary {
        Some((canary, _)) => Ok(by_id(conn, canary).await?.number),
        None => Ok(current.version.number),
    }
}

/// What stays of two versions, else what served before.
async fn older(conn: &mut DbConnection, current: &Active) -> Result<StoredVersion, RegistryError> {
    match current.canary {
        Some(_) => Ok(current.version.clone()),
        None => previous(conn, current).await,
    }
}

/// All calls go to that version.
async fn go_back(
    conn: &mut DbConnection,
    (project, current, by): (Uuid, &Active, Uuid),
    version: StoredVersion,
    terms: Terms,
) -> Result<(Placed, String), RegistryError> {
    let manifest = Manifest::from_stored(version.manifest.clone())?;
    let unchanged = version.id == current.version.id && current.canary.is_none();
    let (deployment, changed) = match unchanged {
        true => (current.deployment_number, Changed::No),
        false => {
            let what = Deploying {
                project,
                function: current.function,
                by,
            };
            let serving = Serving {
                base: (&version, &manifest),
                canary: None,
                terms,
            };
            (serve(conn, what, serving).await?, Changed::Yes)
        }
    };
    let placed = Placed {
        deployment,
        version,
        weight: 100,
        changed,
    };
    Ok((placed, manifest.path))
}
