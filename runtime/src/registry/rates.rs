//! Whether one more request is within a project's rate limits, as its settings are. On this node: what
//! other nodes let through is not counted here, so each has its share. Where `n` nodes serve, a request
//! costs `n`: a share that follows when nodes come and go, without forgetting what has come of late.
//!
//! The generic cell rate algorithm: as many requests as the limit says may come at once, and each comes
//! back evenly over its time. Nothing here waits.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{InsufficientCapacity, NotUntil, Quota, RateLimiter};
use uuid::Uuid;

use super::settings::{Rate, RateLimits};

/// Callers are forgotten whose budget is whole again, this often: among so many requests.
const FORGET_EVERY: u32 = 4096;

type One = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;
type Many<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;
type Denied = NotUntil<<DefaultClock as governor::clock::Clock>::Instant>;

/// The limits of one project, and what has come of late.
pub struct Limiter {
    limits: RateLimits,
    project: Option<(Rate, One)>,
    keys: Option<(Rate, Many<Uuid>)>,
    callers: Option<(Rate, Many<u64>)>,
    clock: DefaultClock,
    hasher: RandomState,
    asked: AtomicU32,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// From [`Limiter::caller`].
    pub caller: u64,
    /// The API key, if there is one.
    pub key: Option<Uuid>,
    /// How many nodes share the limits.
    pub nodes: NonZeroU32,
}

/// How much is left, of the limit that is nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests that may come at once.
    pub limit: u32,
    /// How many of them are left, on this node.
    pub remaining: u32,
    /// When all of them are there again.
    pub reset: Duration,
}

/// A request too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this {of} may send {} requests in {} s; wait a little", .rate.requests, .rate.seconds)]
pub struct Exceeded {
    /// Whose limit: `project`, `API key` or `caller`.
    pub of: &'static str,
    /// The limit.
    pub rate: Rate,
    /// How long to wait.
    pub wait: Duration,
}

impl Limiter {
    /// A limiter for these limits; none where they limit nothing.
    #[must_use]
    pub fn new(limits: RateLimits) -> Option<Self> {
        if limits == RateLimits::default() {
            return None;
        }
        let one = |rate: Rate| -> Option<(Rate, One)> {
            Some((rate, RateLimiter::direct(quota(rate)?).with_middleware()))
        };
        Some(Self {
            project: limits.project.and_then(one),
            keys: limits.key.and_then(many),
            callers: limits.caller.and_then(many),
            limits,
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            asked: AtomicU32::new(0),
        })
    }

    /// The limits that it keeps.
    #[must_use]
    pub fn limits(&self) -> RateLimits {
        self.limits
    }

    /// A caller as it is counted: a number that nobody outside can choose.
    pub fn caller(&self, who: impl Hash) -> u64 {
        self.hasher.hash_one(who)
    }

    /// Counts a request. The caller's own limit comes first, the project's last: who is refused for
    /// themselves takes nothing from the others.
    ///
    /// # Errors
    /// The limit that has nothing left.
    pub fn check(&self, asking: Asking) -> Result<Option<Pace>, Exceeded> {
        self.forget_at_times();
        let mut nearest: Option<Pace> = None;
        let mut note = |rate: Rate, state: StateSnapshot| {
            let cost = cost(rate, asking.nodes);
            let pace = Pace::of(rate, state.remaining_burst_capacity() / cost.get());
            if nearest.is_none_or(|other| pace.remaining < other.remaining) {
                nearest = Some(pace);
            }
        };
        if let Some((rate, callers)) = &self.callers {
            let checked = counted(callers.check_key_n(&asking.caller, cost(*rate, asking.nodes)));
            let checked = checked.map_err(|denied| self.exceeded("caller", *rate, denied))?;
            checked.into_iter().for_each(|state| note(*rate, state));
        }
        if let (Some((rate, keys)), Some(key)) = (&self.keys, asking.key) {
            let checked = counted(keys.check_key_n(&key, cost(*rate, asking.nodes)));
            let checked = checked.map_err(|denied| self.exceeded("API key", *rate, denied))?;
            checked.into_iter().for_each(|state| note(*rate, state));
        }
        if let Some((rate, project)) = &self.project {
            let checked = counted(project.check_n(cost(*rate, asking.nodes)));
            let checked = checked.map_err(|denied| self.exceeded("project", *rate, denied))?;
            checked.into_iter().for_each(|state| note(*rate, state));
        }
        Ok(nearest)
    }

    fn exceeded(&self, of: &'static str, rate: Rate, denied: Denied) -> Exceeded {
        let wait = denied.wait_time_from(self.clock.now());
        Exceeded { of, rate, wait }
    }

    /// Addresses come and go; each is some forty bytes.
    fn forget_at_times(&self) {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            if let Some((_, callers)) = &self.callers {
                callers.retain_recent();
                callers.shrink_to_fit();
            }
            if let Some((_, keys)) = &self.keys {
                keys.retain_recent();
            }
        }
    }
}

