//! A version's schedules made tasks, in the transaction that makes the version serve: a rollback rolls
//! them back as well. Tasks that were made over the API stay as they are.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::{RegistryError, Standing};
use super::manifest::{Manifest, ScheduleSpec};
use super::pool::DbConnection;
use crate::scheduler::cron::Schedule;

/// Whose schedules they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) project: Uuid,
    pub(super) function: Uuid,
}

/// Who made a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Manifest,
    Api,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Api => "api",
        }
    }
}

/// Makes the function's tasks those of the version that serves from now on. A task whose expression
/// stays keeps its next time, so that deploying often never skips a firing.
pub(super) async fn sync(
    conn: &mut DbConnection,
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
    refuse_taken(conn, function, &names).await?;
    let gone = sqlx::query_scalar!(
        "UPDATE koyalite.scheduled_tasks
         SET status = 'removed', next_run = NULL, updated_at = now()
         WHERE function_id = $1 AND origin = 'manifest' AND status <> 'removed'
             AND name <> ALL ($2)
         RETURNING id",
        function,
        &names,
    )
    .fetch_all(&mut *conn)
    .await?;
    drop_waiting(conn, &gone).await?;
    let owner = Owner { project, function };
    for spec in &manifest.schedules {
        upsert(conn, owner, spec, next(spec, now)?).await?;
    }
    Ok(())
}

/// A name in the manifest that a task made over the API has.
async fn refuse_taken(
    conn: &mut DbConnection,
    function: Uuid,
    names: &[String],
) -> Result<(), RegistryError> {
    let taken = sqlx::query_scalar!(
        "SELECT name FROM koyalite.scheduled_tasks
         WHERE function_id = $1 AND origin = 'api' AND status <> 'removed' AND name = ANY ($2)
         ORDER BY name LIMIT 1",
        function,
        names,
    )
    .fetch_optional(conn)
    .await?;
    match taken {
        None => Ok(()),
        Some(name) => Err(RegistryError::conflict(
            Standing::AlreadyExists,
            format!(
                "a schedule {name:?} was made over the API; delete that one or take another name"
            ),
        )),
    }
}

/// What waits of tasks that are no more does not run, and says so.
pub(super) async fn drop_waiting(
    conn: &mut DbConnection,
    tasks: &[Uuid],
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.runs SET status = 'skipped', reason = 'the schedule was removed',
             finished_at = clock_timestamp()
         WHERE task_id = ANY ($1) AND status = 'waiting'",
        tasks,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The first time that a new schedule is due.
pub(super) fn next(
    spec: &ScheduleSpec,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, RegistryError> {
    let schedule = Schedule::parse(&spec.cron, &spec.timezone)
        .map_err(|error| RegistryError::invalid("schedules", error))?;
    Ok(schedule.next_after(now))
}

async fn upsert(
    conn: &mut DbConnection,
    owner: Owner,
    spec: &ScheduleSpec,
    next: Option<DateTime<Utc>>,
) -> Result<(), RegistryError> {
    if let Some(id) = insert(conn, (owner, Origin::Manifest), spec, next).await? {
        tracing::debug!(%id, name = spec.name, "a new schedule");
        return Ok(());
    }
    update(conn, owner.function, spec, next).await
}

/// Makes a task what the spec says. It keeps its next time where its expression stays.
pub(super) async fn update(
    conn: &mut DbConnection,
    function: Uuid,
    spec: &ScheduleSpec,
    next: Option<DateTime<Utc>>,
) -> Result<(), RegistryError> {
    let row = Row::of(spec);
    sqlx::query!(
        "UPDATE koyalite.scheduled_tasks SET
             next_run = CASE
                 WHEN status = 'paused' THEN NULL
                 WHEN cron_schedule = $3 AND timezone = $4 THEN next_run
                 ELSE $6 END,
             cron_schedule = $3, timezone = $4, path = $5, overlap = $7, catch_up = $8,
             catch_up_window_s = $9, retries = $10, backoff_s = $11, backoff_max_s = $12,
             timeout_s = $13, jitter_s = $14, updated_at = now()
         WHERE function_id = $1 AND name = $2",
        function,
        spec.name,
        spec.cron,
        spec.timezone,
        spec.path,
        next,
        spec.rules.overlap.as_str(),
        spec.rules.catch_up.as_str(),
        row.catch_up_window_s,
        row.retries,
        row.backoff_s,
        row.backoff_max_s,
        row.timeout_s,
        row.jitter_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a task, or one anew that was removed: its history is that of the name. None: there is one.
pub(super) async fn insert(
    conn: &mut DbConnection,
    (owner, origin): (Owner, Origin),
    spec: &ScheduleSpec,
    next: Option<DateTime<Utc>>,
) -> Result<Option<Uuid>, RegistryError> {
    let row = Row::of(spec);
    let id = sqlx::query_scalar!(
        "INSERT INTO koyalite.scheduled_tasks AS task
             (id, project_id, function_id, name, cron_schedule, timezone, path, next_run, overlap,
              catch_up, catch_up_window_s, retries, backoff_s, backoff_max_s, timeout_s, jitter_s,
              origin, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 'active')
         ON CONFLICT (function_id, name) DO UPDATE SET
             status = 'active', origin = excluded.origin, cron_schedule = excluded.cron_schedule,
             timezone = excluded.timezone, path = excluded.path, next_run = excluded.next_run,
             overlap = excluded.overlap, catch_up = excluded.catch_up,
             catch_up_window_s = excluded.catch_up_window_s, retries = excluded.retries,
             backoff_s = excluded.backoff_s, backoff_max_s = excluded.backoff_max_s,
             timeout_s = excluded.timeout_s, jitter_s = excluded.jitter_s, updated_at = now()
         WHERE task.status = 'removed'
         RETURNING id",
        Uuid::now_v7(),
        owner.project,
        owner.function,
        spec.name,
        spec.cron,
        spec.timezone,
        spec.path,
        next,
        spec.rules.overlap.as_str(),
        spec.rules.catch_up.as_str(),
        row.catch_up_window_s,
        row.retries,
        row.backoff_s,
        row.backoff_max_s,
        row.timeout_s,
        row.jitter_s,
        origin.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(id)
}

/// The rules' numbers as columns. They were checked to be small when they were read.
struct Row {
    catch_up_window_s: i64,
    retries: i32,
    backoff_s: i64,
    backoff_max_s: i64,
    timeout_s: Option<i64>,
    jitter_s: i64,
}

impl Row {
    fn of(spec: &ScheduleSpec) -> Self {
        let rules = &spec.rules;
        let column = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            catch_up_window_s: column(rules.catch_up_window_s),
            retries: i32::try_from(rules.retries).unwrap_or(i32::MAX),
            backoff_s: column(rules.backoff_s),
            backoff_max_s: column(rules.backoff_max_s),
            timeout_s: rules.timeout_s.map(column),
            jitter_s: column(rules.jitter_s),
        }
    }
}
