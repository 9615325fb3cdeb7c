//! The key ring: the one file whose loss makes every stored secret unreadable, and whose leak makes
//! every stored secret readable. It holds several root keys; the active one seals and signs, the
//! others open what was sealed before a rotation.
//!
//! A root key encrypts nothing itself. Each use has its own key derived from it, so that a key
//! handed to one part of the process tells nothing about the others.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::private_file::{self, FileError};
use super::sealed::{Context, NONCE_BYTES, Sealed};
use super::secret::{KEY_BYTES, SecretKey};

/// The only file format so far.
const FILE_VERSION: u32 = 1;
const SEALING: &str = "sealing";

/// Names a root key, in the file and in whatever was sealed or signed with it. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    pub(super) fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(super) fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Reads the eight hexadecimal digits that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 4];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a derived key is for. The label is part of the key: changing it makes older values void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signs operators' tokens.
    ControlToken,
    /// Proves that compiled code on disk was written by this node.
    CompiledCode,
    /// Signs the request by which a schedule calls a function over HTTP.
    CronTrigger,
    /// Signs where a chain of audit records ends.
    AuditCheckpoint,
    /// Signs where a chain of audit records begins.
    AuditTrim,
    /// Makes the refresh token that follows another one.
    RefreshToken,
    /// Signs the certificates by which nodes know each other.
    FleetAuthority,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::ControlToken => "control token",
            Self::CompiledCode => "compiled code",
            Self::CronTrigger => "cron trigger",
            Self::AuditCheckpoint => "audit checkpoint",
            Self::AuditTrim => "audit trim",
            Self::RefreshToken => "refresh token",
            Self::FleetAuthority => "fleet authority",
        }
    }
}

/// Why a key ring could not be read or a value not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "there is no key ring at {path}; make one with `koyalite keys create --file {path}`, or \
         restore the one that this database was used with"
    )]
    Missing { path: String },
    #[error("{path} is not a key ring: {reason}; restore it from a backup")]
    NotAKeyRing { path: String, reason: &'static str },
    #[error("{path} no longer has the key {id}, which has sealed stored secrets; restore it")]
    KeyLost { path: String, id: KeyId },
    #[error("the value was sealed with key {id}, which is not on this key ring")]
    UnknownKey { id: KeyId },
    #[error("the sealed value is damaged, or belongs to another row or column")]
    NotAuthentic,
    #[error("the bytes are not a sealed value")]
    NotSealed,
    #[error("the value is too long to be sealed")]
    TooLong,
}

struct RootKey {
    id: KeyId,
    root: SecretKey,
    sealing: SecretKey,
}

/// Root keys, opened from their file.
pub struct KeyRing {
    active: RootKey,
    older: Vec<RootKey>,
    /// Where it was read from, to look there again.
    file: PathBuf,
}

impl KeyRing {
    /// Makes a ring of one new key and writes it, readable by its owner only.
    ///
    /// # Errors
    /// [`RingError::File`], also where the file is there already.
    pub fn create(path: &Path) -> Result<Self, RingError> {
        let ring = Self {
            active: RootKey::random(),
            older: Vec::new(),
            file: path.to_owned(),
        };
        private_file::create(path, &ring.to_text())?;
        Ok(ring)
    }

    /// Reads a ring.
    ///
    /// # Errors
    /// [`RingError::Missing`] where there is no file, [`RingError::File`] where others can read it,
    /// [`RingError::NotAKeyRing`] where it is something else.
    pub fn open(path: &Path) -> Result<Self, RingError> {
        let text = private_file::read(path).map_err(|error| match error.is_missing() {
            true => RingError::Missing {
                path: path.display().to_string(),
            },
            false => error.into(),
        })?;
        let not_a_ring = |reason| RingError::NotAKeyRing {
            path: path.display().to_string(),
            reason,
        };
        Self::from_text(&text, path).map_err(not_a_ring)
    }

    /// The ring as its file is now, where that is another one; somebody has rotated it. It must have
    /// all keys of this one, for they have sealed what is stored.
    ///
    /// # Errors
    /// As [`KeyRing::open`], and [`RingError::KeyLost`].
    pub fn renewed(&self) -> Result<Option<Self>, RingError> {
        let now = Self::open(&self.file)?;
        let mut mine = std::iter::once(&self.active).chain(&self.older);
        if let Some(lost) = mine.find(|key| now.key(key.id).is_none()) {
            return Err(RingError::KeyLost {
                path: self.file.display().to_string(),
                id: lost.id,
            });
        }
        Ok(Some(now).filter(|now| now.active.id != self.active.id))
    }

