//! What signs preview URLs: sealed by the key ring, which names its key in what it seals.
//!
//! A URL opens one version of one function until its time is over. Another function, another time of its
//! URLs, its own end (see [`crate::registry::deploy::previews`]) or a key that has left the ring end it before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ring::{KeyRing, RingError};
use super::sealed::{Context, Sealed};

/// Where it stands in a request: in the query, or as a header.
pub const PREVIEW: &str = "koyalite-preview";

/// Some four times what is made; more is nothing that was.
const TEXT_BYTES_MAX: usize = 512;

/// What a URL lets its holder see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// By which it can be taken back alone.
    #[serde(rename = "i")]
    pub id: Uuid,
    /// The version's number.
    #[serde(rename = "v")]
    pub version: u32,
    /// In which time of the function's URLs it was made.
    #[serde(rename = "e")]
    pub epoch: i32,
    /// Seconds since 1970.
    #[serde(rename = "x")]
    pub expires_at: i64,
}

impl Preview {
    /// Text of letters that stand in a URL as they are.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal(&self, ring: &KeyRing, function: Uuid) -> Result<String, RingError> {
        // An id and three numbers always are JSON.
        let plain = serde_json::to_vec(self).unwrap_or_default();
        let sealed = ring.seal(&plain, &context(&function.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed.as_bytes()))
    }

    /// What was sealed for that function; none for any other text.
    #[must_use]
    pub fn open(ring: &KeyRing, function: Uuid, text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let sealed = Sealed::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?);
        let plain = ring.unseal(&sealed, &context(&function.to_string())).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now.timestamp()
    }
}

fn context(function: &str) -> Context<'_> {
    Context {
        table: "functions",
        row: function,
        column: "preview",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_opens_for_its_function_alone_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::create(&dir.path().join("keys.json")).unwrap();
        let other_ring = KeyRing::create(&dir.path().join("others.json")).unwrap();
        let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let preview = Preview {
            id: Uuid::from_u128(9),
            version: 3,
            epoch: 1,
            expires_at: 100,
        };
        let text = preview.seal(&ring, mine).unwrap();
        assert_eq!(Preview::open(&ring, mine, &text), Some(preview));
        assert_eq!(Preview::open(&ring, other, &text), None);
        assert_eq!(Preview::open(&other_ring, mine, &text), None);
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(Preview::open(&ring, mine, &bent), None, "{at}");
        }
        assert_eq!(
            Preview::open(&ring, mine, &"A".repeat(TEXT_BYTES_MAX + 1)),
            None
        );
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        assert!(!preview.is_over(at(99)) && preview.is_over(at(100)));
    }
}
