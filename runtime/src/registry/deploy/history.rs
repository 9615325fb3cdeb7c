//! Every deployment of a function: which versions, since when, by whom and why.

use chrono::{DateTime, Utc};
use koyalite_policy::{FunctionName, ProjectName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::affinity::Percent;
use super::rule::AutoRollback;
use super::terms::Cause;
use crate::registry::Registry;
use crate::registry::error::RegistryError;
use crate::registry::functions::{self, number};
use crate::registry::page::{Page, Part};

/// A version and its share of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Share {
    /// The version.
    pub version: u32,
    /// Percent of the calls.
    pub weight: u8,
}

/// A deployment as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Deployment {
    /// Its id.
    pub id: Uuid,
    /// Its number, counted from 1 in its function.
    pub number: u32,
    /// Does it serve now?
    pub active: bool,
    /// One version or two; of two, the second is the canary.
    pub versions: Vec<Share>,
    /// What callers are told apart by.
    pub affinity: Option<String>,
    /// When it is taken back by itself.
    pub auto_rollback: Option<AutoRollback>,
    /// The hash of the project's policies when it began; none: before that was kept.
    pub policy_set: Option<String>,
    /// The same when it stopped serving: what a rollback restores where it is to restore policies.
    pub policy_set_at_end: Option<String>,
    /// The regions that it serves.
    pub region: Vec<String>,
    /// By what kind of step it was made; none: before that was kept.
    pub cause: Option<Cause>,
    /// Why, in the words of whoever made it.
    pub message: Option<String>,
    /// Who: a user's id, the name in a token, or `system`; none: before that was kept.
    pub actor: Option<String>,
    /// The user that it counts for.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The deployments of a function, newest first.
///
/// # Errors
/// `NotFound` for an unknown project or function.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    page: &Page<u32>,
) -> Result<Part<Deployment>, RegistryError> {
    let before = page.after.map(i32::try_from).transpose();
    let before = before.map_err(|_| RegistryError::not_found("deployment", name))?;
    let function = functions::get(registry, project, name).await?;
    let rows = sqlx::query!(
        r#"SELECT d.id, d.number, (f.active_deployment_id = d.id) IS TRUE AS "active!", v.number AS version,
               c.number AS "canary?", d.canary_weight, d.affinity, d.auto_rollback, d.regions, d.cause,
               d.message, d.actor, d.created_by, d.created_at, b.sha256 AS "policy_set?",
               e.sha256 AS "policy_set_at_end?"
           FROM koyalite.deployments d
           JOIN koyalite.functions f ON f.id = d.function_id
           JOIN koyalite.versions v ON v.id = d.version_id
           LEFT JOIN koyalite.versions c ON c.id = d.canary_version_id
           LEFT JOIN koyalite.policy_sets b ON b.id = d.first_policy_set_id
           LEFT JOIN koyalite.policy_sets e ON e.id = d.policy_set_id
           WHERE d.function_id = $1 AND ($2::integer IS NULL OR d.number < $2)
           ORDER BY d.number DESC LIMIT $3"#,
        function.id,
        before,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    let deployments = rows.into_iter().map(|row| {
        let canary = row.canary.zip(row.canary_weight);
        Ok(Deployment {
            id: row.id,
            number: number(row.number)?,
            active: row.active,
            versions: shares(row.version, canary)?,
            affinity: row.affinity,
            auto_rollback: row
                .auto_rollback
                .map(serde_json::from_value)
                .transpose()
                .map_err(RegistryError::internal)?,
            policy_set: row.policy_set,
            policy_set_at_end: row.policy_set_at_end,
            region: row.regions,
            cause: row.cause.as_deref().and_then(Cause::of_word),
            message: row.message,
            actor: row.actor,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    });
    let deployments = deployments.collect::<Result<Vec<_>, RegistryError>>();
    Ok(page.part(deployments?))
}

/// The shares of a deployment's version and its canary.
pub(crate) fn shares(
    version: i32,
    canary: Option<(i32, i32)>,
) -> Result<Vec<Share>, RegistryError> {
    let canary = match canary {
        Some((canary, weight)) => Percent::new(weight.into()).map(|weight| (canary, weight)),
        None => None,
    };
    let base = Share {
        version: number(version)?,
        weight: canary.map_or(100, |(_, weight)| weight.rest()),
    };
    let canary = canary.map(|(canary, weight)| {
        Ok::<_, RegistryError>(Share {
            version: number(canary)?,
            weight: weight.get(),
        })
    });
    Ok(std::iter::once(base).chain(canary.transpose()?).collect())
}

/// The deployment of that number.
///
/// # Errors
/// `NotFound` for an unknown project, function or deployment.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
    number: u32,
) -> Result<Deployment, RegistryError> {
    let page = Page {
        after: number.checked_add(1),
        limit: 1,
    };
    let found = list(registry, project, name, &page).await?.items.pop();
    let found = found.filter(|deployment| deployment.number == number);
    found.ok_or_else(|| RegistryError::not_found("deployment", number))
}

/// The latest deployment of a function, which is the one that serves.
pub(super) async fn current(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
) -> Result<Deployment, RegistryError> {
    let mut latest = list(registry, project, name, &Page::first(1)).await?;
    let latest = latest.items.pop();
    latest.ok_or_else(|| RegistryError::not_found("function", name))
}
