//! How a version comes to serve.
//!
//! A version never changes. A deployment says which version serves; rolling back is a new
//! deployment of an older version. One transaction makes the version, the deployment, the switch
//! and the schedules, so that no request sees half of it.

use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::change::{Change, LockedProject};
use super::error::{RegistryError, Standing};
use super::functions::number;
use super::manifest::{Isolation, Manifest};
use super::policy_sets::{self, Policies, Restored};
use super::snapshot::{Handler, handler_word};
use super::{Registry, mirror, schedule_sync};

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
}

/// What a deploy or a rollback came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    let mut change = Change::begin(registry).await?;
    let project = change.lock(&input.project).await?;
    let current = active(change.conn(), project.id, &input.name).await?;
    let manifest = match (&input.manifest, &current) {
        (Some(manifest), _) => manifest.clone(),
        (None, Some(current)) => Manifest::from_stored(current.version.manifest.clone())?,
        (None, None) => Manifest::default_for(&input.name),
    };
    check_fit(&input, &manifest)?;
    let hash = manifest.hash();
    let same =
        |version: &StoredVersion| version.sha256 == input.sha256 && version.manifest_hash == hash;
    if let Some(current) = current.filter(|current| same(&current.version)) {
        return current
            .version
            .deployed(&input.name, &manifest.path, Changed::No);
    }
    let function = upsert_function(change.conn(), &project, &input, &manifest.path).await?;
    let version = find_or_insert_version(change.conn(), function, &input, &manifest).await?;
    let what = Deploying {
        project: project.id,
        function,
        by: input.deployer,
    };
    serve(change.conn(), what, &version, &manifest).await?;
    change.commit().await?;
    version.deployed(&input.name, &manifest.path, Changed::Yes)
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
    let mut restored = None;
    match policies {
        Policies::Stay => change.commit().await?,
        Policies::Restored => {
            restored = Some(policy_sets::restore(&mut change, &project, version.id, by).await?);
            mirror::commit(change, &project).await?;
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

/// The version that serves a function.
struct Active {
    function: Uuid,
    deployment_number: i32,
    version: StoredVersion,
}

/// A version with its manifest as stored.
struct StoredVersion {
    id: Uuid,
    number: i32,
    sha256: String,
    manifest: serde_json::Value,
    manifest_hash: String,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl StoredVersion {
    fn deployed(
        self,
        name: &FunctionName,
        path: &str,
        changed: Changed,
    ) -> Result<Deployed, RegistryError> {
        Ok(Deployed {
            name: name.clone(),
            version: number(self.number)?,
            sha256: self.sha256,
            exports: self.exports,
            imports: self.imports,
            path: path.to_owned(),
            changed: changed == Changed::Yes,
            policies: None,
        })
    }
}

#[derive(PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

async fn active(
    conn: &mut PgConnection,
    project: Uuid,
    name: &FunctionName,
) -> Result<Option<Active>, RegistryError> {
    let row = sqlx::query!(
        "SELECT f.id AS function, d.number AS deployment_number, v.id, v.number, v.sha256,
             v.manifest, v.manifest_hash, v.imports, v.exports
         FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         JOIN koyalite.versions v ON v.id = d.version_id
         WHERE f.project_id = $1 AND f.name = $2",
        project,
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Active {
        function: row.function,
        deployment_number: row.deployment_number,
        version: StoredVersion {
            id: row.id,
            number: row.number,
            sha256: row.sha256,
            manifest: row.manifest,
            manifest_hash: row.manifest_hash,
            imports: row.imports,
            exports: row.exports,
        },
    }))
}

/// The version of the latest earlier deployment that served another one.
async fn previous(
    conn: &mut PgConnection,
    active: &Active,
) -> Result<StoredVersion, RegistryError> {
    sqlx::query_as!(
        StoredVersion,
        "SELECT v.id, v.number, v.sha256, v.manifest, v.manifest_hash, v.imports, v.exports
         FROM koyalite.deployments d JOIN koyalite.versions v ON v.id = d.version_id
         WHERE d.function_id = $1 AND d.number < $2 AND d.version_id <> $3
         ORDER BY d.number DESC LIMIT 1",
        active.function,
        active.deployment_number,
        active.version.id,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(|| {
        let reason = "no other version served before; name a version";
        RegistryError::conflict(Standing::NothingToRollBack, reason)
    })
}

async fn version(
    conn: &mut PgConnection,
    function: Uuid,
    wanted: u32,
) -> Result<StoredVersion, RegistryError> {
    let unknown = || RegistryError::not_found("version", wanted);
    let stored = i32::try_from(wanted).map_err(|_| unknown())?;
    sqlx::query_as!(
        StoredVersion,
        "SELECT id, number, sha256, manifest, manifest_hash, imports, exports
         FROM koyalite.versions WHERE function_id = $1 AND number = $2",
        function,
        stored,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(unknown)
}

/// Makes the function's row, or the deployer its owner.
async fn upsert_function(
    conn: &mut PgConnection,
    project: &LockedProject,
    input: &DeployInput,
    path: &str,
) -> Result<Uuid, RegistryError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO koyalite.functions (id, project_id, user_id, name, path)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project_id, name) DO UPDATE SET user_id = excluded.user_id
         RETURNING id",
        Uuid::now_v7(),
        project.id,
        input.deployer,
        input.name.as_str(),
        path,
    )
    .fetch_one(conn)
    .await?;
    Ok(id)
}

/// The version with this component and manifest: an older one, or a new one.
async fn find_or_insert_version(
    conn: &mut PgConnection,
    function: Uuid,
    input: &DeployInput,
    manifest: &Manifest,
) -> Result<StoredVersion, RegistryError> {
    let found = sqlx::query_as!(
        StoredVersion,
        "SELECT id, number, sha256, manifest, manifest_hash, imports, exports
         FROM koyalite.versions
         WHERE function_id = $1 AND sha256 = $2 AND manifest_hash = $3",
        function,
        input.sha256,
        manifest.hash(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(found) = found {
        return Ok(found);
    }
    let inserted = sqlx::query_as!(
        StoredVersion,
        "INSERT INTO koyalite.versions (id, function_id, number, sha256, manifest, manifest_hash,
             imports, exports, handler, scheduled, shared_refused, created_by)
         SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11
         FROM koyalite.versions WHERE function_id = $2
         RETURNING id, number, sha256, manifest, manifest_hash, imports, exports",
        Uuid::now_v7(),
        function,
        input.sha256,
        manifest.to_stored()?,
        manifest.hash(),
        &input.imports,
        &input.exports,
        handler_word(input.handler),
        input.scheduled,
        input.shared_refused,
        input.deployer,
    )
    .fetch_one(conn)
    .await?;
    Ok(inserted)
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
