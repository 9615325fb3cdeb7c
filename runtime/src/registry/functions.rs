//! Functions and their versions, as operators see them; switching one on and off.
//!
//! How a version comes to serve is in [`super::deploy`].

use chrono::{DateTime, Utc};
use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, project_id};
pub use super::deploy::history::Share;
use super::deploy::history::shares;
pub use super::deploy::rollback::{Rollback, RollbackTo, rollback};
pub use super::deploy::{DeployInput, Deployed, deploy};
use super::error::RegistryError;
use super::page::{Page, Part};
pub use super::policy_sets::Policies;
use super::pool::DbConnection;

/// A function as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Function {
    /// Its id.
    pub id: Uuid,
    /// The project that it is in.
    pub project_id: Uuid,
    /// Its name, unique in the project.
    pub name: FunctionName,
    /// Who deployed it last.
    pub user_id: Uuid,
    /// Where it is served, below the project.
    pub path: String,
    /// The regions it is deployed to.
    pub region: Vec<String>,
    /// The version that serves; of two, the one with the schedules and what the canary leaves.
    pub version: u32,
    /// All that serve, with their shares of the calls; of two, the second is the canary.
    pub versions: Vec<Share>,
    /// The number of the deployment that says so.
    pub deployment: u32,
    /// That version's component.
    pub sha256: String,
    /// Where the component was fetched from, if it was.
    pub source_url: Option<String>,
    /// A disabled function answers 404 and fires no schedules.
    pub enabled: bool,
    /// When it was first deployed.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A version of a function as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Version {
    /// Its id.
    pub id: Uuid,
    /// Its number, counted from 1.
    pub version: u32,
    /// Its component.
    pub sha256: String,
    /// Its manifest.
    pub manifest: serde_json::Value,
    /// The hash of the project's policies that it is or was last used with; none: it never served whole.
    pub policy_set: Option<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// Does it serve now?
    pub active: bool,
    /// Its share of the calls, in percent.
    pub weight: u8,
    /// Who made it.
    pub created_by: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The state that a function is switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It serves.
    Enabled,
    /// It does not.
    Disabled,
}

/// Switches a function on or off.
///
/// # Errors
/// `NotFound` for an unknown function.
pub async fn set_enabled(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    switch: Switch,
) -> Result<Function, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    sqlx::query_scalar!(
        "UPDATE koyalite.functions SET enabled = $3, updated_at = now()
         WHERE project_id = $1 AND name = $2 RETURNING id",
        locked.id,
        name.as_str(),
        switch == Switch::Enabled,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("function", name))?;
    let enabled = switch == Switch::Enabled;
    let deed = Deed::new(Action::FunctionSwitch, name).with("enabled", enabled);
    change.commit(deed).await?;
    get(registry, project, name).await
}

/// The function of that name.
///
/// # Errors
/// `NotFound` for an unknown project or function.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
) -> Result<Function, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut found = select(registry, project, Some(name), &Page::first(1)).await?;
    found
        .pop()
        .ok_or_else(|| RegistryError::not_found("function", name))
}

/// The functions of a project, by name.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<String>,
) -> Result<Part<Function>, RegistryError> {
    let project = project_id(registry, project).await?;
    Ok(page.part(select(registry, project, None, page).await?))
}

async fn select(
    registry: &Registry,
    project: Uuid,
    name: Option<&FunctionName>,
    page: &Page<String>,
) -> Result<Vec<Function>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT f.id, f.name, f.user_id, f.path, f.enabled, f.created_at, f.updated_at,
             f.source_url, d.regions, d.number AS deployment, v.number, v.sha256,
             c.number AS \"canary?\", d.canary_weight
         FROM koyalite.functions f
         JOIN koyalite.deployments d ON d.id = f.active_deployment_id
         JOIN koyalite.versions v ON v.id = d.version_id
         LEFT JOIN koyalite.versions c ON c.id = d.canary_version_id
         WHERE f.project_id = $1 AND ($2::text IS NULL OR f.name = $2)
             AND ($3::text IS NULL OR f.name > $3)
         ORDER BY f.name LIMIT $4",
        project,
        name.map(FunctionName::as_str),
        page.after.as_deref(),
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    let functions = rows.into_iter().map(|row| {
        Ok(Function {
            id: row.id,
            project_id: project,
            name: row.name.parse().map_err(RegistryError::internal)?,
            user_id: row.user_id,
            path: row.path,
            region: row.regions,
            version: number(row.number)?,
            versions: shares(row.number, row.canary.zip(row.canary_weight))?,
            deployment: number(row.deployment)?,
            sha256: row.sha256,
            source_url: row.source_url,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    });
    functions.collect()
}

/// The versions of a function, newest first.
///
/// # Errors
/// `NotFound` for an unknown project or function.
pub async fn versions(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    page: &Page<u32>,
) -> Result<Part<Version>, RegistryError> {
    let before = page.after.map(i32::try_from).transpose();
    let before = before.map_err(|_| RegistryError::not_found("version", name))?;
    let function = get(registry, project, name).await?;
    let rows = sqlx::query!(
        "SELECT v.id, v.number, v.sha256, v.manifest, v.exports, v.imports, v.created_by, v.created_at,
             (SELECT s.sha256 FROM koyalite.deployments d JOIN koyalite.policy_sets s
                  ON s.id = coalesce(d.policy_set_id, d.first_policy_set_id)
              WHERE d.version_id = v.id ORDER BY d.number DESC LIMIT 1) AS policy_set
         FROM koyalite.versions v WHERE v.function_id = $1 AND ($2::integer IS NULL OR v.number < $2)
         ORDER BY v.number DESC LIMIT $3",
        function.id,
        before,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    let versions = rows.into_iter().map(|row| {
        let version = number(row.number)?;
        let mut serving = function.versions.iter();
        let share = serving.find(|share| share.version == version);
        Ok(Version {
            id: row.id,
            version,
            sha256: row.sha256,
            manifest: row.manifest,
            policy_set: row.policy_set,
            exports: row.exports,
            imports: row.imports,
            active: share.is_some(),
            weight: share.map_or(0, |share| share.weight),
            created_by: row.created_by,
            created_at: row.created_at,
        })
    });
    let versions = versions.collect::<Result<Vec<_>, RegistryError>>();
    Ok(page.part(versions?))
}

/// A version's number as the domain has it.
pub(crate) fn number(stored: i32) -> Result<u32, RegistryError> {
    u32::try_from(stored).map_err(RegistryError::internal)
}

/// The id of a function, within a change of its project.
pub(super) async fn id_in(
    conn: &mut DbConnection,
    project: Uuid,
    name: &FunctionName,
) -> Result<Uuid, RegistryError> {
    sqlx::query_scalar!(
        "SELECT id FROM koyalite.functions WHERE project_id = $1 AND name = $2",
        project,
        name.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(|| RegistryError::not_found("function", name))
}
