//! What signs webhooks: a secret that both sides know, or a key pair, as Standard Webhooks 1.0 has them.
//!
//! Made here, kept sealed by the registry, shown once to whoever makes or rotates it. A public key is
//! no secret and can be shown whenever it is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// As many random bytes as the hash has output; the standard asks for 24 to 64.
const SECRET_BYTES: usize = 32;

/// How webhooks of an endpoint are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Signature {
    /// `v1`: by a secret that the receiver has too.
    #[default]
    #[serde(rename = "hmac-sha256")]
    Hmac,
    /// `v1a`: by a private key; the receiver has the public one.
    #[serde(rename = "ed25519")]
    Ed25519,
}

impl Signature {
    /// Its name, as it is stored and written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hmac => "hmac-sha256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The signature of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = [Self::Hmac, Self::Ed25519].into_iter();
        all.find(|signature| signature.as_str() == text)
    }
}

/// A key that signs webhooks.
pub struct WebhookKey {
    signature: Signature,
    bytes: Zeroizing<[u8; SECRET_BYTES]>,
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookKey({}, ***)", self.signature.as_str())
    }
}

impl WebhookKey {
    /// A fresh one.
    #[must_use]
    pub fn random(signature: Signature) -> Self {
        Self {
            signature,
            bytes: Zeroizing::new(rand::random()),
        }
    }

    /// One from the bytes that [`expose`](Self::expose) gave. None where they are not that.
    #[must_use]
    pub fn from_bytes(signature: Signature, bytes: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(bytes.try_into().ok()?);
        Some(Self { signature, bytes })
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// What a receiver verifies with: the secret (`whsec_…`), or the public key (`whpk_…`).
    #[must_use]
    pub fn for_receiver(&self) -> String {
        match self.signature {
            Signature::Hmac => format!("whsec_{}", STANDARD.encode(self.bytes.as_ref())),
            Signature::Ed25519 => {
                let public = SigningKey::from_bytes(&self.bytes).verifying_key();
                format!("whpk_{}", STANDARD.encode(public.to_bytes()))
            }
        }
    }

    /// The public key, where there is one.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        match self.signature {
            Signature::Hmac => None,
            Signature::Ed25519 => Some(self.for_receiver()),
        }
    }

    /// One signature of a message, with its version in front.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        match self.signature {
            Signature::Hmac => {
                // Padded with zeros as HMAC does itself: the hash's block has 64 bytes.
                let mut block = [0; 64];
                for (to, from) in block.iter_mut().zip(self.bytes.iter()) {
                    *to = *from;
                }
                let mut mac = Hmac::<Sha256>::new(&block.into());
                mac.update(&signed);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Signature::Ed25519 => {
                let key = SigningKey::from_bytes(&self.bytes);
                format!("v1a,{}", STANDARD.encode(key.sign(&signed).to_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Verifier as _;

    use super::*;

    #[test]
    fn a_message_is_signed_as_an_independent_implementation_does() {
        // By the packages `standardwebhooks` of PyPI and npm, which agree; the secret is thirty-two bytes of 7.
        let key = WebhookKey::from_bytes(Signature::Hmac, &[7; 32]).unwrap();
        assert_eq!(key.sign("msg_1", 1_700_000_000, b"{}"), EXPECTED);
        assert!(key.for_receiver().starts_with("whsec_BwcHBwcH"));
        assert_eq!(key.public(), None);
    }

    const EXPECTED: &str = "v1,nuLLyheCKcS2N8JNOFt5stk98R+umYWr26/ZTfdtGM8=";

    #[test]
    fn a_signature_of_a_key_pair_is_verified_by_the_public_key() {
        let key = WebhookKey::random(Signature::Ed25519);
        let signature = key.sign("msg_1", 17, b"body");
        let bytes = STANDARD
            .decode(signature.strip_prefix("v1a,").unwrap())
            .unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&bytes).unwrap();
        let public = key.public().unwrap();
        let public = STANDARD
            .decode(public.strip_prefix("whpk_").unwrap())
            .unwrap();
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
        assert!(public.verify(b"msg_1.17.body", &signature).is_ok());
        assert!(public.verify(b"msg_2.17.body", &signature).is_err());
    }

    #[test]
    fn a_key_does_not_show() {
        let key = WebhookKey::from_bytes(Signature::Hmac, &[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "WebhookKey(hmac-sha256, ***)");
        assert!(WebhookKey::from_bytes(Signature::Hmac, &[7; 31]).is_none());
    }
}
