//! Keys of DKIM signatures: made here or brought along, kept sealed by the registry, and known to the world
//! by a record in the DNS of the sender's domain.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::dkim::{DkimSigningAlgorithm, DkimSigningKey};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, LineEnding};
use rsa::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bits of an RSA key: what every receiver verifies, and no DNS record is too short for.
const RSA_BITS: usize = 2048;

/// Bits of one that was brought along: less is no longer believed, more is slow for nothing.
const RSA_BITS_BROUGHT: std::ops::RangeInclusive<usize> = 2048..=4096;

/// How mail is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum DkimAlgorithm {
    /// What every receiver knows.
    #[default]
    #[serde(rename = "rsa-sha256")]
    Rsa,
    /// Shorter; many receivers still do not look at it.
    #[serde(rename = "ed25519-sha256")]
    Ed25519,
}

impl DkimAlgorithm {
    /// Its name, as it is stored and written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = [Self::Rsa, Self::Ed25519].into_iter();
        all.find(|algorithm| algorithm.as_str() == text)
    }
}

/// A private key that signs mail.
pub struct DkimKey {
    algorithm: DkimAlgorithm,
    /// PKCS#1 as PEM, or 32 bytes as base64.
    private: Zeroizing<String>,
    /// As the record has it.
    public: String,
}

impl std::fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DkimKey({}, ***)", self.algorithm.as_str())
    }
}

impl DkimKey {
    /// A fresh one. It takes a moment; none where the system has no randomness.
    #[must_use]
    pub fn random(algorithm: DkimAlgorithm) -> Option<Self> {
        match algorithm {
            DkimAlgorithm::Rsa => {
                Self::rsa(&RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS).ok()?)
            }
            DkimAlgorithm::Ed25519 => Some(Self::ed25519(&Zeroizing::new(rand::random()))),
        }
    }

    /// One that was brought along: RSA as PEM (PKCS#1 or PKCS#8), Ed25519 as 32 bytes in base64; also what
    /// [`expose`](Self::expose) gave.
    #[must_use]
    pub fn parse(algorithm: DkimAlgorithm, text: &str) -> Option<Self> {
        let text = text.trim();
        match algorithm {
            DkimAlgorithm::Rsa => {
                let key = RsaPrivateKey::from_pkcs1_pem(text).ok();
                let key = key.or_else(|| RsaPrivateKey::from_pkcs8_pem(text).ok())?;
                RSA_BITS_BROUGHT
                    .contains(&(key.size() * 8))
                    .then(|| Self::rsa(&key))?
            }
            DkimAlgorithm::Ed25519 => {
                let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
                let bytes = Zeroizing::new(bytes.as_slice().try_into().ok()?);
                Some(Self::ed25519(&bytes))
            }
        }
    }

    fn rsa(key: &RsaPrivateKey) -> Option<Self> {
        let public = RsaPublicKey::from(key).to_public_key_der().ok()?;
        Some(Self {
            algorithm: DkimAlgorithm::Rsa,
            private: key.to_pkcs1_pem(LineEnding::LF).ok()?,
            public: STANDARD.encode(public.as_bytes()),
        })
    }

    fn ed25519(bytes: &Zeroizing<[u8; 32]>) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(bytes).verifying_key();
        Self {
            algorithm: DkimAlgorithm::Ed25519,
            private: Zeroizing::new(STANDARD.encode(bytes.as_slice())),
            public: STANDARD.encode(public.to_bytes()),
        }
    }

    /// The key, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.private.as_bytes()
    }

    /// What the TXT record says.
    #[must_use]
    pub fn record(&self) -> String {
        let kind = match self.algorithm {
            DkimAlgorithm::Rsa => "rsa",
            DkimAlgorithm::Ed25519 => "ed25519",
        };
        format!("v=DKIM1; k={kind}; p={}", self.public)
    }

    /// The key as the composer of messages takes it.
    pub(crate) fn signing(&self) -> Option<DkimSigningKey> {
        let algorithm = match self.algorithm {
            DkimAlgorithm::Rsa => DkimSigningAlgorithm::Rsa,
            DkimAlgorithm::Ed25519 => DkimSigningAlgorithm::Ed25519,
        };
        DkimSigningKey::new(&self.private, algorithm).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_again_and_does_not_show() {
        for algorithm in [DkimAlgorithm::Ed25519, DkimAlgorithm::Rsa] {
            let key = DkimKey::random(algorithm).unwrap();
            let kept = std::str::from_utf8(key.expose()).unwrap().to_owned();
            let again = DkimKey::parse(algorithm, &kept).unwrap();
            assert_eq!(again.record(), key.record());
            assert!(again.signing().is_some());
            assert!(!format!("{key:?}").contains(&kept));
            assert_eq!(DkimAlgorithm::parse(algorithm.as_str()), Some(algorithm));
        }
    }

    #[test]
    fn what_is_no_key_or_a_weak_one_is_refused() {
        let weak = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        let weak = weak.to_pkcs1_pem(LineEnding::LF).unwrap();
        for (algorithm, text) in [
            (DkimAlgorithm::Rsa, weak.as_str()),
            (DkimAlgorithm::Rsa, "nothing"),
            (DkimAlgorithm::Ed25519, "c2hvcnQ="),
            (DkimAlgorithm::Ed25519, "not base64"),
        ] {
            assert!(DkimKey::parse(algorithm, text).is_none(), "{text}");
        }
    }
}
