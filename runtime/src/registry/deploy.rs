//! How a version comes to serve.
//!
//! A version never changes, and neither does a deployment: it says which version serves, or which two and
//! with what shares. Another share, or the way back, is another deployment. One transaction makes version,
//! deployment, switch and schedules: no request sees half of it.
//!
//! Reading order: `affinity` and `rule` (pure), `terms`, `stored`, `serve`; then `rollback`, `weights`,
//! `together`, `history`, `previews`; `entry`, `loaded` and `watch` are what requests meet, `automatic` is
//! who takes a deployment back, by what `summed` knows of all nodes.

pub mod affinity;
pub mod automatic;
pub mod entry;
pub mod history;
pub(super) mod loaded;
pub mod previews;
pub mod rollback;
pub mod rule;
mod serve;
pub(super) mod stored;
mod summed;
pub mod terms;
pub mod together;
pub mod watch;
pub mod weights;

use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use uuid::Uuid;

use self::affinity::Percent;
pub(super) use self::serve::explained;
use self::serve::{Deploying, Serving, serve};
use self::stored::{Active, Changed, Placed, active, find_or_insert};
use self::terms::Terms;
use super::audit::{Action, Deed};
use super::change::{Change, LockedProject};
use super::condition::Condition;
use super::error::{Mistake, RegistryError, Standing, refuse_if_any};
use super::manifest::{Isolation, Manifest};
use super::policy_sets::Restored;
use super::pool::DbConnection;
use super::snapshot::Handler;
use super::{Registry, functions, removal};

/// A component that was admitted by the engine, and where it is to go.
#[derive(Debug, Clone)]
pub struct DeployInput {
    /// The project.
    pub project: ProjectName,
    /// The function; created by its first deploy.
    pub name: FunctionName,
    /// Who deploys. Owns the function from now on.
    pub deployer: Uuid,
    /// The component's hash, in lower-case hexadecimal.
    pub sha256: String,
    /// What the component imports.
    pub imports: Vec<String>,
    /// What the component exports.
    pub exports: Vec<String>,
    /// Its HTTP export.
    pub handler: Handler,
    /// Does it export `scheduled`?
    pub scheduled: bool,
    /// Why it may not serve several calls with one instance; none: it may.
    pub shared_refused: Option<String>,
    /// None: as the active version's, or the default.
    pub manifest: Option<Manifest>,
    /// Where the component was fetched from; none: it was sent.
    pub source_url: Option<String>,
    /// For which share of the calls, and why.
    pub terms: Terms,
}

/// What a deploy or a rollback came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Deployed {
    /// The function.
    pub name: FunctionName,
    /// The version that serves now.
    pub version: u32,
    /// Its share of the calls, in percent.
    pub weight: u8,
    /// The deployment that serves it.
    pub deployment: u32,
    /// Its component.
    pub sha256: String,
    /// What it exports.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// Where it is served, below the project.
    pub path: String,
    /// Whether anything changed.
    pub changed: bool,
    /// What became of the policies, where they were to be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Restored>,
}

/// Deploys a component: as a new version, or as an older one that has the same component and
/// manifest. What serves already in the same way changes nothing.
///
/// # Errors
/// `Invalid` where the manifest does not fit the component; `Conflict` where the path is taken, there is
/// nothing to have a share beside, or the function is not as the terms say.
pub async fn deploy(registry: &Registry, input: DeployInput) -> Result<Deployed, RegistryError> {
    let mut change = removal::deploying(registry).await?;
    let project = change.lock(&input.project).await?;
    if input.terms.condition != Condition::Always {
        let before = functions::find(change.conn(), project.id, &input.name).await?;
        input.terms.condition.check(&before)?;
    }
    let (placed, path) = put(&mut change, &project, &input).await?;
    if placed.changed == Changed::Yes {
        change.commit(deed(&placed, &input)).await?;
    }
    placed.deployed(&input.name, &path)
}

/// The record of a deploy.
fn deed(placed: &Placed, input: &DeployInput) -> Deed {
    let mut deed = placed.version.deed(Action::FunctionDeploy, &input.name);
    if placed.weight < 100 {
        deed = deed.with("weight", placed.weight);
    }
    if let Some(source) = &input.source_url {
        deed = deed.with("source_url", source.as_str());
    }
    explained(deed, &input.terms)
}

/// One function's part of a deploy, inside its change. Answers its path too.
pub(super) async fn put(
    change: &mut Change<'_>,
    project: &LockedProject,
    input: &DeployInput,
) -> Result<(Placed, String), RegistryError> {
    let current = active(change.conn(), project.id, &input.name).await?;
    let manifest = match (&input.manifest, &current) {
        (Some(manifest), _) => manifest.clone(),
        (None, Some(current)) => Manifest::from_stored(current.version.manifest.clone())?,
        (None, None) => Manifest::default_for(&input.name),
    };
    check_fit(input, &manifest)?;
    let placed = place(change.conn(), project.id, current, (input, &manifest)).await?;
    change.deploys(project.id);
    Ok((placed, manifest.path))
}

