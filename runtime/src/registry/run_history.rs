//! Runs as operators see them: listed with their reasons, asked for now, or for a range of the past.

use chrono::{DateTime, TimeDelta, Utc};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Registry;
use super::audit::write::record_with;
use super::audit::{Action, Chain, Deed};
use super::error::{Mistake, RegistryError, Standing};
use super::page::{Page, Part};
use super::runs::{self, Fate, NewRun, Trigger, Turn};
use super::schedules::{ScheduledTask, find};
use crate::scheduler::ACTIVE_RUNS_MAX;
use crate::scheduler::cron::Schedule;
use crate::scheduler::rules::Overlap;

/// Firings of one backfill: as many as a day of minutes has. A longer range is several backfills, so
/// that a slip of the pen does not run a function a million times.
pub const BACKFILL_MAX: usize = 1440;

/// One attempt of one firing of a scheduled task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Run {
    /// Its id; the invocation's too.
    pub id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// The time that it was due.
    pub scheduled_for: DateTime<Utc>,
    /// `waiting`, `running`, `succeeded`, `failed`, `skipped` or `missed`.
    pub status: String,
    /// Why it failed, was skipped or missed; or why it came late.
    pub reason: Option<String>,
    /// What set it off: `schedule`, `catch_up`, `manual` or `backfill`.
    pub trigger: String,
    /// Which attempt, from 1.
    pub attempt: i32,
    /// How many earlier firings it stands for.
    pub missed_count: i32,
    /// The version that ran.
    pub version: Option<i32>,
    /// The node that ran it.
    pub node: Option<String>,
    /// The invocation.
    pub invocation_id: Option<Uuid>,
    /// While it waits: not earlier than this.
    pub not_before: Option<DateTime<Utc>>,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Which runs; a field that is not given narrows nothing.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunFilter {
    /// One of the statuses.
    pub status: Option<String>,
    /// One of the triggers.
    pub trigger: Option<String>,
    /// Due at or after.
    pub from: Option<DateTime<Utc>>,
    /// Due before.
    pub to: Option<DateTime<Utc>>,
    /// Which attempt.
    pub attempt: Option<i32>,
    /// The node.
    pub node: Option<String>,
    /// How many at most.
    pub limit: Option<u32>,
    /// After which one.
    pub cursor: Option<String>,
}

const STATUSES: [&str; 6] = [
    "waiting",
    "running",
    "succeeded",
    "failed",
    "skipped",
    "missed",
];
const TRIGGERS: [&str; 4] = ["schedule", "catch_up", "manual", "backfill"];

impl RunFilter {
    fn check(&self) -> Result<(), RegistryError> {
        let known = |field: &str, given: &Option<String>, words: &[&str]| match given {
            Some(word) if !words.contains(&word.as_str()) => {
                let message = format!("{word:?} is not known; write {}", words.join(", "));
                Err(RegistryError::invalid(field, message))
            }
            _ => Ok(()),
        };
        known("status", &self.status, &STATUSES)?;
        known("trigger", &self.trigger, &TRIGGERS)
    }
}

/// Runs of a task, latest due first.
///
/// # Errors
/// `NotFound` where the project has no such task; `Invalid` for a word that no run has.
pub async fn list(
    registry: &Registry,
    task: &ScheduledTask,
    filter: &RunFilter,
    page: &Page<(DateTime<Utc>, i32)>,
) -> Result<Part<Run>, RegistryError> {
    filter.check()?;
    let (after, attempt) = page.after.unzip();
    let runs = sqlx::query_as!(
        Run,
        "SELECT id, task_id, scheduled_for, status, reason, trigger, attempt, missed_count, version,
             node, invocation_id, not_before, started_at, finished_at
         FROM koyalite.runs
         WHERE task_id = $1
             AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR trigger = $3)
             AND ($4::timestamptz IS NULL OR scheduled_for >= $4)
             AND ($5::timestamptz IS NULL OR scheduled_for < $5)
             AND ($6::integer IS NULL OR attempt = $6) AND ($7::text IS NULL OR node = $7)
             AND ($9::timestamptz IS NULL OR (scheduled_for, attempt) < ($9, $10::integer))
         ORDER BY scheduled_for DESC, attempt DESC LIMIT $8",
        task.id,
        filter.status,
        filter.trigger,
        filter.from,
        filter.to,
        filter.attempt,
        filter.node,
        page.rows(),
        after,
        attempt,
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(runs))
}

/// The run of that id.
///
/// # Errors
/// `NotFound` where the task has none.
pub async fn get(
    registry: &Registry,
    task: &ScheduledTask,
    id: Uuid,
) -> Result<Run, RegistryError> {
    let found = sqlx::query_as!(
        Run,
        "SELECT id, task_id, scheduled_for, status, reason, trigger, attempt, missed_count, version,
             node, invocation_id, not_before, started_at, finished_at
         FROM koyalite.runs WHERE task_id = $1 AND id = $2",
        task.id,
        id,
    )
    .fetch_optional(&registry.pool)
    .await?;
    found.ok_or_else(|| RegistryError::not_found("run", id))
}

/// A task's expression, which was checked when the task was made.
pub(super) fn schedule(task: &ScheduledTask) -> Result<Schedule, RegistryError> {
    Schedule::parse(&task.cron_schedule, &task.timezone).map_err(RegistryError::internal)
}

