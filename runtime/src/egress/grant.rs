//! What one invocation may send: its function's allow-list and what is left of its budget.
//! Clones share the budget, so concurrent requests of one invocation are counted together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::allow::AllowList;
use super::host::Target;
use super::{EgressError, REQUEST_TIMEOUT};

/// Requests one invocation may send unless its manifest says otherwise: enough for a page of fan-out, too few for a scan or a flood.
pub const REQUESTS_PER_INVOCATION_MAX: u32 = 50;

/// Permission to send, made once per invocation.
#[derive(Debug, Clone)]
pub struct EgressGrant {
    allow: Arc<AllowList>,
    all: u32,
    left: Arc<AtomicU32>,
    patience: Duration,
}

impl EgressGrant {
    /// The usual budget over this allow-list.
    #[must_use]
    pub fn new(allow: Arc<AllowList>) -> Self {
        Self::of(REQUESTS_PER_INVOCATION_MAX, REQUEST_TIMEOUT, allow)
    }

    /// So many requests over this allow-list, each waiting so long.
    #[must_use]
    pub fn of(requests: u32, patience: Duration, allow: Arc<AllowList>) -> Self {
        Self {
            allow,
            all: requests,
            left: Arc::new(AtomicU32::new(requests)),
            patience,
        }
    }

    /// How long a request may wait for its answer, and for each piece of it.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// A grant that allows nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(Arc::default())
    }

    /// How many requests are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes one request off the budget if the target is allowed. A refused target costs nothing
    /// here: no traffic follows from it, and host calls have a limit of their own.
    pub(crate) fn admit(&self, target: &Target) -> Result<(), EgressError> {
        if !self.allow.allows(target) {
            return Err(EgressError::NotAllowed {
                host: target.to_string(),
            });
        }
        // Relaxed: the counter guards no other memory.
        let take = |left: u32| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => Ok(()),
            Err(_) => Err(EgressError::BudgetSpent { requests: self.all }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Target {
        Target::parse(&uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn clones_spend_one_budget_and_refused_targets_cost_nothing() {
        let allow = AllowList::parse(&["https://a.example"]).unwrap();
        let grant = EgressGrant::new(Arc::new(allow));
        let clone = grant.clone();
        assert!(grant.admit(&target("https://b.example/")).is_err());
        for _ in 0..REQUESTS_PER_INVOCATION_MAX {
            assert!(clone.admit(&target("https://a.example/")).is_ok());
        }
        assert_eq!(grant.left(), 0);
        let spent = grant.admit(&target("https://a.example/"));
        assert!(
            matches!(spent, Err(EgressError::BudgetSpent { requests }) if requests == REQUESTS_PER_INVOCATION_MAX)
        );
    }

    #[test]
    fn a_function_may_have_a_budget_of_its_own() {
        let allow = AllowList::parse(&["https://a.example"]).unwrap();
        let grant = EgressGrant::of(1, REQUEST_TIMEOUT, Arc::new(allow));
        assert!(grant.admit(&target("https://a.example/")).is_ok());
        let spent = grant.admit(&target("https://a.example/")).unwrap_err();
        assert!(spent.to_string().contains("all of its 1 outbound"));
    }

    #[test]
    fn the_empty_grant_allows_nothing() {
        let refused = EgressGrant::nothing().admit(&target("https://a.example/"));
        assert!(matches!(refused, Err(EgressError::NotAllowed { .. })));
    }
}
