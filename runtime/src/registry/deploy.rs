//! How a version comes to serve.
//!
//! A version never changes. A deployment says which version serves; rolling back is a new deployment of an
//! older one. One transaction makes version, deployment, switch and schedules: no request sees half of it.

pub(super) mod stored;

use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use self::stored::{Active, Changed, StoredVersion, active, find_or_insert, previous, version};
use super::audit::Action;
use super::change::Change;
use super::error::RegistryError;
use super::manifest::{Isolation, Manifest};
use super::policy_sets::{self, Policies, Restored};
use super::snapshot::Handler;
use super::{Registry, mirror, removal, schedule_sync, settings};

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
}

/// What a deploy or a rollback came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Deployed {
    /// The function.
    pub name: FunctionName,
    /// The version that serves now.
    pub version: u32,
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

/// The version to roll back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackTo {
    /// What served before the version that serves now.
    Previous,
    /// A version by its number.
    Version(u32),
}

/// Deploys a component: as a new version, or as an older one that has the same component and
/// manifest. The active one again changes nothing.
///
/// # Errors
/// `Invalid` where the manifest does not fit the component; `Conflict` where the path is taken.
pub async fn deploy(registry: &Registry, input: DeployInput) -> Result<Deployed, RegistryError> {
    let mut change = removal::deploying(registry).await?;
    let project = change.lock(&input.project).await?;
    let current = active(change.conn(), project.id, &input.name).await?;
    let manifest = match (&input.manifest, &current) {
        (Some(manifest), _) => manifest.clone(),
        (None, Some(current)) => Manifest::from_stored(current.version.manifest.clone())?,
        (None, None) => Manifest::default_for(&input.name),
    };
    check_fit(&input, &manifest)?;
    let (version, changed) = place(change.conn(), project.id, current, (&input, &manifest)).await?;
    if changed == Changed::Yes {
        let mut deed = version.deed(Action::FunctionDeploy, &input.name);
        if let Some(source) = &input.source_url {
            deed = deed.with("source_url", source.as_str());
        }
        change.commit(deed).await?;
    }
    version.deployed(&input.name, &manifest.path, changed)
}

/// Makes a component and a manifest serve in a project, where they do not already.
pub(super) async fn place(
    conn: &mut PgConnection,
    project: Uuid,
    current: Option<Active>,
    (input, manifest): (&DeployInput, &Manifest),
) -> Result<(StoredVersion, Changed), RegistryError> {
    let hash = manifest.hash();
    let same =
        |version: &StoredVersion| version.sha256 == input.sha256 && version.manifest_hash == hash;
    let current = current.filter(|current| current.source_url == input.source_url);
    if let Some(current) = current.filter(|current| same(&current.version)) {
        return Ok((current.version, Changed::No));
    }
    let function = upsert_function(conn, project, input, &manifest.path).await?;
    let version = find_or_insert(conn, function, input, manifest).await?;
    let what = Deploying {
        project,
        function,
        by: input.deployer,
    };
    serve(conn, what, &version, manifest).await?;
    Ok((version, Changed::Yes))
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
    (to, policies): (RollbackTo, Policies),
    by: Uuid,
) -> Result<Deployed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?;
    let current = active(change.conn(), project.id, name)
        .await?
        .ok_or_else(|| RegistryError::not_found("function", name))?;
    let version = match to {
        RollbackTo::Version(wanted) => version(change.conn(), current.function, wanted).await?,
        RollbackTo::Previous => previous(change.conn(), &current).await?,
    };
    let manifest = Manifest::from_stored(version.manifest.clone())?;
    if version.id == current.version.id {
        return version.deployed(name, &manifest.path, Changed::No);
    }
    let what = Deploying {
        project: project.id,
        function: current.function,
        by,
    };
    serve(change.conn(), what, &version, &manifest).await?;
    let deed = version.deed(Action::FunctionRollback, name);
    let mut restored = None;
    match policies {
        Policies::Stay => change.commit(deed).await?,
        Policies::Restored => {
            restored = Some(policy_sets::restore(&mut change, &project, version.id, by).await?);
            let deed = deed.with("policies", "restored");
            mirror::commit(change, &project, deed).await?;
        }
    }
    let mut deployed = version.deployed(name, &manifest.path, Changed::Yes)?;
    deployed.policies = restored;
    Ok(deployed)
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
    conn: &mut PgConnection,
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

/// Who deploys what.
#[derive(Clone, Copy)]
struct Deploying {
    project: Uuid,
    function: Uuid,
    by: Uuid,
}

/// Makes a version serve: a deployment, the switch to it, and the version's schedules.
async fn serve(
    conn: &mut PgConnection,
    what: Deploying,
    version: &StoredVersion,
    manifest: &Manifest,
) -> Result<(), RegistryError> {
    settings::allow_regions(conn, what.project, manifest).await?;
    policy_sets::keep(conn, what.project, what.function).await?;
    let deployment = sqlx::query_scalar!(
        "INSERT INTO koyalite.deployments (id, function_id, number, version_id, regions, created_by)
         SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5
         FROM koyalite.deployments WHERE function_id = $2
         RETURNING id",
        Uuid::now_v7(),
        what.function,
        version.id,
        &manifest.region,
        what.by,
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE koyalite.functions SET active_deployment_id = $2, path = $3, updated_at = now()
         WHERE id = $1",
        what.function,
        deployment,
        manifest.path,
    )
    .execute(&mut *conn)
    .await?;
    schedule_sync::sync(conn, what.project, what.function, manifest).await
}
