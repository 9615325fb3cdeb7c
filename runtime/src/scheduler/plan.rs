//! What becomes of a task that is due: which of its firings run, which are too late. Pure.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::cron::Schedule;
use super::rules::{CatchUp, Rules};

/// Firings of one task that are made up for, or get a row as missed, at once. More of them say nothing
/// new, and a task of every second must not fill the table after a week without nodes.
pub const CATCH_UP_ROWS_MAX: usize = 100;

/// A firing this late was missed rather than late. Under it, the delay is the queue's or a restart's.
pub(super) const LATE_AFTER: TimeDelta = TimeDelta::minutes(1);

/// Where the search for missed firings begins; it widens until there are enough of them.
const FIRST_WINDOW: TimeDelta = TimeDelta::seconds(CATCH_UP_ROWS_MAX as i64);

const MISSED: &str = "no node was there at the time; the latest missed firing ran instead";
const MISSED_AND_MORE: &str =
    "no node was there at the time; neither were the firings before this one, which are not listed";
const NO_CATCH_UP: &str = "no node was there at the time; this schedule does not catch up";
const TOO_LATE: &str = "no node was there at the time; it is older than the catch-up window";

/// A firing that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Firing {
    pub(super) due: DateTime<Utc>,
    pub(super) when: When,
    /// How many earlier firings it stands for.
    pub(super) missed: usize,
    /// Said where it is late.
    pub(super) reason: Option<String>,
}

/// Whether a firing is on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    OnTime,
    Late,
}

/// What becomes of a due task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Firings that do not run, oldest first, each with its reason.
    pub(super) missed: Vec<(DateTime<Utc>, &'static str)>,
    /// Firings that run, oldest first.
    pub(super) fire: Vec<Firing>,
    /// The latest one of either.
    pub(super) last: DateTime<Utc>,
    /// The next one.
    pub(super) next: Option<DateTime<Utc>>,
}

/// Decides about a task that has been due since `due`.
pub(super) fn plan(
    schedule: &Schedule,
    rules: &Rules,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Plan {
    let (mut times, complete) = due_times(schedule, due, now);
    let last = times.back().copied().unwrap_or(due);
    let next = schedule.next_after(now.max(last));
    let (mut missed, mut fire) = (Vec::new(), Vec::new());
    // What is not listed is said all the same, in the row of the oldest.
    if complete == Complete::No {
        missed.extend(times.pop_front().map(|time| (time, MISSED_AND_MORE)));
    }
    for time in times {
        let runs = match rules.catch_up {
            _ if now - time > rules.window() => Err(TOO_LATE),
            CatchUp::Latest if time == last => Ok(()),
            CatchUp::Latest => Err(MISSED),
            CatchUp::All => Ok(()),
            CatchUp::None if time == last && now - time <= LATE_AFTER => Ok(()),
            CatchUp::None => Err(NO_CATCH_UP),
        };
        match runs {
            Ok(()) => fire.push(time),
            Err(reason) => missed.push((time, reason)),
        }
    }
    // Whoever runs first stands for what did not.
    let mut stands_for = missed.len();
    let firing = |due| Firing {
        due,
        when: when(due, now),
        missed: std::mem::take(&mut stands_for),
        reason: None,
    };
    let fire = fire.into_iter().map(firing).map(Firing::explained);
    let fire = fire.collect();
    Plan {
        missed,
        fire,
        last,
        next,
    }
}

impl Firing {
    fn explained(mut self) -> Self {
        self.reason = match (self.when, self.missed) {
            (When::OnTime, _) => None,
            (When::Late, 0) => Some("caught up late".to_owned()),
            (When::Late, missed) => {
                Some(format!("caught up late, for {missed} earlier firings too"))
            }
        };
        self
    }
}

fn when(due: DateTime<Utc>, now: DateTime<Utc>) -> When {
    match now - due > LATE_AFTER {
        true => When::Late,
        false => When::OnTime,
    }
}

/// Whether a list of firings lacks earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complete {
    Yes,
    No,
}

/// The firings from `due` to `now`, at most the last so many.
fn due_times(
    schedule: &Schedule,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (VecDeque<DateTime<Utc>>, Complete) {
    let mut window = FIRST_WINDOW;
    // Years of a schedule by the second are not walked through: the last firings are enough.
    loop {
        let from = now - window;
        if from <= due {
            return latest(schedule, Some(due), due, now);
        }
        let (times, complete) = latest(schedule, None, from, now);
        if times.len() > CATCH_UP_ROWS_MAX {
            return (times, complete);
        }
        window = window.checked_mul(4).unwrap_or(TimeDelta::MAX);
    }
}

/// The last firings up to `now`: `first`, then those after `from`.
fn latest(
    schedule: &Schedule,
    first: Option<DateTime<Utc>>,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> (VecDeque<DateTime<Utc>>, Complete) {
    let mut complete = match first {
        Some(_) => Complete::Yes,
        None => Complete::No,
    };
    let mut times: VecDeque<_> = first.into_iter().collect();
    let mut at = from;
    while let Some(time) = schedule.next_after(at).filter(|time| *time <= now) {
        times.push_back(time);
        if times.len() > CATCH_UP_ROWS_MAX + 1 {
            times.pop_front();
            complete = Complete::No;
        }
        at = time;
    }
    (times, complete)
}
