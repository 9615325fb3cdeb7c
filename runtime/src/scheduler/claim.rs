//! Claiming: which due firings are ours, which are skipped, which were missed.
//!
//! One transaction: the due tasks are locked, the insert of a run decides who fires, the task moves
//! on to its next time. A crash before the commit leaves everything due; after it, the lease tells.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::cron::Schedule;
use super::fire::LEASE_S;
use crate::registry::runs::{self, Claimed, DueTask, Unrun};
use crate::registry::{Registry, RegistryError};

/// Tasks locked at once. Small enough that another node finds work too.
pub(super) const BATCH_MAX: usize = 64;

/// Missed firings of one task that get a row each. More of them say nothing new.
pub(super) const MISSED_ROWS_MAX: usize = 100;

/// A firing this late says so. Under it, the delay is the queue's or the clock's.
const LATE_AFTER: TimeDelta = TimeDelta::minutes(1);

/// Where the search for missed firings begins; it widens until there are enough of them.
const FIRST_WINDOW: TimeDelta = TimeDelta::seconds(MISSED_ROWS_MAX as i64);

const MISSED: &str = "no node was there at the time; the latest missed firing ran instead";
const MISSED_AND_MORE: &str =
    "no node was there at the time; neither were the firings before this one, which are not listed";
const DISABLED: &str = "the function is disabled";
const UNREADABLE: &str = "the cron expression can no longer be read; deploy the function again";

/// A firing that is ours.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) claimed: Claimed,
    pub(super) project_id: Uuid,
    pub(super) function_id: Uuid,
    pub(super) task: String,
    pub(super) scheduled_for: DateTime<Utc>,
}

/// What one look found.
#[derive(Debug)]
pub(super) struct Batch {
    /// Firings to run.
    pub(super) claimed: Vec<Due>,
    /// Due tasks that were handled, run or not.
    pub(super) seen: usize,
}

/// Claims what is due, at most `limit` tasks.
pub(super) async fn claim(registry: &Registry, limit: usize) -> Result<Batch, RegistryError> {
    let mut tx = registry.begin().await?;
    let now = runs::now(&mut tx).await?;
    let tasks = runs::lock_due(&mut tx, now, limit.try_into().unwrap_or(i64::MAX)).await?;
    let mut batch = Batch {
        claimed: Vec::new(),
        seen: tasks.len(),
    };
    for task in tasks {
        let Ok(schedule) = Schedule::parse(&task.cron_schedule, &task.timezone) else {
            runs::record(&mut tx, task.id, task.due, Unrun::Skipped, UNREADABLE).await?;
            runs::advance(&mut tx, task.id, task.due, None).await?;
            continue;
        };
        let plan = plan(&schedule, task.due, now);
        for (missed, reason) in &plan.missed {
            runs::record(&mut tx, task.id, *missed, Unrun::Missed, reason).await?;
        }
        runs::advance(&mut tx, task.id, plan.fire, plan.next).await?;
        if let Some(reason) = hindrance(&task) {
            runs::record(&mut tx, task.id, plan.fire, Unrun::Skipped, &reason).await?;
            continue;
        }
        let reason = plan.late.as_deref();
        if let Some(claimed) = runs::claim(&mut tx, task.id, plan.fire, LEASE_S, reason).await? {
            batch.claimed.push(Due {
                claimed,
                project_id: task.project_id,
                function_id: task.function_id,
                task: task.name,
                scheduled_for: plan.fire,
            });
        }
    }
    tx.commit().await?;
    Ok(batch)
}

/// Why a due task does not run.
fn hindrance(task: &DueTask) -> Option<String> {
    if !task.enabled {
        return Some(DISABLED.to_owned());
    }
    task.running
        .map(|since| format!("the run that was due at {since} is still going"))
}

/// What becomes of a due task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Firings that are too late, oldest first, each with its reason.
    pub(super) missed: Vec<(DateTime<Utc>, &'static str)>,
    /// The firing that runs: the latest that is due.
    pub(super) fire: DateTime<Utc>,
    /// Said where it is late.
    pub(super) late: Option<String>,
    /// The next one.
    pub(super) next: Option<DateTime<Utc>>,
}

/// Decides about a task that has been due since `due`. Pure.
pub(super) fn plan(schedule: &Schedule, due: DateTime<Utc>, now: DateTime<Utc>) -> Plan {
    let mut window = FIRST_WINDOW;
    // Years of a schedule by the second are not walked through: the last firings are enough.
    let (mut times, complete) = loop {
        let from = now - window;
        if from <= due {
            break latest(schedule, Some(due), due, now);
        }
        let (times, complete) = latest(schedule, None, from, now);
        if times.len() > MISSED_ROWS_MAX {
            break (times, complete);
        }
        window = window.checked_mul(4).unwrap_or(TimeDelta::MAX);
    };
    let fire = times.pop_back().unwrap_or(due);
    let reason = |index: usize| match (index, complete) {
        (0, Complete::No) => MISSED_AND_MORE,
        _ => MISSED,
    };
    let missed: Vec<_> = times
        .into_iter()
        .enumerate()
        .map(|(index, time)| (time, reason(index)))
        .collect();
    let late = (now - fire > LATE_AFTER).then(|| match missed.len() {
        0 => "caught up late".to_owned(),
        missed => format!("caught up late, for {missed} earlier firings too"),
    });
    Plan {
        missed,
        fire,
        late,
        next: schedule.next_after(now.max(fire)),
    }
}

/// Whether a list of firings lacks earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complete {
    Yes,
    No,
}

/// The last firings up to `now`: `first`, then those after `from`.
fn latest(
    schedule: &Schedule,
    first: Option<DateTime<Utc>>,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (VecDeque<DateTime<Utc>>, Complete) {
    let mut complete = if first.is_some() {
        Complete::Yes
    } else {
        Complete::No
    };
    let mut times: VecDeque<_> = first.into_iter().collect();
    let mut at = from;
    while let Some(time) = schedule.next_after(at).filter(|time| *time <= now) {
        times.push_back(time);
        if times.len() > MISSED_ROWS_MAX + 1 {
            times.pop_front();
            complete = Complete::No;
        }
        at = time;
    }
    (times, complete)
}
