//! What goes with age: runs, deliveries and messages of projects whose settings say after how many days, and
//! old parts of audit logs.

use std::collections::HashMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Registry;
use super::audit::{self, Chain, Trimmed};
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

/// How much went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Runs of schedules.
    pub runs: u64,
    /// Events with their deliveries.
    pub events: u64,
    /// Messages of mail.
    pub messages: u64,
}

/// Deletes what ended before, or was made before and is over: what is still on its way stays.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn purge(registry: &Registry, ages: &Ages) -> Result<Purged, RegistryError> {
    let (projects, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = ages.iter().unzip();
    let runs = sqlx::query!(
        "DELETE FROM koyalite.runs r
         USING koyalite.scheduled_tasks t, unnest($1::uuid[], $2::timestamptz[]) AS old (id, until)
         WHERE t.id = r.task_id AND t.project_id = old.id AND r.status <> 'running'
             AND coalesce(r.finished_at, r.created_at) < old.until",
        &projects,
        &times,
    )
    .execute(&registry.pool)
    .await?;
    let events = sqlx::query!(
        "DELETE FROM koyalite.webhook_events e
         USING unnest($1::uuid[], $2::timestamptz[]) AS old (id, until)
         WHERE e.project_id = old.id AND e.created_at < old.until AND NOT EXISTS (
             SELECT FROM koyalite.webhooks w
             WHERE w.event_id = e.id AND w.status IN ('pending', 'sending'))",
        &projects,
        &times,
    )
    .execute(&registry.pool)
    .await?;
    let messages = sqlx::query!(
        "DELETE FROM koyalite.email_logs m
         USING unnest($1::uuid[], $2::timestamptz[]) AS old (id, until)
         WHERE m.project_id = old.id AND m.created_at < old.until
             AND m.status NOT IN ('queued', 'sending', 'deferred')",
        &projects,
        &times,
    )
    .execute(&registry.pool)
    .await?;
    Ok(Purged {
        runs: runs.rows_affected(),
        events: events.rows_affected(),
        messages: messages.rows_affected(),
    })
}

/// Cuts from audit logs what is older than their project's setting says, or else the operator's; and
/// removes those of projects that are gone when all of them is. One that is not as it was sealed stays.
///
/// # Errors
/// `Unavailable` or `Internal`; what is cut by then stays cut.
pub async fn trim_logs(
    registry: &Registry,
    operators: Option<u32>,
    now: DateTime<Utc>,
) -> Result<(), RegistryError> {
    for (chain, days) in log_ages(&registry.snapshot(), operators) {
        match audit::trim(registry, chain, midnight(now, days)).await? {
            Trimmed::Nothing => {}
            Trimmed::Behind(position) => {
                tracing::info!(log = %chain, position, "cut old records off an audit log");
            }
            Trimmed::Broken => tracing::error!(
                log = %chain,
                "an audit log is not as it was sealed, so it is not cut; ask `koyalite audit verify`"
            ),
        }
    }
    let Some(days) = operators else {
        return Ok(());
    };
    for project in audit::gone(registry).await? {
        audit::remove_gone(registry, project, midnight(now, days)).await?;
    }
    Ok(())
}

/// How many days each log is kept; those that are kept for ever are not in it.
fn log_ages(snapshot: &Snapshot, operators: Option<u32>) -> Vec<(Chain, u32)> {
    let installation = operators.map(|days| (Chain::Installation, days));
    let projects = snapshot.projects().filter_map(|project| {
        let days = project.settings.audit_retention_days.or(operators)?;
        Some((Chain::Project(project.id), days))
    });
    installation.into_iter().chain(projects).collect()
}

/// The beginning of a day: a log is cut once a day, and not each hour.
fn midnight(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let day = (now - TimeDelta::days(days.into())).date_naive();
    day.and_time(NaiveTime::MIN).and_utc()
}
