//! Keys for tokens. Each has exactly one algorithm, given to it when it is made: a token's header
//! can disagree with it and be refused, but never choose.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::ISSUER;
use crate::keys::secret::SecretKey;

/// HS256 is as strong as its secret; RFC 7518 asks for as many bytes as the hash has.
pub const SECRET_BYTES_MIN: usize = 32;

/// Why a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a signing secret must have at least {SECRET_BYTES_MIN} bytes, this one has {found}")]
    TooShort { found: usize },
    #[error("the public key must be PEM of the kind its algorithm needs ({algorithm})")]
    NotAPublicKey { algorithm: &'static str },
}

/// The algorithms a token may be signed with. `none` is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// A key that tokens are issued with (HS256).
#[derive(Clone)]
pub struct SigningKey {
    pub(super) key: EncodingKey,
    pub(super) id: Option<String>,
}

impl SigningKey {
    /// A key from a project's secret.
    ///
    /// # Errors
    /// [`KeyError::TooShort`].
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        check_length(secret)?;
        Ok(Self {
            key: EncodingKey::from_secret(secret),
            id: None,
        })
    }

    /// A key of the key ring, whose tokens say which one signed them.
    #[must_use]
    pub fn derived(secret: &SecretKey, id: String) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.expose()),
            id: Some(id),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A key that tokens are verified with, its one algorithm, and the issuer it speaks for.
#[derive(Clone)]
pub struct TrustedKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
    pub(super) issuer: String,
}

impl TrustedKey {
    /// A project's own secret; the issuer is [`ISSUER`].
    ///
    /// # Errors
    /// [`KeyError::TooShort`].
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        check_length(secret)?;
        Ok(Self::new(
            DecodingKey::from_secret(secret),
            Algorithm::Hs256,
        ))
    }

    /// A key of the key ring.
    #[must_use]
    pub fn derived(secret: &SecretKey) -> Self {
        Self::new(DecodingKey::from_secret(secret.expose()), Algorithm::Hs256)
    }

    /// An RSA public key.
    ///
    /// # Errors
    /// [`KeyError::NotAPublicKey`].
    pub fn rs256_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_pem(DecodingKey::from_rsa_pem(pem), Algorithm::Rs256)
    }

    /// A P-256 public key.
    ///
    /// # Errors
    /// [`KeyError::NotAPublicKey`].
    pub fn es256_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_pem(DecodingKey::from_ec_pem(pem), Algorithm::Es256)
    }

    /// An Ed25519 public key.
    ///
    /// # Errors
    /// [`KeyError::NotAPublicKey`].
    pub fn eddsa_pem(pem: &[u8]) -> Result<Self, KeyError> {
        Self::from_pem(DecodingKey::from_ed_pem(pem), Algorithm::EdDsa)
    }

    /// The same key, trusted to speak for another issuer.
    #[must_use]
    pub fn with_issuer(self, issuer: String) -> Self {
        Self { issuer, ..self }
    }

    pub(super) fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        Self {
            key,
            algorithm,
            issuer: ISSUER.to_owned(),
        }
    }

    fn from_pem(
        key: Result<DecodingKey, jsonwebtoken::errors::Error>,
        algorithm: Algorithm,
    ) -> Result<Self, KeyError> {
        let not_a_key = |_| KeyError::NotAPublicKey {
            algorithm: algorithm.name(),
        };
        key.map(|key| Self::new(key, algorithm)).map_err(not_a_key)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TrustedKey");
        shown
            .field("algorithm", &self.algorithm)
            .field("issuer", &self.issuer);
        shown.finish_non_exhaustive()
    }
}

fn check_length(secret: &[u8]) -> Result<(), KeyError> {
    let found = secret.len();
    if found < SECRET_BYTES_MIN {
        Err(KeyError::TooShort { found })
    } else {
        Ok(())
    }
}