/// Makes a component and a manifest serve in a project, where they do not already.
pub(super) async fn place(
    conn: &mut DbConnection,
    project: Uuid,
    current: Option<Active>,
    (input, manifest): (&DeployInput, &Manifest),
) -> Result<Placed, RegistryError> {
    match (input.terms.weight, current) {
        (None, current) => place_whole(conn, project, current, (input, manifest)).await,
        (Some(weight), Some(current)) => {
            place_beside(conn, project, (current, weight), (input, manifest)).await
        }
        (Some(_), None) => {
            let reason = "nothing serves that it could have a share beside; deploy it whole first";
            Err(RegistryError::conflict(Standing::State, reason))
        }
    }
}

/// All calls go to it.
async fn place_whole(
    conn: &mut DbConnection,
    project: Uuid,
    current: Option<Active>,
    (input, manifest): (&DeployInput, &Manifest),
) -> Result<Placed, RegistryError> {
    let hash = manifest.hash();
    let same = |current: &Active| {
        current.canary.is_none()
            && current.source_url == input.source_url
            && current.version.sha256 == input.sha256
            && current.version.manifest_hash == hash
    };
    let before = current.as_ref().map(|current| current.version.id);
    if let Some(current) = current.filter(same) {
        return Ok(Placed {
            deployment: current.deployment_number,
            version: current.version,
            weight: 100,
            changed: Changed::No,
        });
    }
    let function = upsert_function(conn, project, input, &manifest.path).await?;
    let version = find_or_insert(conn, function, input, manifest).await?;
    let mut terms = input.terms.clone();
    // A first version has nothing to go back to.
    terms.auto_rollback = terms.auto_rollback.filter(|_| before.is_some());
    let what = Deploying {
        project,
        function,
        by: input.deployer,
    };
    let serving = Serving {
        base: (&version, manifest),
        canary: None,
        terms,
    };
    let deployment = serve(conn, what, serving).await?;
    Ok(Placed {
        deployment,
        version,
        weight: 100,
        changed: Changed::Yes,
    })
}

/// A share of the calls goes to it; the rest stays with what is active, whose path and schedules stay too.
async fn place_beside(
    conn: &mut DbConnection,
    project: Uuid,
    (current, weight): (Active, Percent),
    (input, manifest): (&DeployInput, &Manifest),
) -> Result<Placed, RegistryError> {
    let base = Manifest::from_stored(current.version.manifest.clone())?;
    side_by_side(&base, manifest)?;
    let function = upsert_function(conn, project, input, &base.path).await?;
    let version = find_or_insert(conn, function, input, manifest).await?;
    if version.id == current.version.id {
        let reason = "that version serves already, and would have its share beside itself";
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    if current.canary == Some((version.id, weight)) {
        return Ok(Placed {
            deployment: current.deployment_number,
            version,
            weight: weight.get(),
            changed: Changed::No,
        });
    }
    let what = Deploying {
        project,
        function,
        by: input.deployer,
    };
    let serving = Serving {
        base: (&current.version, &base),
        canary: Some((version.id, weight)),
        terms: serve::carried_on(&input.terms, &current, (version.id, &[manifest, &base])),
    };
    let deployment = serve(conn, what, serving).await?;
    Ok(Placed {
        deployment,
        version,
        weight: weight.get(),
        changed: Changed::Yes,
    })
}

/// Two versions share calls only where the same calls can reach both.
pub(super) fn side_by_side(base: &Manifest, canary: &Manifest) -> Result<(), RegistryError> {
    let mut mistakes = Vec::new();
    for (field, same) in [
        ("path", base.path == canary.path),
        ("region", base.region == canary.region),
    ] {
        if !same {
            let message = format!(
                "versions that share a function's calls have the same {field}; deploy this one whole"
            );
            mistakes.push(Mistake::new(field, message));
        }
    }
    refuse_if_any(mistakes)
}

/// What the manifest asks of the component.
fn check_fit(input: &DeployInput, manifest: &Manifest) -> Result<(), RegistryError> {
    if manifest.name != input.name {
        let message = format!(
            "the manifest is for {}; deploy it under that name",
            manifest.name
        );
        return Err(RegistryError::invalid("name", message));
    }
    if let (Isolation::Shared, Some(reason)) = (manifest.isolation, &input.shared_refused) {
        return Err(RegistryError::invalid("isolation", reason));
    }
    let callable = input.scheduled || input.handler != Handler::None;
    if !manifest.schedules.is_empty() && !callable {
        let message = "the component exports neither `scheduled` nor a handler for the schedules";
        return Err(RegistryError::invalid("schedules", message));
    }
    Ok(())
}

/// Makes the function's row, or the deployer its owner.
async fn upsert_function(
    conn: &mut DbConnection,
    project: Uuid,
    input: &DeployInput,
    path: &str,
) -> Result<Uuid, RegistryError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO koyalite.functions (id, project_id, user_id, name, path, source_url)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (project_id, name) DO UPDATE SET user_id = excluded.user_id,
             source_url = excluded.source_url
         RETURNING id",
        Uuid::now_v7(),
        project,
        input.deployer,
        input.name.as_str(),
        path,
        input.source_url,
    )
    .fetch_one(conn)
    .await?;
    Ok(id)
}
