//! Which of the versions that serve has this request: by what its caller is known by, where the deployment
//! says so, else by the request's own id. No lock, no allocation, the same on every node.

use std::sync::Arc;

use http::HeaderMap;
use http::header::COOKIE;
use koyalite_policy::{Identity, User};
use serde_json::Value;
use uuid::Uuid;

use crate::registry::deploy::affinity::{Affinity, Draw};
use crate::registry::{FunctionEntry, VersionEntry};

/// The version for a request whose caller has asked for none.
pub(super) fn pick<'a>(
    function: &'a FunctionEntry,
    identity: &Identity,
    (headers, id): (&HeaderMap, Uuid),
) -> &'a Arc<VersionEntry> {
    let Some(canary) = &function.deployment.canary else {
        return &function.active;
    };
    let draw = || Draw::of(canary.version.id);
    let known = match &canary.affinity {
        None => None,
        Some(Affinity::Header(name)) => {
            let value = headers.get(name).filter(|value| !value.is_empty());
            value.map(|value| draw().by(value.as_bytes()))
        }
        Some(Affinity::Cookie(name)) => cookie(headers, name).map(|value| draw().by(value)),
        Some(Affinity::Claim(name)) => match identity {
            Identity::User(user) => claim(user, name, draw),
            Identity::Anonymous | Identity::Service(_) => None,
        },
    };
    let draw = known.unwrap_or_else(|| draw().by(id.as_bytes()));
    match draw.falls_to(canary.weight) {
        true => &canary.version,
        false => &function.active,
    }
}

/// The value of a cookie, if it is there and not empty.
fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(wanted.len())?;
        let value = value.strip_prefix(b"=")?;
        (name == wanted.as_bytes() && !value.is_empty()).then_some(value)
    })
}

/// A draw by a claim that is text, a number or a truth value.
fn claim(user: &User, name: &str, draw: impl FnOnce() -> Draw) -> Option<Draw> {
    if name == "sub" {
        return Some(draw().by(user.subject().as_bytes()));
    }
    match user.claims().get(name)? {
        Value::String(text) => Some(draw().by(text.as_bytes())),
        Value::Number(number) => Some(draw().by_text(number)),
        Value::Bool(truth) => Some(draw().by_text(truth)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(line: &'static str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static(line));
        let value = cookie(&headers, "sid").map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!(value, expected, "{line}");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        check("sid=1", Some("1"));
        check("a=2; sid=1;b=3", Some("1"));
        check("asid=2; sid=a=b", Some("a=b"));
        check("sid=", None);
        check("sidx=1", None);
        check("sid", None);
        check("SID=1", None);
    }
}
