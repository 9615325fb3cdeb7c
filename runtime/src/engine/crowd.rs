//! Whose calls leave the others on a thread of connections waiting.
//!
//! Below a slice nothing divides such a thread: it serves whoever is ready in turn, and a hundred callers of
//! one project are a hundred turns beside the one of another. As long as a round of all of them is short
//! nobody minds. Where it is long, and more than one project is on the thread, the calls of who holds most of
//! it go elsewhere for a while, and need a CPU permit from their first instruction on. How many there are then, and
//! what they use, says whether they may come back: to try it would be another long round.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::clock::thread_time;
use crate::cores;

/// What is looked at together: some hundred small calls, few enough that a crowd is noticed at once.
const WINDOW: Duration = Duration::from_millis(20);

/// A round of the thread that nobody has to mind: fifteen callers of a small function.
const ROUND: Duration = Duration::from_millis(1);

/// How long who was in the way stays away at first. Each time that it would be in the way after it, or comes
/// back and is in the way again, it is twice as long.
const AWAY: Duration = Duration::from_secs(1);

/// And at most.
const AWAY_MAX: Duration = Duration::from_secs(16);

thread_local! {
    static HERE: RefCell<Crowd> = RefCell::default();
}

/// Where calls of this project are to go on elsewhere for now: what is to be told there.
pub(super) fn away(project: Uuid) -> Option<Arc<Tally>> {
    HERE.with_borrow_mut(|crowd| match crowd.away.is_empty() {
        true => None,
        false => crowd.away(project, Instant::now()),
    })
}

/// A call of this project has held the thread for so long.
pub(super) fn held(project: Uuid, time: Duration) {
    if cores::current().is_none() {
        return;
    }
    let now = Instant::now();
    let suspect = HERE.with_borrow_mut(|crowd| crowd.held((project, time), now));
    if let Some(suspect) = suspect {
        // Who is ready by now comes first, so this waits for one round. What others of the machine do to
        // this thread meanwhile is not the round's.
        let before = thread_time();
        tokio::spawn(async move {
            if thread_time().saturating_sub(before) >= ROUND {
                tracing::debug!(project = %suspect, "in the way of others: its calls go on elsewhere");
                HERE.with_borrow_mut(|crowd| crowd.send_away(suspect, Instant::now()));
            }
        });
    }
}

/// What is known of the calls of a project that had to leave a thread.
#[derive(Debug, Default)]
pub(super) struct Tally {
    alive: AtomicU32,
    polls: AtomicU32,
    nanoseconds: AtomicU64,
}

impl Tally {
    /// What they would use in a round of the thread, all of them, by the mean since it was asked last.
    fn round(&self) -> Duration {
        let used = Duration::from_nanos(self.nanoseconds.swap(0, Ordering::Relaxed));
        let polls = self.polls.swap(0, Ordering::Relaxed).max(1);
        used / polls * self.alive.load(Ordering::Relaxed)
    }
}

/// A call that had to leave, until it ends.
#[derive(Debug)]
pub(super) struct Leaver(Arc<Tally>);

