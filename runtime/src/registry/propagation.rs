//! How a change reaches every node, and how a node knows that it is behind.
//!
//! Each node looks at the head row: often after a change, else once a second. It serves what it finds and
//! writes down which number that is. Looking is what it relies on: it works through any pooler, and misses
//! nothing, because numbers are in the order of commits (`change`). A hint (`hint`) makes it look at once. How old the last look is says how
//! far a node can be trusted that is cut off from the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::error::RegistryError;
use super::nodes::{BEAT_INTERVAL, ThisNode};
use super::{Outage, Registry, snapshot};

/// How often a node looks whether something has changed. One index-free read of one row.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The same for a while after a change, because changes come in groups, and while nobody answers.
const POLL_INTERVAL_BUSY: Duration = Duration::from_millis(250);

/// How long that while is.
const BUSY_FOR: Duration = Duration::from_secs(10);

/// Of each interval so much is left to chance, so that nodes that started together do not ask together.
const JITTER: f64 = 0.2;

/// Changes made here within this time are said in one word to the others.
const GATHER: Duration = Duration::from_millis(20);

/// A look that takes longer has met a network that swallows it; the next one takes another connection.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The same for reading what has changed, which after a start elsewhere may be thousands of functions.
const LOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Nodes that hear the same hint do not ask together either: so much time for each of them.
const SPREAD_EACH: Duration = Duration::from_micros(200);

/// How often a node looks: as a rule, and for a while after a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    usual: Duration,
    busy: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            usual: POLL_INTERVAL,
            busy: POLL_INTERVAL_BUSY,
        }
    }
}

impl Pace {
    /// Until the next look, that long after the last change; `chance` is between 0 and 1.
    fn pause(self, quiet: Duration, chance: f64) -> Duration {
        let usual = match quiet < BUSY_FOR {
            true => self.busy,
            false => self.usual,
        };
        // Never later than the interval itself says.
        usual.mul_f64(1.0 - JITTER * chance)
    }
}

/// Why a node looks now.
enum Cause {
    ChangedHere,
    Told,
    Time,
}

/// When this node last knew the truth.
#[derive(Debug)]
pub(super) struct Freshness {
    start: Instant,
    /// Milliseconds from the start to the last look that was answered.
    seen_ms: AtomicU64,
    /// For how long that is good enough.
    lasts: Duration,
}

impl Freshness {
    pub(super) fn at(start: Instant) -> Self {
        Self {
            start,
            seen_ms: AtomicU64::new(0),
            lasts: Duration::MAX,
        }
    }

    fn note(&self, looked: Instant) {
        self.seen_ms
            .fetch_max(millis(looked - self.start), Ordering::Relaxed);
    }

    fn age(&self, now: Instant) -> Duration {
        let seen = Duration::from_millis(self.seen_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.start)
            .saturating_sub(seen)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Which nodes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of one region.
    Region(String),
}

impl Scope {
    fn region(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Region(name) => Some(name),
        }
    }
}

/// A node that does not serve a change yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lagging {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// What it serves.
    pub seq: i64,
}

impl Registry {
    /// The same, which is stale after that time without the truth.
    #[must_use]
    pub fn trusted_for(mut self, time: Duration) -> Self {
        self.freshness.lasts = time;
        self
    }

