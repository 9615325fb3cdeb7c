//! Unpacks a Postgres bundle: a zip archive whose hash has been checked.
//!
//! The hash is the trust; the checks here make a wrong pin harmless. No entry lands outside the
//! target, links are not followed or made, and the size is bounded.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zip::ZipArchive;

use super::error::PostgresError;
use super::options::Progress;

/// The pinned bundles unpack to 42 MB; ten times that leaves room for later ones.
const UNPACKED_BYTES_MAX: u64 = 420 << 20;

/// Between two reports of progress, in entries: a display needs no more, a terminal no less.
const REPORT_EVERY: usize = 64;

/// Unpacks `archive` into the new folder `target`. All of it becomes readable for everybody,
/// whatever the umask, because the server may run as another user than we do.
pub(super) fn unpack(
    archive: &Path,
    target: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(), PostgresError> {
    let broken = |reason: String| PostgresError::Bundle { reason };
    let file = File::open(archive).map_err(PostgresError::path("open", archive))?;
    let mut zip = ZipArchive::new(file).map_err(|error| broken(error.to_string()))?;
    let total = zip.len();
    let mut left = UNPACKED_BYTES_MAX;
    make_dir(target)?;
    for done in 0..total {
        let mut entry = zip
            .by_index(done)
            .map_err(|error| broken(error.to_string()))?;
        let Some(name) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
            return Err(broken(format!(
                "entry {:?} would leave the target",
                entry.name()
            )));
        };
        let path = target.join(name);
        if entry.is_dir() {
            make_dir(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            make_dir(parent)?;
        }
        // Programs carry an execute bit for their owner; nothing else does.
        let program = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        let mode = if program { 0o755 } else { 0o644 };
        let written = write(&mut entry.by_ref().take(left + 1), &path, mode)?;
        left = left.checked_sub(written).ok_or_else(|| {
            broken(format!(
                "it unpacks to more than {UNPACKED_BYTES_MAX} bytes"
            ))
        })?;
        if done % REPORT_EVERY == 0 {
            progress(Progress::Unpacking { done, total });
        }
    }
    progress(Progress::Unpacking { done: total, total });
    Ok(())
}

fn write(content: &mut dyn Read, path: &Path, mode: u32) -> Result<u64, PostgresError> {
    let failed = |error| PostgresError::path("write", path)(error);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    let written = io::copy(content, &mut file).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(failed)?;
    Ok(written)
}

fn make_dir(path: &Path) -> Result<(), PostgresError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    DirBuilder::new()
        .mode(0o755)
        .create(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(PostgresError::path("create", path))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// One entry of a made-up archive.
    pub(in super::super) enum Entry<'a> {
        Program(&'a str, &'a str),
        Text(&'a str, &'a str),
        Link(&'a str, &'a str),
    }

    pub(in super::super) fn archive(dir: &Path, entries: &[Entry<'_>]) -> PathBuf {
        let path = dir.join("bundle.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default();
        for entry in entries {
            match entry {
                Entry::Program(name, text) => {
                    zip.start_file(*name, options.unix_permissions(0o755))
                        .unwrap();
                    zip.write_all(text.as_bytes()).unwrap();
                }
                Entry::Text(name, text) => {
                    zip.start_file(*name, options.unix_permissions(0o600))
                        .unwrap();
                    zip.write_all(text.as_bytes()).unwrap();
                }
                Entry::Link(name, target) => zip.add_symlink(*name, *target, options).unwrap(),
            }
        }
        zip.finish().unwrap();
        path
    }

    #[test]
    fn programs_stay_programs_and_everything_is_readable() {
        let dir = tempfile::tempdir().unwrap();
        let entries = [Entry::Program("a/run", "x"), Entry::Text("a/b/text", "y")];
        let target = dir.path().join("tree");
        unpack(&archive(dir.path(), &entries), &target, &|_| {}).unwrap();
        let mode = |name: &str| {
            fs::metadata(target.join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("a/run") & 0o777, 0o755);
        assert_eq!(mode("a/b/text") & 0o777, 0o644);
        assert_eq!(mode("a/b") & 0o777, 0o755);
    }

    #[test]
    fn entries_that_lead_outside_are_refused() {
        let check = |entry: Entry<'_>| {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("tree");
            let refused = unpack(&archive(dir.path(), &[entry]), &target, &|_| {}).unwrap_err();
            assert!(
                refused.to_string().contains("would leave the target"),
                "{refused}"
            );
            assert!(!dir.path().join("out").exists());
        };
        check(Entry::Text("../out", ""));
        check(Entry::Text("a/../../out", ""));
        check(Entry::Link("a", "/etc"));
    }
}
