//! A project's API keys at the border: found in `authorization` or in `apikey`, judged by the project's
//! own, and taken away before a guest sees them.
//!
//! Only what has the form of a key is one: whatever else a function's callers send in `apikey` is the
//! function's own affair.

use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use koyalite_policy::{FunctionName, Identity, Service};

use super::auth::{AuthError, Caller, Credential};
use crate::keys::{TokenError, api_key, bearer};
use crate::registry::api_keys::{KeyEntry, Keys, Scope};

/// Where clients of Supabase put it.
const APIKEY: HeaderName = HeaderName::from_static("apikey");

/// The entry of the key in `apikey`, where there is one.
pub(super) fn beside<'a>(
    headers: &HeaderMap,
    keys: &'a Keys,
    now: DateTime<Utc>,
) -> Result<Option<&'a KeyEntry>, AuthError> {
    let mut values = headers.get_all(&APIKEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let found = value.to_str().ok().map(|text| find(text, keys, now));
    match (found.transpose()?.flatten(), values.next()) {
        (Some(_), Some(_)) => Err(AuthError::Several),
        (found, _) => Ok(found),
    }
}

/// The entry of a text that has a key's form; nothing for any other text.
pub(super) fn find<'a>(
    text: &str,
    keys: &'a Keys,
    now: DateTime<Utc>,
) -> Result<Option<&'a KeyEntry>, AuthError> {
    let Some(hash) = api_key::hash_of(text) else {
        return Ok(None);
    };
    let key = keys.get(&hash).ok_or(AuthError::UnknownKey)?;
    match key.expires_at {
        Some(end) if end <= now => Err(TokenError::Expired.into()),
        Some(_) | None => {
            key.used(now);
            Ok(Some(key))
        }
    }
}

/// As whom the key's bearer calls that function.
pub(super) fn caller(key: &KeyEntry, function: &FunctionName) -> Caller {
    let identity = match key.scope {
        Scope::Anon => Identity::Anonymous,
        Scope::Service => Identity::Service(Service {
            function: function.clone(),
            bypass: Default::default(),
        }),
    };
    Caller {
        identity,
        credential: Credential::Key(key.id),
    }
}

/// Takes keys away: they are for us, and a guest could use them elsewhere.
pub(super) fn take_away(headers: &mut HeaderMap, credential: Credential) {
    let beside = headers.get(&APIKEY).and_then(|value| value.to_str().ok());
    if beside.is_some_and(api_key::is_one) {
        headers.remove(&APIKEY);
    }
    // Only who came with a key can have sent one there.
    if let Credential::Key(_) = credential
        && let Some(Ok(Some(text))) = headers.get(AUTHORIZATION).map(bearer)
        && api_key::is_one(text)
    {
        headers.remove(AUTHORIZATION);
    }
}