    /// Whether what this node serves may be older than its operator lets it be.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.age() > self.freshness.lasts
    }

    /// How long ago this node last knew that it serves the latest state.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.freshness.age(Instant::now())
    }

    /// Loads the snapshot again if the database has a later one.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`; the old snapshot goes on being served.
    pub async fn refresh(&self) -> Result<(), RegistryError> {
        let _one_at_a_time = bounded(LOAD_TIMEOUT, async { Ok(self.reload.lock().await) }).await?;
        let looked = Instant::now();
        let head = bounded(LOOK_TIMEOUT, self.head()).await?;
        if head > self.snapshot.load().seq {
            // What has changed may have been sealed by a node that has a newer ring.
            self.renew_keys();
            let (before, ring) = (self.snapshot.load_full(), self.ring());
            let load = snapshot::load(&self.pool, &ring, &before);
            let snapshot = bounded(LOAD_TIMEOUT, Box::pin(load)).await?;
            self.snapshot.store(Arc::new(snapshot));
        }
        self.freshness.note(looked);
        Ok(())
    }

    /// The number of the last change.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub async fn head(&self) -> Result<i64, RegistryError> {
        let head = sqlx::query_scalar!("SELECT seq FROM koyalite.head");
        Ok(head.fetch_one(&self.pool).await?)
    }

    /// Follows changes made by other nodes until `stop`, and says what this one serves.
    pub async fn follow(&self, node: ThisNode, stop: CancellationToken) {
        let (mut looking, mut telling) = (Outage::default(), Outage::default());
        let (mut said, mut changed) = (i64::MIN, Instant::now());
        loop {
            let pause = self.pace.pause(changed.elapsed(), rand::random());
            let cause = tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => Cause::ChangedHere,
                () = self.told.notified() => Cause::Told,
                () = tokio::time::sleep(pause) => Cause::Time,
            };
            self.before_looking(cause).await;
            if looking
                .note(self.refresh().await, "following changes")
                .is_none()
            {
                // As soon as it is back, what depends on it is.
                changed = Instant::now();
                continue;
            }
            let serves = self.snapshot.load().seq;
            if serves == said {
                continue;
            }
            changed = Instant::now();
            let told = bounded(LOOK_TIMEOUT, self.say(&node, serves)).await;
            if telling
                .note(told, "telling which state is served")
                .is_some()
            {
                said = serves;
            }
        }
    }

    async fn before_looking(&self, cause: Cause) {
        match cause {
            Cause::ChangedHere => {
                tokio::time::sleep(GATHER).await;
                // Who does not hear of it finds it.
                drop(bounded(LOOK_TIMEOUT, self.hint()).await);
            }
            Cause::Told => {
                let most = SPREAD_EACH.saturating_mul(self.live_nodes().get());
                let spread = most.min(POLL_INTERVAL_BUSY).mul_f64(rand::random());
                tokio::time::sleep(spread).await;
            }
            Cause::Time => {}
        }
    }

    /// The same, which looks by itself only that often.
    #[cfg(test)]
    pub(super) fn looking_every(mut self, time: Duration) -> Self {
        self.pace = Pace {
            usual: time,
            busy: time,
        };
        self
    }

    async fn say(&self, node: &ThisNode, serves: i64) -> Result<(), RegistryError> {
        let said = sqlx::query!(
            "UPDATE koyalite.nodes SET seq = greatest(seq, $2) WHERE id = $1",
            node.id,
            serves,
        );
        said.execute(&self.pool).await?;
        Ok(())
    }

    /// The nodes that may still serve a state before `seq`. One that fell silent is among them until
    /// it has become too old to serve anything.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub async fn lagging(&self, seq: i64, scope: &Scope) -> Result<Vec<Lagging>, RegistryError> {
        // A node looks between its beats too: its last look may be that much later than its last sign.
        let grace = i32::try_from(2 * BEAT_INTERVAL.as_secs()).unwrap_or(i32::MAX);
        let lagging = sqlx::query_as!(
            Lagging,
            "SELECT name, region, seq FROM koyalite.nodes
             WHERE seq < $1 AND ($2::text IS NULL OR region = $2)
                 AND seen_at > now() - make_interval(secs => stale_after_s + $3)
             ORDER BY region, name",
            seq,
            scope.region(),
            grace,
        );
        Ok(lagging.fetch_all(&self.pool).await?)
    }

    /// Whether any node is within that scope.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub async fn has_nodes(&self, scope: &Scope) -> Result<bool, RegistryError> {
        let any = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM koyalite.nodes WHERE $1::text IS NULL OR region = $1
               ) AS "any!""#,
            scope.region(),
        );
        Ok(any.fetch_one(&self.pool).await?)
    }
}

/// What has not come in time counts as a database that is away.
async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let late = |_elapsed| Err(sqlx::Error::PoolTimedOut.into());
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_looks_more_often_after_a_change_and_never_later_than_said() {
        let check = |quiet_s, chance, expected_ms| {
            let pause = Pace::default().pause(Duration::from_secs(quiet_s), chance);
            assert_eq!(pause.as_millis(), expected_ms, "{quiet_s} s, {chance}");
        };
        check(0, 0.0, 250);
        check(9, 1.0, 200);
        check(10, 0.0, 1000);
        check(3600, 1.0, 800);
    }

    #[test]
    fn the_age_counts_from_the_last_look_that_was_answered_and_never_goes_back() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let fresh = Freshness::at(start);
        assert_eq!(fresh.age(at(7)), Duration::from_secs(7));
        fresh.note(at(5));
        assert_eq!(fresh.age(at(7)), Duration::from_secs(2));
        // One that began earlier and was answered later.
        fresh.note(at(4));
        assert_eq!(fresh.age(at(7)), Duration::from_secs(2));
        assert_eq!(fresh.age(at(5)), Duration::ZERO);
    }
}
