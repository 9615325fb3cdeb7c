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
use super::condition::Condition;
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

/// Switches a function on or off, where it is as the condition says.
///
/// # Errors
/// `NotFound` for an unknown function; `Conflict` where the condition does not hold.
pub async fn set_enabled(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    (condition, switch): (&Condition, Switch),
) -> Result<Function, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    let before = known(find(change.conn(), project, name).await?, name)?;
    condition.check(&before)?;
    let enabled = switch == Switch::Enabled;
    sqlx::query!(
        "UPDATE koyalite.functions SET enabled = $2,
             updated_at = greatest(now(), updated_at + interval '1 microsecond')
         WHERE id = $1",
        before.id,
        enabled,
    )
    .execute(change.conn())
    .await?;
    let after = known(find(change.conn(), project, name).await?, name)?;
    let deed = Deed::new(Action::FunctionSwitch, name).with("enabled", enabled);
    change.commit(deed).await?;
    Ok(after)
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
    let mut conn = registry.pool.acquire().await?;
    known(find(&mut conn, project, name).await?, name)
}

fn known(found: Option<Function>, name: &FunctionName) -> Result<Function, RegistryError> {
    found.ok_or_else(|| RegistryError::not_found("function", name))
}

/// The function of that name, inside a change or not.
pub(crate) async fn find(
    conn: &mut DbConnection,
    project: Uuid,
    name: &FunctionName,
) -> Result<Option<Function>, RegistryError> {
    let which = (Some(name), &FunctionFilter::default());
    let found = select(conn, project, which, &Page::first(1)).await?;
    Ok(found.into_iter().next())
}

/// Which functions; what is not given narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct FunctionFilter {
    /// Whose name begins so.
    pub name: Option<String>,
    /// Those that are switched on, or off.
    pub enabled: Option<bool>,
    /// Deployed last by this user.
    pub user: Option<Uuid>,
    /// Deployed to this region, by its name or with all.
    pub region: Option<String>,
}

/// The functions of a project, by name.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    filter: &FunctionFilter,
    page: &Page<String>,
) -> Result<Part<Function>, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let found = select(&mut conn, project, (None, filter), page).await?;
    Ok(page.part(found))
}

async fn select(
    conn: &mut DbConnection,
    project: Uuid,
    (name, filter): (Option<&FunctionName>, &FunctionFilter),
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
             AND ($5::text IS NULL OR starts_with(f.name, $5))
             AND ($6::boolean IS NULL OR f.enabled = $6) AND ($7::uuid IS NULL OR f.user_id = $7)
             AND ($8::text IS NULL OR d.regions && ARRAY[$8, '*'])
         ORDER BY f.name LIMIT $4",
        project,
        name.map(FunctionName::as_str),
        page.after.as_deref(),
        page.rows(),
        filter.name,
        filter.enabled,
        filter.user,
        filter.region,
    )
    .fetch_all(conn)
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

/// The version of that number.
///
/// # Errors
/// `NotFound` for an unknown project, function or version.
pub async fn version(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    number: u32,
) -> Result<Version, RegistryError> {
    let page = Page {
        after: number.checked_add(1),
        limit: 1,
    };
    let found = versions(registry, project, name, &page).await?.items.pop();
    let found = found.filter(|version| version.version == number);
    found.ok_or_else(|| RegistryError::not_found("version", number))
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