impl Leaver {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        tally.alive.fetch_add(1, Ordering::Relaxed);
        Self(tally)
    }

    /// It has been polled, and used so much.
    pub(super) fn used(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.0.polls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The projects on one thread.
#[derive(Debug, Default)]
struct Crowd {
    begun: Option<Instant>,
    held: Vec<(Uuid, Duration)>,
    /// When anybody held the thread last, which who is away does not.
    held_at: Option<Instant>,
    away: Vec<Absent>,
}

/// Who is away, or was until a moment ago.
#[derive(Debug)]
struct Absent {
    project: Uuid,
    until: Instant,
    time: Duration,
    since: Instant,
    tally: Arc<Tally>,
}

impl Crowd {
    fn away(&mut self, project: Uuid, now: Instant) -> Option<Arc<Tally>> {
        let mut away = self.away.iter_mut();
        let absent = away.find(|absent| absent.project == project)?;
        if absent.until <= now {
            let are_others_here = self.held_at >= Some(absent.since);
            if absent.tally.round() < ROUND || !are_others_here {
                return None;
            }
            absent.time = (absent.time * 2).min(AWAY_MAX);
            absent.since = now;
            absent.until = now + absent.time;
        }
        Some(Arc::clone(&absent.tally))
    }

    fn send_away(&mut self, project: Uuid, now: Instant) {
        // Several windows may have ended in the same long round.
        if self.away(project, now).is_some() {
            return;
        }
        // As long as it was away, it is remembered that it was.
        self.away.retain(|absent| now < absent.until + absent.time);
        let known = self
            .away
            .iter()
            .position(|absent| absent.project == project);
        let before = known.map(|known| self.away.swap_remove(known).time);
        let time = before.map_or(AWAY, |before| (before * 2).min(AWAY_MAX));
        self.away.push(Absent {
            project,
            until: now + time,
            time,
            since: now,
            tally: Arc::default(),
        });
    }

    /// Who has held the thread for far more than a share of its own, at the end of a window.
    fn held(&mut self, (project, time): (Uuid, Duration), now: Instant) -> Option<Uuid> {
        self.held_at = Some(now);
        match self.held.iter_mut().find(|(who, _)| *who == project) {
            Some((_, all)) => *all += time,
            None => self.held.push((project, time)),
        }
        let begun = *self.begun.get_or_insert(now);
        if now.saturating_duration_since(begun) < WINDOW {
            return None;
        }
        self.begun = None;
        let held = std::mem::take(&mut self.held);
        let all: Duration = held.iter().map(|(_, time)| *time).sum();
        let (most, longest) = held.iter().max_by_key(|(_, time)| *time)?;
        let projects = u32::try_from(held.len()).unwrap_or(u32::MAX);
        // Half as much again as everybody's share.
        (projects > 1 && *longest * 2 * projects > all * 3).then_some(*most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Who is suspected where these have held the thread for so many milliseconds of a window.
    fn check(held: &[u32], suspect: Option<usize>) {
        let (mut crowd, begin) = (Crowd::default(), Instant::now());
        let id = |number: usize| Uuid::from_u128(number as u128);
        for (number, held) in held.iter().enumerate() {
            let said = crowd.held((id(number), MS * *held), begin);
            assert_eq!(said, None);
        }
        let said = crowd.held((id(0), Duration::ZERO), begin + WINDOW);
        assert_eq!(said, suspect.map(id), "{held:?}");
        // The next window begins with nothing.
        assert!(crowd.held.is_empty());
    }

    #[test]
    fn who_holds_far_more_than_its_share_is_suspected_and_nobody_where_it_is_alone() {
        check(&[20], None);
        check(&[10, 10], None);
        check(&[14, 6], None);
        check(&[16, 4], Some(0));
        check(&[1, 19], Some(1));
        check(&[7, 7, 6], None);
        check(&[4, 12, 4], Some(1));
    }

    fn is_away(crowd: &mut Crowd, project: Uuid, now: Instant) -> bool {
        crowd.away(project, now).is_some()
    }

    #[test]
    fn who_is_as_busy_as_ever_stays_away_while_there_are_others() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let leave = |crowd: &mut Crowd, each: Duration, now: Instant| -> Vec<Leaver> {
            let tally = crowd.away(one, now).unwrap();
            let leavers = (0..10).map(|_| Leaver::new(Arc::clone(&tally)));
            leavers.inspect(|leaver| leaver.used(each)).collect()
        };
        crowd.send_away(one, now);
        let calls = leave(&mut crowd, ROUND / 10, now);
        crowd.held((other, MS), now);
        assert!(is_away(&mut crowd, one, now + AWAY));
        drop(calls);
        // It is away for twice as long, and would take little of a round by then.
        let calls = leave(&mut crowd, ROUND / 20, now + AWAY);
        crowd.held((other, MS), now + 2 * AWAY);
        assert!(is_away(&mut crowd, one, now + 3 * AWAY - MS));
        assert!(!is_away(&mut crowd, one, now + 3 * AWAY));
        drop(calls);
        // Those that have ended are in nobody's way.
        let mut at = now + 10 * AWAY;
        crowd.send_away(one, at);
        drop(leave(&mut crowd, ROUND, at));
        crowd.held((other, MS), at);
        assert!(!is_away(&mut crowd, one, at + AWAY));
        // And where a project is alone it is in nobody's way either.
        at += 10 * AWAY;
        crowd.send_away(one, at);
        let _calls = leave(&mut crowd, ROUND, at);
        assert!(!is_away(&mut crowd, one, at + AWAY));
    }

    #[test]
    fn who_was_sent_away_comes_back_after_a_while() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let [one, other] = [1, 2].map(Uuid::from_u128);
        crowd.send_away(one, now);
        assert!(is_away(&mut crowd, one, now) && !is_away(&mut crowd, other, now));
        crowd.send_away(other, now + AWAY / 2);
        assert!(!is_away(&mut crowd, one, now + AWAY) && is_away(&mut crowd, other, now + AWAY));
        // Who comes back to do the same is away for longer, and not for ever.
        crowd.send_away(one, now + AWAY);
        assert!(
            is_away(&mut crowd, one, now + 2 * AWAY) && !is_away(&mut crowd, one, now + 3 * AWAY)
        );
        let mut at = now + 3 * AWAY;
        for time in [4 * AWAY, 8 * AWAY, AWAY_MAX, AWAY_MAX] {
            crowd.send_away(one, at);
            // What is said twice counts once.
            crowd.send_away(one, at + AWAY / 2);
            assert!(is_away(&mut crowd, one, at + time - AWAY / 2), "{time:?}");
            at += time;
            assert!(!is_away(&mut crowd, one, at), "{time:?}");
        }
        // After a while of peace nobody remembers.
        crowd.send_away(other, at + AWAY_MAX);
        assert_eq!(crowd.away.len(), 1);
        assert!(!is_away(&mut crowd, other, at + AWAY_MAX + AWAY));
    }

    /// On a thread of connections, with a round that is held up.
    #[test]
    fn a_project_in_the_way_of_another_is_sent_away_from_this_thread() {
        let cores = cores::Cores::start(1).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        cores.spawn(async move {
            let [crowding, other] = [1, 2].map(Uuid::from_u128);
            let mut seen = Vec::new();
            for busy in [Duration::ZERO, 4 * ROUND] {
                held(other, MS);
                held(crowding, 40 * MS);
                HERE.with_borrow_mut(|crowd| crowd.begun = Instant::now().checked_sub(WINDOW));
                held(crowding, MS);
                let until = Instant::now() + busy;
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
                seen.push((away(crowding).is_some(), away(other).is_some()));
            }
            tell.send(seen).unwrap();
        });
        let seen = told.recv().unwrap();
        assert_eq!(seen, [(false, false), (true, false)]);
        assert!(away(Uuid::from_u128(1)).is_none());
    }
}