impl Pace {
    fn of(rate: Rate, remaining: u32) -> Self {
        let missing = rate.requests.saturating_sub(remaining);
        Self {
            limit: rate.requests,
            remaining,
            reset: per_request(rate) * missing,
        }
    }
}

/// The limits; who has asked is nobody's business.
impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(&self.limits).finish()
    }
}

fn per_request(rate: Rate) -> Duration {
    Duration::from_secs(rate.seconds.into()) / rate.requests.max(1)
}

/// What one request takes of a limit that so many nodes share. A limit below the number of nodes lets one
/// through on each.
fn cost(rate: Rate, nodes: NonZeroU32) -> NonZeroU32 {
    let most = NonZeroU32::new(rate.requests).unwrap_or(NonZeroU32::MIN);
    nodes.min(most)
}

/// A cost is never more than a limit has; were it, the request would pass.
fn counted(
    checked: Result<Result<StateSnapshot, Denied>, InsufficientCapacity>,
) -> Result<Option<StateSnapshot>, Denied> {
    checked.map_or(Ok(None), |checked| checked.map(Some))
}

/// None of a rate that settings refuse.
fn quota(rate: Rate) -> Option<Quota> {
    let burst = NonZeroU32::new(rate.requests)?;
    Some(Quota::with_period(per_request(rate))?.allow_burst(burst))
}

fn many<K: Hash + Eq + Clone>(rate: Rate) -> Option<(Rate, Many<K>)> {
    Some((rate, RateLimiter::dashmap(quota(rate)?).with_middleware()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests: u32) -> Option<Rate> {
        Some(Rate {
            requests,
            seconds: 3600,
        })
    }

    /// How many requests in a row are let through, and what stops them.
    fn check(limits: RateLimits, key: Option<Uuid>, expected: (u32, &str)) {
        let limiter = Limiter::new(limits).unwrap();
        let asking = Asking {
            caller: limiter.caller("alice"),
            key,
            nodes: NonZeroU32::MIN,
        };
        let mut passed = 0;
        let stopped = loop {
            match limiter.check(asking) {
                Ok(_) => passed += 1,
                Err(exceeded) => break exceeded,
            }
        };
        assert_eq!((passed, stopped.of), expected);
        assert!(stopped.wait > Duration::from_secs(60), "{stopped:?}");
    }

    #[test]
    fn the_first_limit_that_is_used_up_stops_a_caller() {
        let limits = RateLimits {
            project: rate(10),
            key: rate(5),
            caller: rate(3),
        };
        check(limits, Some(Uuid::nil()), (3, "caller"));
        let (caller, key) = (None, Some(Uuid::nil()));
        check(RateLimits { caller, ..limits }, key, (5, "API key"));
        check(RateLimits { caller, ..limits }, None, (10, "project"));
        assert!(Limiter::new(RateLimits::default()).is_none());
    }

    #[test]
    fn who_is_stopped_for_themselves_takes_nothing_from_the_others() {
        let limits = RateLimits {
            project: rate(4),
            key: None,
            caller: rate(2),
        };
        let limiter = Limiter::new(limits).unwrap();
        let ask = |who: &str| {
            let caller = limiter.caller(who);
            limiter.check(Asking {
                caller,
                key: None,
                nodes: NonZeroU32::MIN,
            })
        };
        let remaining = |who: &str| ask(who).unwrap().unwrap().remaining;
        assert_eq!((remaining("eve"), remaining("eve")), (1, 0));
        for _ in 0..20 {
            assert_eq!(ask("eve").unwrap_err().of, "caller");
        }
        assert_eq!((remaining("bob"), remaining("bob")), (1, 0));
        assert_eq!(ask("carol").unwrap_err().of, "project");
    }

    #[test]
    fn nodes_share_a_limit_and_a_share_is_never_nothing() {
        let passed = |requests: u32, nodes: u32| {
            let limits = RateLimits {
                project: rate(requests),
                ..RateLimits::default()
            };
            let limiter = Limiter::new(limits).unwrap();
            let asking = Asking {
                caller: 0,
                key: None,
                nodes: NonZeroU32::new(nodes).unwrap(),
            };
            let first = limiter.check(asking).unwrap().unwrap().remaining;
            let others = (0..1000).filter(|_| limiter.check(asking).is_ok()).count();
            assert_eq!(first as usize, others, "{requests} {nodes}");
            others + 1
        };
        assert_eq!(passed(60, 1), 60);
        assert_eq!(passed(60, 3), 20);
        assert_eq!(passed(10, 4), 2);
        assert_eq!(passed(2, 5), 1);
    }

    #[test]
    fn what_has_been_used_comes_back_evenly() {
        let pace = Pace::of(
            Rate {
                requests: 60,
                seconds: 60,
            },
            50,
        );
        assert_eq!(pace.reset, Duration::from_secs(10));
    }
}
