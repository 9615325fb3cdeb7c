//! Scheduled tasks as operators see them: listed, made and removed, paused and resumed.
//!
//! Those of a manifest are made by [`super::schedule_sync`]; runs are in [`super::run_history`]; what the
//! scheduler itself asks of the database is in [`super::runs`].

use chrono::{DateTime, Utc};
use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::Registry;
use super::audit::write::record_with;
use super::audit::{Action, Chain, Deed};
use super::change::project_id;
use super::error::{RegistryError, Standing};
use super::manifest::ScheduleSpec;
use super::manifest::schedules::SCHEDULES_MAX;
use super::pool::DbConnection;
use super::runs::whole;
use super::schedule_change::of_manifest;
use super::schedule_sync::{Origin, Owner, drop_waiting, insert, next};
use crate::scheduler::rules::Rules;

/// A cron entry of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ScheduledTask {
    /// Its id.
    pub id: Uuid,
    /// The project.
    pub project_id: Uuid,
    /// The function that it fires, by its id.
    pub function_id: Uuid,
    /// The same by its name.
    pub function: FunctionName,
    /// Its name, unique in the function.
    pub name: String,
    /// The cron expression.
    pub cron_schedule: String,
    /// The zone that the expression is read in.
    pub timezone: String,
    /// Where a component without the `scheduled` export is posted to.
    pub path: Option<String>,
    /// `manifest` or `api`: who made it.
    pub origin: String,
    /// `active` or `paused`.
    pub status: String,
    /// What becomes of firings that overlap, come late or fail.
    #[serde(flatten)]
    pub rules: Rules,
    /// The latest time that it was due and handled.
    pub last_run: Option<DateTime<Utc>>,
    /// The next time that it is due.
    pub next_run: Option<DateTime<Utc>>,
}

impl ScheduledTask {
    /// What it goes by in paths and on the command line: `<function>.<name>`. A function's name has no
    /// dot, so it ends at the first one.
    #[must_use]
    pub fn task(&self) -> String {
        format!("{}.{}", self.function, self.name)
    }
}

/// The scheduled tasks of a project, by function and name.
///
/// # Errors
/// `NotFound` for an unknown project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
) -> Result<Vec<ScheduledTask>, RegistryError> {
    let project = project_id(registry, project).await?;
    select(&registry.pool, project, &Wanted::default()).await
}

/// One task, by `<function>.<name>` or by its id.
///
/// # Errors
/// `NotFound` where the project has no such task.
pub async fn find(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
) -> Result<ScheduledTask, RegistryError> {
    let names = task.split_once('.');
    let wanted = Wanted {
        id: Some(Uuid::parse_str(task).unwrap_or_default()),
        function: names.map(|(function, _)| function),
        name: names.map(|(_, name)| name),
    };
    let project = project_id(registry, project).await?;
    let found = select(&registry.pool, project, &wanted).await?.pop();
    found.ok_or_else(|| RegistryError::not_found("schedule", task))
}

/// The same task as it is now, its row locked until the transaction ends.
pub(super) async fn lock(
    conn: &mut DbConnection,
    seen: &ScheduledTask,
) -> Result<ScheduledTask, RegistryError> {
    // The lock comes before the look that counts: of two changes the second finds what the first made.
    sqlx::query!(
        "SELECT id FROM koyalite.scheduled_tasks WHERE id = $1 FOR UPDATE",
        seen.id
    )
    .fetch_optional(&mut *conn)
    .await?;
    let wanted = Wanted {
        id: Some(seen.id),
        ..Wanted::default()
    };
    let now = select(conn, seen.project_id, &wanted).await?.pop();
    now.ok_or_else(|| RegistryError::not_found("schedule", seen.task()))
}

/// Which tasks; without an id, all.
#[derive(Default)]
struct Wanted<'a> {
    id: Option<Uuid>,
    function: Option<&'a str>,
    name: Option<&'a str>,
}

async fn select(
    conn: impl PgExecutor<'_>,
    project: Uuid,
    wanted: &Wanted<'_>,
) -> Result<Vec<ScheduledTask>, RegistryError> {
    let rows = sqlx::query!(
        "SELECT s.id, s.project_id, s.function_id, f.name AS function, s.name, s.cron_schedule,
             s.timezone, s.path, s.origin, s.status, s.overlap, s.catch_up, s.catch_up_window_s,
             s.retries, s.backoff_s, s.backoff_max_s, s.timeout_s, s.jitter_s, s.last_run, s.next_run
         FROM koyalite.scheduled_tasks s JOIN koyalite.functions f ON f.id = s.function_id
         WHERE s.project_id = $1 AND s.status <> 'removed'
             AND ($2::uuid IS NULL OR s.id = $2 OR (f.name = $3 AND s.name = $4))
         ORDER BY f.name, s.name",
        project,
        wanted.id,
        wanted.function,
        wanted.name,
    )
    .fetch_all(conn)
    .await?;
    let tasks = rows.into_iter().map(|row| {
        Ok(ScheduledTask {
            id: row.id,
            project_id: row.project_id,
            function_id: row.function_id,
            function: row.function.parse().map_err(RegistryError::internal)?,
            name: row.name,
            cron_schedule: row.cron_schedule,
            timezone: row.timezone,
            path: row.path,
            origin: row.origin,
            status: row.status,
            rules: Rules {
                overlap: row.overlap.parse().map_err(RegistryError::internal)?,
                catch_up: row.catch_up.parse().map_err(RegistryError::internal)?,
                catch_up_window_s: whole(row.catch_up_window_s),
                retries: whole(row.retries.into()),
                backoff_s: whole(row.backoff_s),
                backoff_max_s: whole(row.backoff_max_s),
                timeout_s: row.timeout_s.map(whole),
                jitter_s: whole(row.jitter_s),
            },
            last_run: row.last_run,
            next_run: row.next_run,
        })
    });
    tasks.collect()
}

