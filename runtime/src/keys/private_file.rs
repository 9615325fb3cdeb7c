//! Files that only their owner may read. They are private from the first byte on (never opened up
//! and then closed), complete or absent (temporary file, fsync, rename), and refused when others
//! can read them: by then the secret has to count as known.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Far above a ring of hundreds of keys; a wrong path must not be read into memory whole.
const BYTES_MAX: u64 = 256 * 1024;

/// Any permission for group or others.
const NOT_PRIVATE: u32 = 0o077;

/// The one that root may give our group: systemd and Kubernetes hand out secrets like that.
const GROUP_READS: u32 = 0o040;

const ROOT: u32 = 0;

/// Why a private file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{path} already exists; it is never overwritten", path = .path.display())]
    Exists { path: PathBuf },
    #[error(
        "{path} can be read by others (mode {mode:04o}); run `chmod 600 {path}`, and replace \
         what is in it if anyone else has used this machine",
        path = .path.display()
    )]
    NotPrivate { path: PathBuf, mode: u32 },
    #[error("{path} must be a text file of at most {BYTES_MAX} bytes", path = .path.display())]
    NotText { path: PathBuf },
}

impl FileError {
    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a private file whole.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let failed = |source| io_error("read", path, source);
    // Without blocking, or a named pipe put in its place would stop the process here.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let file = file.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & open_to_others(metadata.uid()) != 0 {
        return Err(FileError::NotPrivate {
            path: path.to_owned(),
            mode,
        });
    }
    let not_text = || FileError::NotText {
        path: path.to_owned(),
    };
    if !metadata.is_file() || metadata.len() > BYTES_MAX {
        return Err(not_text());
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_text()),
        Err(error) => Err(failed(error)),
    }
}

/// What makes a file of this owner one that others can read. Root's is for us where our group reads it;
/// one of our own is opened up by somebody's mistake.
fn open_to_others(owner: u32) -> u32 {
    let ours = || fs::metadata("/proc/self").map_or(owner, |own| own.uid());
    match owner == ROOT && ours() != ROOT {
        true => NOT_PRIVATE & !GROUP_READS,
        false => NOT_PRIVATE,
    }
}

/// Writes a file that must not be there yet; of two processes that try, one succeeds.
pub(super) fn create(path: &Path, text: &str) -> Result<(), FileError> {
    let written = write_beside(path, text)?;
    match written.persist_noclobber(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(FileError::Exists {
                path: path.to_owned(),
            })
        }
        Err(error) => Err(io_error("write", path, error.error)),
    }
}

/// Writes a file, in place of an older one if there is one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let written = write_beside(path, text)?;
    written
        .persist(path)
        .map_err(|error| io_error("write", path, error.error))?;
    sync_folder(path)
}

fn write_beside(path: &Path, text: &str) -> Result<NamedTempFile, FileError> {
    let failed = |source| io_error("write", path, source);
    let folder = folder_of(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let mode = fs::Permissions::from_mode(0o600);
    let file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(mode)
        .tempfile_in(folder);
    let mut file = file.map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(file)
}

/// The rename itself must survive a power cut too.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| io_error("write", path, source))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_and_its_folder_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secret");
        create(&path, "text").unwrap();
        assert_eq!(
            (mode_of(&path), mode_of(path.parent().unwrap())),
            (0o600, 0o700)
        );
        assert_eq!(read(&path).unwrap().as_str(), "text");
        assert!(matches!(
            create(&path, "other"),
            Err(FileError::Exists { .. })
        ));
        replace(&path, "newer").unwrap();
        assert_eq!(
            (mode_of(&path), read(&path).unwrap().as_str()),
            (0o600, "newer")
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing left over"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        create(&path, "text").unwrap();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("chmod 600") && message.contains(&format!("{mode:04o}")));
        }
    }

    #[test]
    fn what_is_missing_or_no_text_says_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none")).unwrap_err().is_missing());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(
            read(folder.path()),
            Err(FileError::NotText { .. })
        ));
        let path = folder.path().join("binary");
        replace(&path, "x").unwrap();
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(FileError::NotText { .. })));
    }
}
