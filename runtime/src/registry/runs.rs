//! What the scheduler asks of the database: due tasks become runs that wait, and runs that wait start.
//! SQL only; what to do with a due task is decided in [`crate::scheduler`]. How a run goes on and ends
//! is in [`super::leases`].
//!
//! All times are the database's, so that nodes whose clocks differ agree on what is due.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::RegistryError;
use super::pool::DbConnection;
use crate::scheduler::rules::Rules;

/// A task that is due, locked until the transaction ends.
#[derive(Debug, Clone)]
pub(crate) struct DueTask {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) cron_schedule: String,
    pub(crate) timezone: String,
    pub(crate) rules: Rules,
    pub(crate) due: DateTime<Utc>,
    pub(crate) enabled: bool,
    /// The time that a run of the task, which is not over, was due.
    pub(crate) busy: Option<DateTime<Utc>>,
    /// How many of its runs are not over.
    pub(crate) active: i64,
}

/// A run as it is written when its time has come.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) task: Uuid,
    pub(crate) project: Uuid,
    pub(crate) scheduled_for: DateTime<Utc>,
    pub(crate) fate: Fate,
    pub(crate) reason: Option<String>,
    pub(crate) missed: usize,
}

/// What becomes of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for its turn.
    Waits {
        trigger: Trigger,
        not_before: DateTime<Utc>,
        turn: Turn,
    },
    /// It does not run: something else stands in the way.
    Skipped,
    /// It does not run: it is too late.
    Missed,
}

/// What sets a run off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    Schedule,
    CatchUp,
    Manual,
}

impl Trigger {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::CatchUp => "catch_up",
            Self::Manual => "manual",
        }
    }
}

/// Whether runs of one task wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    OneByOne,
    Beside,
}

impl Fate {
    const fn status(self) -> &'static str {
        match self {
            Self::Waits { .. } => "waiting",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }

    const fn trigger(self) -> Trigger {
        match self {
            Self::Waits { trigger, .. } => trigger,
            Self::Skipped | Self::Missed => Trigger::Schedule,
        }
    }

    const fn not_before(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Waits { not_before, .. } => Some(not_before),
            Self::Skipped | Self::Missed => None,
        }
    }

    const fn is_serial(self) -> bool {
        !matches!(
            self,
            Self::Waits {
                turn: Turn::Beside,
                ..
            }
        )
    }
}

/// The database's clock, at this moment rather than at the transaction's start.
pub(crate) async fn now(conn: &mut DbConnection) -> Result<DateTime<Utc>, RegistryError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(conn)
        .await?;
    Ok(now)
}

/// How long until the next task is due, in milliseconds; negative when one is. None: no task is.
pub(crate) async fn until_due(conn: &mut DbConnection) -> Result<Option<i64>, RegistryError> {
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
    conn: &mut DbConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<DueTask>, RegistryError> {
    let rows = sqlx::query!(
        r#"SELECT s.id, s.project_id, s.cron_schedule, s.timezone, s.overlap, s.catch_up,
               s.catch_up_window_s, s.retries, s.backoff_s, s.backoff_max_s, s.timeout_s, s.jitter_s,
               s.next_run AS "due!", f.enabled, a.busy, a.active AS "active!"
           FROM koyalite.scheduled_tasks s JOIN koyalite.functions f ON f.id = s.function_id
           CROSS JOIN LATERAL (
               SELECT count(*) AS active,
                   max(r.scheduled_for) FILTER (
                       WHERE r.status = 'running' OR r.trigger <> 'backfill') AS busy
               FROM koyalite.runs r
               WHERE r.task_id = s.id AND r.status IN ('waiting', 'running')) a
           WHERE s.next_run <= $1
           ORDER BY s.next_run LIMIT $2
           FOR UPDATE OF s SKIP LOCKED"#,
        now,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let tasks = rows.into_iter().map(|row| {
        Ok(DueTask {
            id: row.id,
            project_id: row.project_id,
            cron_schedule: row.cron_schedule,
            timezone: row.timezone,
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
            due: row.due,
            enabled: row.enabled,
            busy: row.busy,
            active: row.active,
        })
    });
    tasks.collect()
}

/// A count as the database has it, which its checks keep from being negative.
pub(crate) fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Writes runs. One that is there already stays as it is: somebody else was first.
pub(crate) async fn insert(conn: &mut DbConnection, runs: &[NewRun]) -> Result<(), RegistryError> {
    let ids: Vec<Uuid> = runs.iter().map(|_| Uuid::now_v7()).collect();
    let tasks: Vec<Uuid> = runs.iter().map(|run| run.task).collect();
    let projects: Vec<Uuid> = runs.iter().map(|run| run.project).collect();
    let times: Vec<DateTime<Utc>> = runs.iter().map(|run| run.scheduled_for).collect();
    let statuses: Vec<&str> = runs.iter().map(|run| run.fate.status()).collect();
    let reasons: Vec<Option<String>> = runs.iter().map(|run| run.reason.clone()).collect();
    let triggers: Vec<&str> = runs.iter().map(|r| r.fate.trigger().as_str()).collect();
    let starts: Vec<Option<DateTime<Utc>>> = runs.iter().map(|r| r.fate.not_before()).collect();
    let serial: Vec<bool> = runs.iter().map(|run| run.fate.is_serial()).collect();
    let missed: Vec<i32> = runs
        .iter()
        .map(|r| r.missed.try_into().unwrap_or(0))
        .collect();
    sqlx::query!(
        "INSERT INTO koyalite.runs (id, task_id, project_id, scheduled_for, status, reason, trigger,
             not_before, serial, missed_count, created_at, finished_at)
         SELECT n.id, n.task_id, n.project_id, n.scheduled_for, n.status, n.reason, n.trigger,
             n.not_before, n.serial, n.missed, clock_timestamp(),
             CASE WHEN n.status <> 'waiting' THEN clock_timestamp() END
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[],
                 $7::text[], $8::timestamptz[], $9::boolean[], $10::integer[])
             AS n (id, task_id, project_id, scheduled_for, status, reason, trigger, not_before,
                 serial, missed)
         ON CONFLICT (task_id, scheduled_for, attempt) DO NOTHING",
        &ids,
        &tasks,
        &projects,
        &times,
        &statuses as &[&str],
        &reasons as &[Option<String>],
        &triggers as &[&str],
        &starts as &[Option<DateTime<Utc>>],
        &serial,
        &missed,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A task that moves on: when it was due last, and when it will be next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advance {
    pub(crate) task: Uuid,
    pub(crate) last: DateTime<Utc>,
    pub(crate) next: Option<DateTime<Utc>>,
}

/// Moves tasks on.
pub(crate) async fn advance(
    conn: &mut DbConnection,
    tasks: &[Advance],
) -> Result<(), RegistryError> {
    let ids: Vec<Uuid> = tasks.iter().map(|task| task.task).collect();
    let last: Vec<DateTime<Utc>> = tasks.iter().map(|task| task.last).collect();
    let next: Vec<Option<DateTime<Utc>>> = tasks.iter().map(|task| task.next).collect();
    sqlx::query!(
        "UPDATE koyalite.scheduled_tasks t SET last_run = n.last, next_run = n.next
         FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS n (id, last, next)
         WHERE t.id = n.id",
        &ids,
        &last,
        &next as &[Option<DateTime<Utc>>],
    )
    .execute(conn)
    .await?;
    Ok(())
}
