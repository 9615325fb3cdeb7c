//! Keys of projects: `koya_<environment>_<43 characters>`. Random, shown to their maker once, and known
//! by their hash from then on. Nothing can be read out of one; what it may do is in the registry.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What every key begins with; no JWT does.
const BEGINNING: &str = "koya_";

/// Random bytes of a key: as many as its hash has.
const RANDOM_BYTES: usize = 32;

/// Characters of a key that are shown again, so that people know which one they hold. The first of its
/// random part; some 200 bits of it stay unknown.
const SHOWN_CHARS: usize = 8;

/// SHA-256 of a key. As it has 256 random bits, nothing slower is needed.
pub type KeyHash = [u8; 32];

/// A key, fresh.
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// A new key; `environment` says what it is for, to people and to those who look for leaked ones.
    #[must_use]
    pub fn random(environment: &str) -> Self {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        rand::fill(&mut bytes[..]);
        let random = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(&bytes[..]));
        Self(Zeroizing::new(format!(
            "{BEGINNING}{environment}_{}",
            random.as_str()
        )))
    }

    /// The key, for its maker.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How it begins.
    #[must_use]
    pub fn prefix(&self) -> String {
        // The random part may have underscores too.
        let mut parts = self.0.splitn(3, '_');
        let (_, environment, random) = (parts.next(), parts.next(), parts.next());
        let shown: String = random
            .unwrap_or_default()
            .chars()
            .take(SHOWN_CHARS)
            .collect();
        format!("{BEGINNING}{}_{shown}", environment.unwrap_or_default())
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        hash(&self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The hash of a text that claims to be a key; none where it is of another form.
#[must_use]
pub fn hash_of(text: &str) -> Option<KeyHash> {
    is_one(text).then(|| hash(text))
}

/// Whether a text has a key's form.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.starts_with(BEGINNING)
}

fn hash(text: &str) -> KeyHash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_for_and_is_known_by_its_hash() {
        let (one, other) = (ApiKey::random("dev"), ApiKey::random("dev"));
        assert_eq!(one.expose().len(), "koya_dev_".len() + 43);
        assert!(one.prefix().starts_with("koya_dev_"));
        assert!(one.expose().starts_with(&one.prefix()));
        assert_eq!(hash_of(one.expose()), Some(one.hash()));
        assert_ne!(one.hash(), other.hash());
        assert_eq!(hash_of("eyJ0eXAi.e30.x"), None);
        assert_eq!(format!("{one:?}"), "ApiKey(…)");
    }

    #[test]
    fn what_is_shown_again_is_the_beginning_alone() {
        for _ in 0..64 {
            let key = ApiKey::random("prod");
            assert!(
                key.prefix().len() <= key.expose().len() - 20,
                "{}",
                key.prefix()
            );
        }
    }
}
