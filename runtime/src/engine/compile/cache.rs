//! The disk cache of native code: one file per component and engine, sealed with an HMAC.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the seal in front of the code.
const SEAL_BYTES: usize = 32;

/// Native code of this node. Other nodes make their own: code is never accepted from elsewhere.
pub struct CodeCache {
    dir: PathBuf,
    key: [u8; 32],
    /// What the engine's settings hash to. Code of another engine is another file.
    engine: u64,
}

impl CodeCache {
    /// A cache in `dir`, which is made readable to us only. `key` must not live in there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: &Path, key: [u8; 32], engine: &wasmtime::Engine) -> std::io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            dir: dir.to_owned(),
            key,
            engine: hasher.finish(),
        })
    }

    /// The code of a component, if it is here and sealed by us. What is here and not sealed by us
    /// is deleted, and the caller compiles again.
    pub fn load(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.path(sha256);
        let mut bytes = std::fs::read(&path).ok()?;
        let verified = bytes
            .split_at_checked(SEAL_BYTES)
            .is_some_and(|(seal, code)| {
                self.mac(sha256, code)
                    .is_some_and(|mac| mac.verify_slice(seal).is_ok())
            });
        if !verified {
            tracing::warn!(
                component = sha256,
                "cached code was not sealed by this node; deleted"
            );
            drop(std::fs::remove_file(&path));
            return None;
        }
        // The very bytes that were verified are the ones that are loaded: the file is not read again.
        bytes.drain(..SEAL_BYTES);
        Some(bytes)
    }

    /// Seals and stores code. Written aside and renamed, so that a reader sees all of it or nothing.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn store(&self, sha256: &str, code: &[u8]) -> std::io::Result<()> {
        let mac = self
            .mac(sha256, code)
            .ok_or_else(|| std::io::Error::other("no seal"))?;
        let aside = self.dir.join(format!(".{}.tmp", uuid::Uuid::new_v4()));
        let written = (|| {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(&mac.finalize().into_bytes())?;
            file.write_all(code)?;
            std::fs::rename(&aside, self.path(sha256))
        })();
        if written.is_err() {
            drop(std::fs::remove_file(&aside));
        }
        written
    }

    /// Removes the code of a component, after it failed to load.
    pub fn remove(&self, sha256: &str) {
        drop(std::fs::remove_file(self.path(sha256)));
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.dir
            .join(format!("{sha256}-{:016x}.cwasm", self.engine))
    }

    fn mac(&self, sha256: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&self.engine.to_be_bytes());
        mac.update(sha256.as_bytes());
        mac.update(code);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(dir: &Path, key: u8) -> CodeCache {
        let engine = crate::engine::config::compiling().unwrap();
        CodeCache::open(dir, [key; 32], &engine).unwrap()
    }

    #[test]
    fn code_comes_back_only_as_it_was_stored() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path(), 1);
        cache.store("aa", b"native code").unwrap();
        assert_eq!(cache.load("aa").unwrap(), b"native code");
        assert_eq!(cache.load("bb"), None);
    }

    #[test]
    fn a_changed_swapped_or_foreign_file_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let cache_a = cache(dir.path(), 1);
        for tamper in [
            |cache: &CodeCache| {
                let path = cache.path("aa");
                let mut bytes = std::fs::read(&path).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(&path, bytes).unwrap();
            },
            |cache: &CodeCache| {
                std::fs::copy(cache.path("bb"), cache.path("aa")).unwrap();
            },
            |cache: &CodeCache| std::fs::write(cache.path("aa"), b"short").unwrap(),
            |cache: &CodeCache| {
                CodeCache {
                    dir: cache.dir.clone(),
                    key: [2; 32],
                    engine: cache.engine,
                }
                .store("aa", b"code of another node")
                .unwrap();
            },
        ] {
            cache_a.store("aa", b"native code").unwrap();
            cache_a.store("bb", b"other code").unwrap();
            tamper(&cache_a);
            assert_eq!(cache_a.load("aa"), None);
            assert!(!cache_a.path("aa").exists());
        }
    }
}
