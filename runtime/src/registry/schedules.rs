//! Scheduled tasks and their runs, as operators see them; a version's schedules made tasks.
//!
//! What the scheduler itself asks of the database is in [`super::runs`].

use chrono::{DateTime, Utc};
use koyalite_policy::{FunctionName, ProjectName};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Registry;
use super::change::project_id;
use super::error::RegistryError;
use super::manifest::{Manifest, ScheduleSpec};
use super::page::{Page, Part};
use crate::scheduler::cron::Schedule;

/// A cron entry of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduledTask {
    /// Its id.
    pub id: Uuid,
    /// The function that it fires.
    pub function: FunctionName,
    /// Its name, unique in the function.
    pub name: String,
    /// The cron expression.
    pub cron_schedule: String,
    /// The zone that the expression is read in.
    pub timezone: String,
    /// Where a component without the `scheduled` export is posted to.
    pub path: Option<String>,
    /// `active` or `paused`.
    pub status: String,
    /// The latest time that it was due and handled.
    pub last_run: Option<DateTime<Utc>>,
    /// The next time that it is due.
    pub next_run: Option<DateTime<Utc>>,
}

/// One firing of a scheduled task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its id; the invocation's too.
    pub id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// The time that it was due.
    pub scheduled_for: DateTime<Utc>,
    /// `running`, `succeeded`, `failed`, `skipped` or `missed`.
    pub status: String,
    /// Why it failed, was skipped or missed; or why it came late.
    pub reason: Option<String>,
    /// Which attempt, from 1.
    pub attempt: i32,
    /// The version that ran.
    pub version: Option<i32>,
    /// The invocation.
    pub invocation_id: Option<Uuid>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
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
    let rows = sqlx::query!(
        "SELECT s.id, f.name AS function, s.name, s.cron_schedule, s.timezone, s.path, s.status,
             s.last_run, s.next_run
         FROM koyalite.scheduled_tasks s JOIN koyalite.functions f ON f.id = s.function_id
         WHERE s.project_id = $1 AND s.status <> 'removed' ORDER BY f.name, s.name",
        project,
    )
    .fetch_all(&registry.pool)
    .await?;
    let tasks = rows.into_iter().map(|row| {
        Ok(ScheduledTask {
            id: row.id,
            function: row.function.parse().map_err(RegistryError::internal)?,
            name: row.name,
            cron_schedule: row.cron_schedule,
            timezone: row.timezone,
            path: row.path,
            status: row.status,
            last_run: row.last_run,
            next_run: row.next_run,
        })
    });
    tasks.collect()
}

/// The runs of a task, newest first.
///
/// # Errors
/// `NotFound` where the project has no such task.
pub async fn runs(
    registry: &Registry,
    project: &ProjectName,
    task: Uuid,
    page: &Page<DateTime<Utc>>,
) -> Result<Part<Run>, RegistryError> {
    let project = project_id(registry, project).await?;
    sqlx::query_scalar!(
        "SELECT id FROM koyalite.scheduled_tasks WHERE id = $1 AND project_id = $2",
        task,
        project,
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("schedule", task))?;
    let runs = sqlx::query_as!(
        Run,
        "SELECT id, task_id, scheduled_for, status, reason, attempt, version, invocation_id,
             started_at, finished_at
         FROM koyalite.runs
         WHERE task_id = $1 AND ($2::timestamptz IS NULL OR scheduled_for < $2)
         ORDER BY scheduled_for DESC LIMIT $3",
        task,
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(runs))
}

/// Makes the function's tasks those of the version that serves from now on. A task whose expression
/// stays keeps its next time, so that deploying often never skips a firing.
pub(crate) async fn sync(
    conn: &mut PgConnection,
    project: Uuid,
    function: Uuid,
    manifest: &Manifest,
) -> Result<(), RegistryError> {
    let now = super::runs::now(&mut *conn).await?;
    let names: Vec<String> = manifest
        .schedules
        .iter()
        .map(|spec| spec.name.clone())
        .collect();
    sqlx::query!(
        "UPDATE koyalite.scheduled_tasks
         SET status = 'removed', next_run = NULL, updated_at = now()
         WHERE function_id = $1 AND status <> 'removed' AND name <> ALL ($2)",
        function,
        &names,
    )
    .execute(&mut *conn)
    .await?;
    for spec in &manifest.schedules {
        upsert(conn, Owner { project, function }, spec, next(spec, now)?).await?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Owner {
    project: Uuid,
    function: Uuid,
}

fn next(spec: &ScheduleSpec, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, RegistryError> {
    let schedule = Schedule::parse(&spec.cron, &spec.timezone)
        .map_err(|error| RegistryError::invalid("schedules", error))?;
    Ok(schedule.next_after(now))
}

async fn upsert(
    conn: &mut PgConnection,
    owner: Owner,
    spec: &ScheduleSpec,
    next: Option<DateTime<Utc>>,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "INSERT INTO koyalite.scheduled_tasks AS task
             (id, project_id, function_id, name, cron_schedule, timezone, path, status, next_run)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8)
         ON CONFLICT (function_id, name) DO UPDATE SET
             cron_schedule = excluded.cron_schedule,
             timezone = excluded.timezone,
             path = excluded.path,
             status = CASE task.status WHEN 'removed' THEN 'active' ELSE task.status END,
             next_run = CASE
                 WHEN task.status = 'paused' THEN NULL
                 WHEN task.status = 'active' AND task.cron_schedule = excluded.cron_schedule
                     AND task.timezone = excluded.timezone THEN task.next_run
                 ELSE excluded.next_run END,
             updated_at = now()",
        Uuid::now_v7(),
        owner.project,
        owner.function,
        spec.name,
        spec.cron,
        spec.timezone,
        spec.path,
        next,
    )
    .execute(conn)
    .await?;
    Ok(())
}