    /// Opens the ring, or makes it where there is none. Two processes that start together end up
    /// with the same ring.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn open_or_create(path: &Path) -> Result<Self, RingError> {
        match Self::create(path) {
            Err(RingError::File(FileError::Exists { .. })) => Self::open(path),
            made => made,
        }
    }

    /// A ring with a new active key beside all of this one's, written in the place of the file.
    ///
    /// # Errors
    /// [`RingError::File`]; the old file is then unchanged.
    pub fn rotate(self, path: &Path) -> Result<Self, RingError> {
        let mut older = self.older;
        older.insert(0, self.active);
        let mut active = RootKey::random();
        // Ids are short, and two keys of one id could not be told apart.
        while older.iter().any(|key| key.id == active.id) {
            active = RootKey::random();
        }
        let ring = Self {
            active,
            older,
            file: path.to_owned(),
        };
        private_file::replace(path, &ring.to_text())?;
        Ok(ring)
    }

    /// Encrypts a secret for one place in the database, with the active key and a fresh nonce.
    ///
    /// # Errors
    /// [`RingError::TooLong`] beyond what the cipher takes (256 GiB).
    pub fn seal(&self, plaintext: &[u8], context: &Context<'_>) -> Result<Sealed, RingError> {
        // 24 random bytes: no two seals of one key will ever share a nonce.
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let aad = &context.associated_data(self.active.id);
        let payload = Payload {
            msg: plaintext,
            aad,
        };
        let ciphertext = self.active.cipher().encrypt(&XNonce::from(nonce), payload);
        let ciphertext = ciphertext.map_err(|_| RingError::TooLong)?;
        Ok(Sealed::join(self.active.id, &nonce, &ciphertext))
    }

    /// Decrypts a secret in the place it was sealed for, with whichever key sealed it.
    ///
    /// # Errors
    /// [`RingError::NotSealed`], [`RingError::UnknownKey`] or [`RingError::NotAuthentic`].
    pub fn unseal(
        &self,
        sealed: &Sealed,
        context: &Context<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, RingError> {
        let parts = sealed.split().ok_or(RingError::NotSealed)?;
        let key = self
            .key(parts.key)
            .ok_or(RingError::UnknownKey { id: parts.key })?;
        let aad = &context.associated_data(key.id);
        let payload = Payload {
            msg: parts.ciphertext,
            aad,
        };
        let plaintext = key.cipher().decrypt(&XNonce::from(parts.nonce), payload);
        plaintext
            .map(Zeroizing::new)
            .map_err(|_| RingError::NotAuthentic)
    }

    /// The key that signs for a purpose now.
    #[must_use]
    pub fn derive(&self, purpose: Purpose) -> SecretKey {
        self.active.root.derive(purpose.label())
    }

    /// Every key that may have signed for a purpose, the active one first.
    #[must_use]
    pub fn derive_all(&self, purpose: Purpose) -> Vec<(KeyId, SecretKey)> {
        let keys = std::iter::once(&self.active).chain(&self.older);
        keys.map(|key| (key.id, key.root.derive(purpose.label())))
            .collect()
    }

    /// The id of the active key.
    #[must_use]
    pub fn active_id(&self) -> KeyId {
        self.active.id
    }

    fn key(&self, id: KeyId) -> Option<&RootKey> {
        std::iter::once(&self.active)
            .chain(&self.older)
            .find(|key| key.id == id)
    }

    fn to_text(&self) -> Zeroizing<String> {
        let keys = std::iter::once(&self.active).chain(&self.older);
        let mut file = RingFile {
            version: FILE_VERSION,
            active: self.active.id.to_string(),
            keys: keys.map(RootKey::to_entry).collect(),
        };
        let text = serde_json::to_string_pretty(&file).unwrap_or_default();
        file.keys.iter_mut().for_each(|entry| entry.key.zeroize());
        Zeroizing::new(text + "\n")
    }

    fn from_text(text: &str, path: &Path) -> Result<Self, &'static str> {
        let file: RingFile =
            serde_json::from_str(text).map_err(|_| "it is not as it was written")?;
        if file.version != FILE_VERSION {
            return Err("it is of a newer version than this program knows");
        }
        let mut keys = Vec::with_capacity(file.keys.len());
        for mut entry in file.keys {
            let key = RootKey::from_entry(&entry);
            entry.key.zeroize();
            keys.push(key.ok_or("a key is not 32 bytes of base64 under an 8-digit id")?);
        }
        let is_active = |key: &RootKey| key.id.to_string() == file.active;
        let at = keys
            .iter()
            .position(is_active)
            .ok_or("its active key is not among its keys")?;
        let active = keys.remove(at);
        Ok(Self {
            active,
            older: keys,
            file: path.to_owned(),
        })
    }
}

/// Ids only.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<KeyId> = self.older.iter().map(|key| key.id).collect();
        f.debug_struct("KeyRing")
            .field("active", &self.active.id)
            .field("older", &older)
            .finish()
    }
}

impl RootKey {
    fn new(id: KeyId, root: SecretKey) -> Self {
        let sealing = root.derive(SEALING);
        Self { id, root, sealing }
    }

    fn random() -> Self {
        Self::new(KeyId(rand::random()), SecretKey::random())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.sealing.expose().into())
    }

    fn to_entry(&self) -> RingEntry {
        RingEntry {
            id: self.id.to_string(),
            key: STANDARD.encode(self.root.expose()),
        }
    }

    fn from_entry(entry: &RingEntry) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(&entry.key).ok()?);
        let root = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok()?;
        Some(Self::new(KeyId::parse(&entry.id)?, SecretKey::new(root)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingFile {
    version: u32,
    active: String,
    keys: Vec<RingEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingEntry {
    id: String,
    key: String,
}

#[cfg(test)]
mod tests;
