//! What goes with age: runs of projects whose settings say after how many days.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;
use super::snapshot::Snapshot;

/// Until when what a project has left behind is to go, by project.
pub type Ages = HashMap<Uuid, DateTime<Utc>>;

/// The projects that keep nothing beyond some days, as of `now`.
#[must_use]
pub fn ages(snapshot: &Snapshot, now: DateTime<Utc>) -> Ages {
    let limited = snapshot.projects().filter_map(|project| {
        let days = project.settings.retention_days?;
        Some((project.id, now - TimeDelta::days(days.into())))
    });
    limited.collect()
}

/// Deletes runs that ended before. How many.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn purge(registry: &Registry, ages: &Ages) -> Result<u64, RegistryError> {
    let (projects, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = ages.iter().unzip();
    let purged = sqlx::query!(
        "DELETE FROM koyalite.runs r
         USING koyalite.scheduled_tasks t, unnest($1::uuid[], $2::timestamptz[]) AS old (id, until)
         WHERE t.id = r.task_id AND t.project_id = old.id AND r.status <> 'running'
             AND coalesce(r.finished_at, r.created_at) < old.until",
        &projects,
        &times,
    )
    .execute(&registry.pool)
    .await?;
    Ok(purged.rows_affected())
}
