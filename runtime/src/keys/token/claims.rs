//! The claims of a token: written for a grant, checked against what the verifier expects.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use super::{CLOCK_SKEW, Grant, ISSUER, TokenError};

/// As OpenID Connect limits it, in characters of ASCII.
const SUBJECT_BYTES_MAX: usize = 255;

/// What the verifier asks of a token.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// The claims of a new token.
pub(super) fn for_grant(grant: Grant, now: DateTime<Utc>) -> Result<Map<String, Json>, TokenError> {
    check_subject(&grant.subject)?;
    let issued = now.timestamp();
    let lifetime = i64::try_from(grant.lifetime.as_secs()).unwrap_or(i64::MAX);
    let mut claims = grant.claims;
    for (name, value) in [
        ("iss", Json::from(ISSUER)),
        ("sub", Json::from(grant.subject)),
        ("aud", Json::from(grant.audience.to_string())),
        ("iat", Json::from(issued)),
        ("nbf", Json::from(issued)),
        ("exp", Json::from(issued.saturating_add(lifetime))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}

/// Checks the registered claims and gives the subject back.
pub(super) fn check(
    claims: &Map<String, Json>,
    expected: &Expected<'_>,
) -> Result<String, TokenError> {
    check_time(claims, expected.now)?;
    if claims.get("iss").and_then(Json::as_str) != Some(expected.issuer) {
        return Err(TokenError::WrongIssuer {
            expected: expected.issuer.to_owned(),
        });
    }
    check_audience(claims.get("aud"), expected.audience)?;
    let subject = claims.get("sub").and_then(Json::as_str).unwrap_or_default();
    check_subject(subject)?;
    Ok(subject.to_owned())
}

pub(super) fn check_time(claims: &Map<String, Json>, now: DateTime<Utc>) -> Result<(), TokenError> {
    // Fractions of a second are allowed in these claims; a double keeps them exact for millennia.
    let now = now.timestamp_millis() as f64 / 1000.0;
    let skew = CLOCK_SKEW.as_secs_f64();
    let expires = time(claims, "exp")?;
    let expires = expires.ok_or(TokenError::Malformed("it must have an expiry (`exp`)"))?;
    if now >= expires + skew {
        return Err(TokenError::Expired);
    }
    // A token from the future was not issued by a clock like ours, whatever else it says.
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|from| from > now + skew) {
            return Err(TokenError::NotYetValid);
        }
    }
    Ok(())
}

fn time(claims: &Map<String, Json>, name: &str) -> Result<Option<f64>, TokenError> {
    const NOT_A_TIME: TokenError =
        TokenError::Malformed("`exp`, `nbf` and `iat` must be seconds since 1970, as numbers");
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(NOT_A_TIME),
    }
}

fn check_audience(claim: Option<&Json>, expected: &str) -> Result<(), TokenError> {
    let named = match claim {
        Some(Json::String(one)) => one == expected,
        Some(Json::Array(several)) => several.iter().any(|one| one.as_str() == Some(expected)),
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) | None => false,
    };
    if named {
        Ok(())
    } else {
        Err(TokenError::WrongAudience {
            expected: expected.to_owned(),
        })
    }
}

fn check_subject(subject: &str) -> Result<(), TokenError> {
    let printable = !subject.chars().any(char::is_control);
    let fits = (1..=SUBJECT_BYTES_MAX).contains(&subject.len());
    if fits && printable {
        Ok(())
    } else {
        Err(TokenError::NoSubject)
    }
}
