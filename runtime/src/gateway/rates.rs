//! A project's rate limits at the border: a request too many is answered 429, and every answer says how
//! much is left. Where a project has none, nothing is looked at, locked or allocated.

use std::num::NonZeroU32;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, request};
use koyalite_policy::Identity;

use super::auth::Credential;
use super::choose::Chosen;
use super::client::{self, Proxies};
use super::error::GatewayError;
use crate::http::{Code, Problem};
use crate::registry::ProjectEntry;
use crate::registry::rates::{Asking, Exceeded, Pace};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Counts the request; none where the project has no limits.
pub(super) fn check(
    chosen: &Chosen,
    parts: &request::Parts,
    around: (&Proxies, NonZeroU32),
) -> Result<Option<Pace>, GatewayError> {
    let whose = (&chosen.identity, chosen.credential);
    count(&chosen.selected.project, whose, parts, around)
}

/// The same, for what is no call of a function.
pub(super) fn count(
    project: &ProjectEntry,
    (identity, credential): (&Identity, Credential),
    parts: &request::Parts,
    (proxies, nodes): (&Proxies, NonZeroU32),
) -> Result<Option<Pace>, GatewayError> {
    let Some(limiter) = &project.limiter else {
        return Ok(None);
    };
    let key = match credential {
        Credential::Key(key) => Some(key),
        Credential::None | Credential::Project | Credential::Control(_) => None,
    };
    // Users are counted wherever they call from, and all others by their address.
    let caller = match identity {
        Identity::User(user) => limiter.caller(user.subject()),
        Identity::Anonymous | Identity::Service(_) => {
            limiter.caller(client::address(parts, proxies))
        }
    };
    Ok(limiter.check(Asking { caller, key, nodes })?)
}

/// Says how much is left.
pub(super) fn tell(headers: &mut HeaderMap, pace: Pace) {
    headers.insert(LIMIT, pace.limit.into());
    headers.insert(REMAINING, pace.remaining.into());
    headers.insert(RESET, seconds(pace.reset).into());
}

/// The problem of a request too many.
pub(super) fn refused(exceeded: Exceeded, detail: String) -> Problem {
    let wait = seconds(exceeded.wait);
    let header = |number: u64| HeaderValue::from(number);
    Problem::new(Code::RateLimited, detail)
        .with_header(RETRY_AFTER, header(wait))
        .with_header(LIMIT, header(exceeded.rate.requests.into()))
        .with_header(REMAINING, header(0))
        .with_header(RESET, header(wait))
}

/// Whole seconds, never too few.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
