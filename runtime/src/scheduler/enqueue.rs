//! Enqueuing: what is due becomes rows, each once: runs that wait, runs that were skipped or missed.
//!
//! One transaction: the due tasks are locked, the insert of a run decides, the task moves on to its
//! next time. A crash before the commit leaves everything due; after it, the rows are what is to be
//! done. Who starts them, and when, is another matter (`registry::leases::start`).

use chrono::{DateTime, Utc};

use super::cron::Schedule;
use super::plan::{Firing, Plan, When, plan};
use super::rules::Overlap;
use crate::registry::runs::{self, Advance, DueTask, Fate, NewRun, Trigger, Turn};
use crate::registry::{Registry, RegistryError};

/// Tasks locked at once. Large enough that a statement's price is shared, small enough that another
/// node finds work too.
pub(super) const BATCH_MAX: usize = 500;

/// Runs of one task that wait or run. A queue that long never gets empty by itself.
pub const ACTIVE_RUNS_MAX: usize = 100;

const DISABLED: &str = "the function is disabled";
const UNREADABLE: &str = "the cron expression can no longer be read; deploy the function again";

/// Enqueues what is due, of at most `limit` tasks; answers of how many.
pub(super) async fn enqueue(registry: &Registry, limit: usize) -> Result<usize, RegistryError> {
    let mut tx = registry.begin().await?;
    let now = runs::now(&mut tx).await?;
    let tasks = runs::lock_due(&mut tx, now, limit.try_into().unwrap_or(i64::MAX)).await?;
    let mut rows = Vec::with_capacity(tasks.len());
    let mut moves = Vec::with_capacity(tasks.len());
    for task in &tasks {
        let move_on = match Schedule::parse(&task.cron_schedule, &task.timezone) {
            Ok(schedule) => {
                let plan = plan(&schedule, &task.rules, task.due, now);
                let move_on = (plan.last, plan.next);
                rows.extend(task_runs(task, plan));
                move_on
            }
            Err(_) => {
                rows.push(row(
                    task,
                    task.due,
                    Fate::Skipped,
                    Some(UNREADABLE.to_owned()),
                ));
                (task.due, None)
            }
        };
        moves.push(Advance {
            task: task.id,
            last: move_on.0,
            next: move_on.1,
        });
    }
    if !tasks.is_empty() {
        runs::insert(&mut tx, &rows).await?;
        runs::advance(&mut tx, &moves).await?;
    }
    tx.commit().await?;
    Ok(tasks.len())
}

/// The rows of one task.
pub(super) fn task_runs(task: &DueTask, plan: Plan) -> Vec<NewRun> {
    let missed = plan.missed.into_iter();
    let mut rows: Vec<NewRun> = missed
        .map(|(due, reason)| row(task, due, Fate::Missed, Some(reason.to_owned())))
        .collect();
    let (mut busy, mut active) = (
        task.busy,
        usize::try_from(task.active).unwrap_or(usize::MAX),
    );
    for firing in plan.fire {
        rows.push(match hindrance(task, &firing, (busy, active)) {
            Some(reason) => row(task, firing.due, Fate::Skipped, Some(reason)),
            None => {
                // Those that are caught up in one go wait for each other instead of being skipped.
                if firing.when == When::OnTime {
                    busy = Some(firing.due);
                }
                active = active.saturating_add(1);
                let missed = firing.missed;
                let mut run = row(task, firing.due, fate(task, &firing), firing.reason);
                run.missed = missed;
                run
            }
        });
    }
    rows
}

fn row(task: &DueTask, due: DateTime<Utc>, fate: Fate, reason: Option<String>) -> NewRun {
    NewRun {
        task: task.id,
        project: task.project_id,
        scheduled_for: due,
        fate,
        reason,
        missed: 0,
    }
}

/// Why a firing does not run; `busy` and `active` are the runs of its task that are not over.
fn hindrance(
    task: &DueTask,
    firing: &Firing,
    (busy, active): (Option<DateTime<Utc>>, usize),
) -> Option<String> {
    if !task.enabled {
        return Some(DISABLED.to_owned());
    }
    if active >= ACTIVE_RUNS_MAX {
        return Some(format!("{active} runs of this task wait or run already"));
    }
    match (task.rules.overlap, busy) {
        (Overlap::Skip, Some(since)) if since < firing.due => {
            Some(format!("the run that was due at {since} is still going"))
        }
        (Overlap::Skip | Overlap::Queue | Overlap::Allow, _) => None,
    }
}

fn fate(task: &DueTask, firing: &Firing) -> Fate {
    let trigger = match firing.when {
        When::OnTime => Trigger::Schedule,
        When::Late => Trigger::CatchUp,
    };
    let turn = match (task.rules.overlap, firing.when) {
        (Overlap::Allow, When::OnTime) => Turn::Beside,
        // What is made up for goes one by one, in its order.
        (Overlap::Allow, When::Late) | (Overlap::Skip | Overlap::Queue, _) => Turn::OneByOne,
    };
    Fate::Waits {
        trigger,
        not_before: firing.due + task.rules.jitter(task.id),
        turn,
    }
}
