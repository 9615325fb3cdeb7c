//! A project's recoverable secrets: sealed in their columns, [`Secret`] in memory.
//!
//! A secret is opened when the snapshot is loaded and shows in no debug output and no log. Sealed
//! bytes are bound to their row and column: copied elsewhere they do not open.

use std::fmt;

use uuid::Uuid;

use super::error::RegistryError;
use crate::keys::{Context, KeyRing, Sealed};

/// As many random bytes as the HMAC that signs a project's tokens has output: more add nothing.
const SECRET_BYTES: usize = 32;

/// Bytes that print as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret from its bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// A fresh secret from the thread's cryptographic generator, which the system seeds.
    pub(crate) fn random() -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        rand::fill(&mut bytes[..]);
        Self(bytes)
    }

    /// A fresh secret that is text: hexadecimal, so it needs no escaping anywhere.
    pub(crate) fn random_text() -> Self {
        Self(hex::encode(Self::random().0).into_bytes())
    }

    /// A fresh key that is text, for people to paste: base64url, and the text's bytes are the key.
    pub(crate) fn random_key() -> Self {
        use base64::Engine as _;
        let text = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(Self::random().0);
        Self(text.into_bytes())
    }

    /// The bytes, for what signs or connects with them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A sealed column of a project's row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    JwtSecret,
    DatabasePassword,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::JwtSecret => "jwt_secret",
            Self::DatabasePassword => "database_password",
        }
    }
}

/// Seals a secret for its place.
pub(crate) fn seal(
    ring: &KeyRing,
    project: Uuid,
    column: Column,
    secret: &Secret,
) -> Result<Vec<u8>, RegistryError> {
    let row = project.to_string();
    let context = Context {
        table: "projects",
        row: &row,
        column: column.name(),
    };
    let sealed = ring
        .seal(secret.expose(), &context)
        .map_err(RegistryError::internal)?;
    Ok(sealed.into_bytes())
}

/// Opens a secret from its place.
pub(crate) fn unseal(
    ring: &KeyRing,
    project: Uuid,
    column: Column,
    sealed: Vec<u8>,
) -> Result<Secret, RegistryError> {
    let row = project.to_string();
    let context = Context {
        table: "projects",
        row: &row,
        column: column.name(),
    };
    let plain = ring
        .unseal(&Sealed::from_bytes(sealed), &context)
        .map_err(RegistryError::internal)?;
    Ok(Secret(plain.to_vec()))
}
