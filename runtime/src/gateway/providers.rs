//! Keys of the identity servers that projects trust: fetched when a token first needs them, kept, and
//! fetched again now and then, or when a token names a key that is not there.
//!
//! Anybody can write a token that names an unknown key, so that alone must not make this node ask and
//! ask: once in a while for each provider, whoever comes. A fetch goes on when the caller who
//! caused it has left, for all others wait for the same one. A document that cannot be had or read changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use dashmap::DashMap;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::auth::AuthError;
use crate::keys::token::{PublicKey, read_jwks};
use crate::registry::providers::ProviderEntry;

/// Keys are asked for again after this time: so long is a key good that its server has taken back.
const KEYS_FRESH: Duration = Duration::from_mins(10);

/// Where the server does not answer, its keys stay good so long. A day of its outage is not ours.
const KEYS_KEPT: Duration = Duration::from_hours(24);

/// A provider is asked once in this time, however many tokens name keys that are not there.
const REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// Providers whose keys a node keeps; beyond that all are forgotten, and fetched again as they are
/// needed.
const KEY_SETS_MAX: usize = 1000;

/// A document, or what went wrong.
pub type Fetched = BoxFuture<'static, Result<Bytes, String>>;

/// The keys, by provider.
#[derive(Default)]
pub(super) struct KeySets {
    sets: DashMap<Uuid, Arc<KeySet>>,
}

#[derive(Default)]
struct KeySet {
    held: ArcSwap<Held>,
    /// One fetch at a time.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Arc<[PublicKey]>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

/// Whether keys have to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    None,
    /// For those who come later.
    Later,
    /// For this token.
    Now,
}

impl KeySets {
    /// The key of a provider that a token names.
    ///
    /// # Errors
    /// `UnknownSigner` where it has no such key, `KeysAway` where its keys cannot be had.
    pub(super) fn find(
        &self,
        provider: &ProviderEntry,
        key_id: Option<&str>,
        now: Instant,
    ) -> Result<PublicKey, AuthError> {
        let set = self.sets.get(&provider.id);
        let held = set.map(|set| set.held.load_full());
        match held {
            Some(held) if held.is_good(now) => held.find(key_id).ok_or(AuthError::UnknownSigner),
            Some(_) | None => Err(AuthError::KeysAway),
        }
    }

    /// Sees to it that the key is there, if it can be had.
    pub(super) async fn prepare(
        &self,
        provider: &Arc<ProviderEntry>,
        (key_id, now): (Option<&str>, Instant),
        fetch: impl FnOnce(String) -> Fetched,
    ) {
        let set = self.of(provider.id);
        let need = set.need(key_id, now);
        if need == Need::None {
            return;
        }
        let (document, provider) = (fetch(provider.jwks_url.clone()), Arc::clone(provider));
        let key_id = key_id.map(ToOwned::to_owned);
        let renewal = tokio::spawn(async move {
            let asked = (key_id.as_deref(), now);
            set.renew(&provider, asked, document).await;
        });
        if need == Need::Now {
            // A panic in there leaves the keys as they were.
            let _ = renewal.await;
        }
    }

    fn of(&self, provider: Uuid) -> Arc<KeySet> {
        if self.sets.len() >= KEY_SETS_MAX && !self.sets.contains_key(&provider) {
            self.sets.clear();
        }
        Arc::clone(&self.sets.entry(provider).or_default())
    }
}

impl Held {
    fn is_good(&self, now: Instant) -> bool {
        self.fetched
            .is_some_and(|fetched| now.duration_since(fetched) < KEYS_KEPT)
    }

    fn find(&self, key_id: Option<&str>) -> Option<PublicKey> {
        let found = match (key_id, self.keys.as_ref()) {
            (None, [only]) => Some(only),
            // Which of several would be a guess.
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == key_id),
        };
        found.cloned()
    }
}

impl KeySet {
    fn need(&self, key_id: Option<&str>, now: Instant) -> Need {
        let held = self.held.load();
        let since = |moment: Option<Instant>| moment.map(|moment| now.duration_since(moment));
        if since(held.tried).is_some_and(|tried| tried < REFETCH_INTERVAL) {
            return Need::None;
        }
        match since(held.fetched) {
            None => Need::Now,
            Some(age) if age >= KEYS_KEPT || held.find(key_id).is_none() => Need::Now,
            Some(age) if age >= KEYS_FRESH => Need::Later,
            Some(_) => Need::None,
        }
    }

    async fn renew(
        &self,
        provider: &ProviderEntry,
        (key_id, now): (Option<&str>, Instant),
        document: Fetched,
    ) {
        let _turn = self.fetching.lock().await;
        // Somebody else may have asked while this one waited.
        if self.need(key_id, now) == Need::None {
            return;
        }
        let document = document.await;
        let keys = document.and_then(|document| {
            read_jwks(&document, &provider.issuer).map_err(|error| error.to_string())
        });
        let before = self.held.load_full();
        let held = match keys {
            Ok(keys) => Held {
                keys: keys.into(),
                fetched: Some(now),
                tried: Some(now),
            },
            Err(error) => {
                let (issuer, url) = (&provider.issuer, &provider.jwks_url);
                tracing::warn!(
                    issuer,
                    url,
                    error,
                    "an identity provider's keys cannot be had"
                );
                Held {
                    keys: Arc::clone(&before.keys),
                    fetched: before.fetched,
                    tried: Some(now),
                }
            }
        };
        self.held.store(Arc::new(held));
    }
}

#[cfg(test)]
mod tests;
