//! What the scheduler asks of the database: due tasks, runs, leases. SQL only; what to do with a
//! due task is decided in [`crate::scheduler`].
//!
//! All times are the database's, so that nodes whose clocks differ agree on what is due.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::error::RegistryError;

/// A task that is due, locked until the transaction ends.
#[derive(Debug, Clone)]
pub(crate) struct DueTask {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) function_id: Uuid,
    pub(crate) name: String,
    pub(crate) cron_schedule: String,
    pub(crate) timezone: String,
    pub(crate) due: DateTime<Utc>,
    pub(crate) enabled: bool,
    /// The time that a run of the task, still going, was due.
    pub(crate) running: Option<DateTime<Utc>>,
}

/// A run that is not going to happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unrun {
    Skipped,
    Missed,
}

impl Unrun {
    fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }
}

/// A claimed run: whoever holds the fence may say how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) run: Uuid,
    pub(crate) fence: i64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed(String),
}

/// The database's clock, at this moment rather than at the transaction's start.
pub(crate) async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, RegistryError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(conn)
        .await?;
    Ok(now)
}

/// How long until the next task is due, in milliseconds; negative when one is. None: no task is.
pub(crate) async fn until_due(conn: &mut PgConnection) -> Result<Option<i64>, RegistryError> {
    let until = sqlx::query_scalar!(
        r#"SELECT (extract(epoch FROM min(next_run) - clock_timestamp()) * 1000)::bigint AS "ms"
           FROM koyalite.scheduled_tasks WHERE next_run IS NOT NULL"#
    )
    .fetch_one(conn)
    .await?;
    Ok(until)
}

/// Due tasks that no other node is working on, the longest due first.
pub(crate) async fn lock_due(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<DueTask>, RegistryError> {
    let due = sqlx::query_as!(
        DueTask,
        r#"SELECT s.id, s.project_id, s.function_id, s.name, s.cron_schedule, s.timezone,
               s.next_run AS "due!", f.enabled,
               (SELECT r.scheduled_for FROM koyalite.runs r
                WHERE r.task_id = s.id AND r.status = 'running'
                ORDER BY r.scheduled_for DESC LIMIT 1) AS running
           FROM koyalite.scheduled_tasks s JOIN koyalite.functions f ON f.id = s.function_id
           WHERE s.next_run <= $1
           ORDER BY s.next_run LIMIT $2
           FOR UPDATE OF s SKIP LOCKED"#,
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(due)
}

/// Claims a firing. None: somebody else has it, or had it.
pub(crate) async fn claim(
    conn: &mut PgConnection,
    task: Uuid,
    scheduled_for: DateTime<Utc>,
    lease_s: f64,
    reason: Option<&str>,
) -> Result<Option<Claimed>, RegistryError> {
    let claimed = sqlx::query!(
        r#"INSERT INTO koyalite.runs
               (id, task_id, scheduled_for, status, reason, invocation_id, fence, lease_until,
                started_at)
           VALUES ($1, $2, $3, 'running', $4, $1, nextval('koyalite.fence'),
                clock_timestamp() + make_interval(secs => $5), clock_timestamp())
           ON CONFLICT (task_id, scheduled_for) DO NOTHING
           RETURNING id, fence AS "fence!""#,
        Uuid::now_v7(),
        task,
        scheduled_for,
        reason,
        lease_s,
    )
    .fetch_optional(conn)
    .await?;
    Ok(claimed.map(|row| Claimed {
        run: row.id,
        fence: row.fence,
    }))
}

/// Records a firing that is not going to happen.
pub(crate) async fn record(
    conn: &mut PgConnection,
    task: Uuid,
    scheduled_for: DateTime<Utc>,
    what: Unrun,
    reason: &str,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "INSERT INTO koyalite.runs (id, task_id, scheduled_for, status, reason, finished_at)
         VALUES ($1, $2, $3, $4, $5, clock_timestamp())
         ON CONFLICT (task_id, scheduled_for) DO NOTHING",
        Uuid::now_v7(),
        task,
        scheduled_for,
        what.as_str(),
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves a task on.
pub(crate) async fn advance(
    conn: &mut PgConnection,
    task: Uuid,
    last: DateTime<Utc>,
    next: Option<DateTime<Utc>>,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.scheduled_tasks SET last_run = $2, next_run = $3 WHERE id = $1",
        task,
        last,
        next,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes which version a run is of.
pub(crate) async fn set_version(
    conn: &mut PgConnection,
    claimed: Claimed,
    version: u32,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.runs SET version = $3 WHERE id = $1 AND fence = $2",
        claimed.run,
        claimed.fence,
        i32::try_from(version).map_err(RegistryError::internal)?,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a lease is still one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    Lost,
}

/// Extends the lease of a run that is still going.
pub(crate) async fn extend(
    conn: &mut PgConnection,
    claimed: Claimed,
    lease_s: f64,
) -> Result<Lease, RegistryError> {
    let extended = sqlx::query!(
        "UPDATE koyalite.runs SET lease_until = clock_timestamp() + make_interval(secs => $3)
         WHERE id = $1 AND fence = $2 AND status = 'running'",
        claimed.run,
        claimed.fence,
        lease_s,
    )
    .execute(conn)
    .await?;
    Ok(if extended.rows_affected() == 1 {
        Lease::Held
    } else {
        Lease::Lost
    })
}

/// Says how a run ended, if it is still one's own to say.
pub(crate) async fn finish(
    conn: &mut PgConnection,
    claimed: Claimed,
    outcome: &Outcome,
) -> Result<Lease, RegistryError> {
    let (status, reason) = match outcome {
        Outcome::Succeeded => ("succeeded", None),
        Outcome::Failed(reason) => ("failed", Some(reason.as_str())),
    };
    let finished = sqlx::query!(
        "UPDATE koyalite.runs SET status = $3, reason = coalesce($4, reason), lease_until = NULL,
             finished_at = clock_timestamp()
         WHERE id = $1 AND fence = $2 AND status = 'running'",
        claimed.run,
        claimed.fence,
        status,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(if finished.rows_affected() == 1 {
        Lease::Held
    } else {
        Lease::Lost
    })
}

/// Ends runs whose node went silent. Answers how many.
pub(crate) async fn expire(conn: &mut PgConnection, reason: &str) -> Result<u64, RegistryError> {
    let expired = sqlx::query!(
        "UPDATE koyalite.runs SET status = 'failed', reason = $1, lease_until = NULL,
             finished_at = clock_timestamp()
         WHERE status = 'running' AND lease_until < clock_timestamp()",
        reason,
    )
    .execute(conn)
    .await?;
    Ok(expired.rows_affected())
}