/// Enqueues a run that is due now, whether or not the task is paused. It waits for runs of the task
/// that are going, unless they may overlap.
///
/// # Errors
/// `NotFound` for an unknown task; `Conflict` where too many of its runs wait.
pub async fn run_now(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
) -> Result<Run, RegistryError> {
    let task = find(registry, project, task).await?;
    let mut tx = registry.begin().await?;
    let active = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM koyalite.runs
           WHERE task_id = $1 AND status IN ('waiting', 'running')"#,
        task.id,
    )
    .fetch_one(&mut *tx)
    .await?;
    if usize::try_from(active).unwrap_or(usize::MAX) >= ACTIVE_RUNS_MAX {
        let reason = format!("{active} runs of this task wait or run already");
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let now = runs::now(&mut tx).await?;
    runs::insert(&mut tx, &[asked_for(&task, now)]).await?;
    let deed = Deed::new(Action::ScheduleRun, task.task());
    record_with(&mut tx, Chain::Project(task.project_id), deed).await?;
    tx.commit().await?;
    let filter = RunFilter {
        from: Some(now),
        to: Some(now + TimeDelta::microseconds(1)),
        ..RunFilter::default()
    };
    let made = list(registry, &task, &filter, &Page::first(1))
        .await?
        .items
        .pop();
    made.ok_or_else(|| RegistryError::not_found("run", now))
}

fn asked_for(task: &ScheduledTask, now: DateTime<Utc>) -> NewRun {
    NewRun {
        task: task.id,
        project: task.project_id,
        scheduled_for: now,
        fate: Fate::Waits {
            trigger: Trigger::Manual,
            not_before: now,
            turn: match task.rules.overlap {
                Overlap::Allow => Turn::Beside,
                Overlap::Skip | Overlap::Queue => Turn::OneByOne,
            },
        },
        reason: None,
        missed: 0,
    }
}

/// A range of the past.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[schema(as = TimeRange)]
pub struct Range {
    /// From this time on, itself included.
    pub from: DateTime<Utc>,
    /// Until this time, itself excluded.
    pub to: DateTime<Utc>,
}

/// What a backfill came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Backfilled {
    /// Firings in the range.
    pub due: usize,
    /// Those that are enqueued now.
    pub enqueued: usize,
    /// Those that have run, run, or wait: they stay as they are.
    pub left: usize,
}

/// Enqueues every firing of a range that has neither succeeded nor is under way. They run in their
/// order, behind what the schedule itself enqueues.
///
/// # Errors
/// `NotFound` for an unknown task; `Invalid` for a range that is empty, not over, or too long.
pub async fn backfill(
    registry: &Registry,
    project: &ProjectName,
    task: &str,
    range: Range,
) -> Result<Backfilled, RegistryError> {
    let task = find(registry, project, task).await?;
    let mut tx = registry.begin().await?;
    let now = runs::now(&mut tx).await?;
    let times = times_in(&schedule(&task)?, range, now)?;
    let serial = task.rules.overlap != Overlap::Allow;
    let ids: Vec<Uuid> = times.iter().map(|_| Uuid::now_v7()).collect();
    let enqueued = sqlx::query!(
        "INSERT INTO koyalite.runs (id, task_id, project_id, scheduled_for, attempt, status, trigger,
             not_before, serial)
         SELECT n.id, $1, $2, n.due,
             1 + coalesce((SELECT max(r.attempt) FROM koyalite.runs r
                           WHERE r.task_id = $1 AND r.scheduled_for = n.due), 0),
             'waiting', 'backfill', clock_timestamp(), $3
         FROM unnest($4::uuid[], $5::timestamptz[]) AS n (id, due)
         WHERE NOT EXISTS (SELECT FROM koyalite.runs r
                           WHERE r.task_id = $1 AND r.scheduled_for = n.due
                               AND r.status IN ('waiting', 'running', 'succeeded'))
         ON CONFLICT (task_id, scheduled_for, attempt) DO NOTHING",
        task.id,
        task.project_id,
        serial,
        &ids,
        &times,
    )
    .execute(&mut *tx)
    .await?;
    let deed = Deed::new(Action::ScheduleBackfill, task.task())
        .with("from", range.from.to_rfc3339())
        .with("to", range.to.to_rfc3339());
    record_with(&mut tx, Chain::Project(task.project_id), deed).await?;
    tx.commit().await?;
    let enqueued = usize::try_from(enqueued.rows_affected()).unwrap_or(usize::MAX);
    Ok(Backfilled {
        due: times.len(),
        enqueued,
        left: times.len().saturating_sub(enqueued),
    })
}

fn times_in(
    schedule: &Schedule,
    range: Range,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, RegistryError> {
    let mut mistakes = Vec::new();
    if range.from >= range.to {
        mistakes.push(Mistake::new("to", "write a time after `from`"));
    }
    if range.to > now {
        let message = "write a time that has passed: what is still to come fires by itself";
        mistakes.push(Mistake::new("to", message));
    }
    super::error::refuse_if_any(mistakes)?;
    let mut times = Vec::new();
    let mut at = range.from - TimeDelta::nanoseconds(1);
    while let Some(due) = schedule.next_after(at).filter(|due| *due < range.to) {
        if times.len() == BACKFILL_MAX {
            let message = format!(
                "the range has more than {BACKFILL_MAX} firings; end it at {due} and go on from there"
            );
            return Err(RegistryError::invalid("to", message));
        }
        times.push(due);
        at = due;
    }
    Ok(times)
}
