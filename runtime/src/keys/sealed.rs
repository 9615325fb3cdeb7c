//! Encrypted bytes as they lie in a database column, and the place they belong to.
//!
//! Layout: version (1), key id (4), nonce (24), ciphertext and tag. The place is not stored but
//! authenticated: copied to another row or column, the bytes no longer open.

use std::fmt;

use super::ring::KeyId;

/// The only layout so far.
const VERSION: u8 = 1;
pub(super) const NONCE_BYTES: usize = 24;

/// Where a sealed value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    pub table: &'a str,
    /// The row's primary key, as text.
    pub row: &'a str,
    pub column: &'a str,
}

impl Context<'_> {
    /// What the cipher authenticates beside the text: lengths first, so that no two places agree.
    pub(super) fn associated_data(&self, key: KeyId) -> Vec<u8> {
        let mut data = vec![VERSION];
        data.extend_from_slice(&key.to_bytes());
        for part in [self.table, self.row, self.column] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// Sealed bytes, for a `bytea` column.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

/// The parts of sealed bytes, borrowed.
pub(super) struct Parts<'a> {
    pub(super) key: KeyId,
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) ciphertext: &'a [u8],
}

impl Sealed {
    /// Takes bytes from a column. They are checked when opened.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The key that sealed it; `None` where the bytes are not of a known layout.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.split().map(|parts| parts.key)
    }

    pub(super) fn join(key: KeyId, nonce: &[u8; NONCE_BYTES], ciphertext: &[u8]) -> Self {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&key.to_bytes());
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(ciphertext);
        Self(bytes)
    }

    /// `None` where the bytes are not of a known layout.
    pub(super) fn split(&self) -> Option<Parts<'_>> {
        let (version, rest) = self.0.split_first()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        let parts = Parts {
            key: KeyId::from_bytes(*key),
            nonce: *nonce,
            ciphertext,
        };
        (*version == VERSION).then_some(parts)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