/// Makes a task beside those of the manifest.
///
/// # Errors
/// `NotFound` for an unknown function; `Conflict` where it has a task of that name, or as many as it
/// may have; `Invalid` where it cannot be scheduled.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    function: &FunctionName,
    spec: &ScheduleSpec,
) -> Result<ScheduledTask, RegistryError> {
    let mut tx = registry.begin().await?;
    let owner = sqlx::query!(
        r#"SELECT f.id, f.project_id, v.scheduled OR v.handler <> 'none' AS "callable!",
               (SELECT count(*) FROM koyalite.scheduled_tasks s
                WHERE s.function_id = f.id AND s.status <> 'removed') AS "tasks!"
           FROM koyalite.functions f JOIN koyalite.projects p ON p.id = f.project_id
           JOIN koyalite.deployments d ON d.id = f.active_deployment_id
           JOIN koyalite.versions v ON v.id = d.version_id
           WHERE p.name = $1 AND f.name = $2
           FOR UPDATE OF f"#,
        project.as_str(),
        function.as_str(),
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| RegistryError::not_found("function", function))?;
    if !owner.callable {
        let message = "the component exports neither `scheduled` nor a handler";
        return Err(RegistryError::invalid("function", message));
    }
    if usize::try_from(owner.tasks).unwrap_or(usize::MAX) >= SCHEDULES_MAX {
        let reason = format!("a function has at most {SCHEDULES_MAX} schedules");
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let now = super::runs::now(&mut tx).await?;
    let whose = Owner {
        project: owner.project_id,
        function: owner.id,
    };
    let made = insert(&mut tx, (whose, Origin::Api), spec, next(spec, now)?).await?;
    let id = made.ok_or_else(|| {
        let reason = format!(
            "{function} has a schedule {:?}; choose another `name`",
            spec.name
        );
        RegistryError::conflict(Standing::AlreadyExists, reason)
    })?;
    let deed = Deed::new(Action::ScheduleCreate, format!("{function}.{}", spec.name))
        .with("cron", spec.cron.as_str())
        .with("timezone", spec.timezone.as_str());
    record_with(&mut tx, Chain::Project(owner.project_id), deed).await?;
    tx.commit().await?;
    find(registry, project, &id.to_string()).await
}

/// Removes a task that was made over the API. Its runs stay.
///
/// # Errors
/// `NotFound` for an unknown task; `Conflict` for one of the manifest.
pub async fn remove(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
) -> Result<(), RegistryError> {
    let task = find(registry, project, task).await?;
    let mut tx = registry.begin().await?;
    let removed = sqlx::query!(
        "UPDATE koyalite.scheduled_tasks
         SET status = 'removed', next_run = NULL, updated_at = now()
         WHERE id = $1 AND origin = 'api'",
        task.id,
    )
    .execute(&mut *tx)
    .await?;
    if removed.rows_affected() == 0 {
        return Err(of_manifest(&task));
    }
    drop_waiting(&mut tx, &[task.id]).await?;
    let deed = Deed::new(Action::ScheduleDelete, task.task());
    record_with(&mut tx, Chain::Project(task.project_id), deed).await?;
    tx.commit().await?;
    Ok(())
}

/// Whether a task fires by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firing {
    /// At its times, from now on. What it would have fired meanwhile is not made up for.
    On,
    /// Not until it is resumed. What waits already still runs.
    Paused,
}

/// Pauses or resumes a task. What is so already stays so.
///
/// # Errors
/// `NotFound` for an unknown task.
pub async fn set_firing(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
    firing: Firing,
) -> Result<ScheduledTask, RegistryError> {
    let task = find(registry, project, task).await?;
    let mut tx = registry.begin().await?;
    let now = super::runs::now(&mut tx).await?;
    let (status, next) = match firing {
        Firing::Paused => ("paused", None),
        Firing::On => {
            let schedule = super::run_history::schedule(&task)?;
            ("active", schedule.next_after(now))
        }
    };
    let changed = sqlx::query!(
        "UPDATE koyalite.scheduled_tasks SET status = $2, next_run = $3, updated_at = now()
         WHERE id = $1 AND status NOT IN ($2, 'removed')",
        task.id,
        status,
        next,
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() > 0 {
        let paused = firing == Firing::Paused;
        let deed = Deed::new(Action::SchedulePause, task.task()).with("paused", paused);
        record_with(&mut tx, Chain::Project(task.project_id), deed).await?;
    }
    tx.commit().await?;
    find(registry, project, &task.id.to_string()).await
}
