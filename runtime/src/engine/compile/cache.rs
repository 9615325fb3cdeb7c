//! The disk cache of native code: one file per component and engine, sealed with an HMAC.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::room;
use crate::engine::limits;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the seal in front of the code.
const SEAL_BYTES: usize = 32;

/// Native code of this node. Other nodes make their own: code is never accepted from elsewhere.
pub struct CodeCache {
    dir: PathBuf,
    key: [u8; 32],
    /// What the engines' settings hash to. Code of others is another file.
    engines: u64,
    bytes_max: u64,
    /// What the files have together, as far as this process knows: others may write here too.
    bytes: AtomicU64,
}

impl CodeCache {
    /// A cache in `dir`, which is made readable to us only. `key` must not live in there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(
        dir: &Path,
        key: [u8; 32],
        bytes_max: u64,
        engines: &[wasmtime::Engine],
    ) -> std::io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let mut hasher = DefaultHasher::new();
        for engine in engines {
            engine.precompile_compatibility_hash().hash(&mut hasher);
        }
        (room::REVISION, limits::ROOM_PAGES).hash(&mut hasher);
        Ok(Self {
            dir: dir.to_owned(),
            key,
            engines: hasher.finish(),
            bytes_max,
            bytes: AtomicU64::new(files(dir)?.iter().map(|file| file.bytes).sum()),
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
        self.mark_used(&path);
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
        written?;
        let more = (SEAL_BYTES + code.len()) as u64;
        if self.bytes.fetch_add(more, Ordering::Relaxed) + more > self.bytes_max {
            self.make_room()?;
        }
        Ok(())
    }

    /// Deletes what was not used for longest, down to nine tenths, so that not every store has to.
    fn make_room(&self) -> std::io::Result<()> {
        let mut files = files(&self.dir)?;
        let mut held: u64 = files.iter().map(|file| file.bytes).sum();
        // The newest is what has just been stored.
        files.sort_by_key(|file| file.used);
        files.pop();
        let enough = self.bytes_max / 10 * 9;
        for file in files {
            if held <= enough {
                break;
            }
            if std::fs::remove_file(&file.path).is_ok() {
                held = held.saturating_sub(file.bytes);
            }
        }
        self.bytes.store(held, Ordering::Relaxed);
        Ok(())
    }

    /// The time of a file's last change says when it was last used: it is never changed.
    fn mark_used(&self, path: &Path) {
        let file = std::fs::OpenOptions::new().write(true).open(path);
        drop(file.and_then(|file| file.set_modified(SystemTime::now())));
    }

    /// Removes the code of a component, after it failed to load or nobody uses it.
    pub fn remove(&self, sha256: &str) {
        drop(std::fs::remove_file(self.path(sha256)));
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.dir
            .join(format!("{sha256}-{:016x}.cwasm", self.engines))
    }

    fn mac(&self, sha256: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&self.engines.to_be_bytes());
        mac.update(sha256.as_bytes());
        mac.update(code);
        Some(mac)
    }
}

/// A file of the cache.
struct CachedFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// All code in the folder, also of other engines. What goes while we look is not there.
fn files(dir: &Path) -> std::io::Result<Vec<CachedFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "cwasm") {
            continue;
        }
        if let Ok(meta) = std::fs::metadata(&path) {
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(CachedFile {
                path,
                bytes: meta.len(),
                used,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config;
    use crate::engine::kind::Kind;

    fn cache(dir: &Path, key: u8) -> CodeCache {
        let engine = config::compiling(Kind::Sequential).unwrap();
        CodeCache::open(dir, [key; 32], 1 << 20, &[engine]).unwrap()
    }

    #[test]
    fn the_longest_unused_code_goes_when_the_folder_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path(), 1);
        let quarter = vec![7; (1 << 18) - SEAL_BYTES];
        let mut at = SystemTime::UNIX_EPOCH;
        let mut aged = |name: &str| {
            at += std::time::Duration::from_secs(1);
            let file = std::fs::File::options().write(true).open(cache.path(name));
            file.unwrap().set_modified(at).unwrap();
        };
        for name in ["a", "b", "c", "d"] {
            cache.store(name, &quarter).unwrap();
            aged(name);
        }
        aged("a");
        cache.store("e", &quarter).unwrap();
        let there = |name: &&str| cache.path(name).exists();
        let left: Vec<&str> = ["a", "b", "c", "d", "e"]
            .into_iter()
            .filter(there)
            .collect();
        assert_eq!(left, ["a", "d", "e"]);
        // What is used is not what goes next.
        assert!(cache.load("d").is_some());
        cache.store("f", &quarter).unwrap();
        cache.store("g", &quarter).unwrap();
        assert!(cache.path("d").exists() && !cache.path("a").exists());
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
                    engines: cache.engines,
                    bytes_max: u64::MAX,
                    bytes: AtomicU64::new(0),
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
