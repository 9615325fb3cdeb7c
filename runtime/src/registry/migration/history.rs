//! The migrations that a project has been through: who, when, and what was done. Never how: the
//! statements are told by a plan.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;

use super::super::Registry;
use super::super::change::project_id;
use super::super::error::RegistryError;
use super::super::page::{Page, Part};
use super::plan::Step;

/// One file that was applied and changed something.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MigrationEntry {
    /// The number of the change, growing.
    pub seq: i64,
    /// The subject of the operator's token.
    pub applied_by: String,
    /// When.
    pub applied_at: DateTime<Utc>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// The migrations of a project, newest first.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn history(
    registry: &Registry,
    project: &ProjectName,
    page: &Page<i64>,
) -> Result<Part<MigrationEntry>, RegistryError> {
    let project = project_id(registry, project).await?;
    let rows = sqlx::query!(
        "SELECT seq, applied_by, applied_at, steps FROM koyalite.schema_history
         WHERE project_id = $1 AND ($2::bigint IS NULL OR seq < $2)
         ORDER BY seq DESC LIMIT $3",
        project,
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    let entries = rows.into_iter().map(|row| {
        Ok(MigrationEntry {
            seq: row.seq,
            applied_by: row.applied_by,
            applied_at: row.applied_at,
            steps: serde_json::from_value(row.steps).map_err(RegistryError::internal)?,
        })
    });
    let entries = entries.collect::<Result<Vec<_>, RegistryError>>();
    Ok(page.part(entries?))
}

/// Steps as they are stored.
pub(super) fn remembered(steps: &[Step]) -> Result<serde_json::Value, RegistryError> {
    let steps: Vec<Step> = steps
        .iter()
        .map(|step| Step {
            sql: Vec::new(),
            ..step.clone()
        })
        .collect();
    serde_json::to_value(steps).map_err(RegistryError::internal)
}
