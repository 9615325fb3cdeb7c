//! Where things are inside the data directory, and who owns it.
//!
//! `lock` is ours, `pgdata` and the socket folder belong to the user that Postgres runs as. Nothing
//! here starts a process; see `run_as` for the choice of the user.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::connection::PORT;
use super::error::PostgresError;
use super::run_as::Ids;

/// `sun_path` holds 108 bytes on Linux with the closing zero; other systems have 104. The smaller
/// bound everywhere keeps a data directory movable between machines.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Fixed, because the folder must be found again after we were killed, whatever `TMPDIR` says then.
const SHORT_PARENT: &str = "/tmp";

/// The paths of one data directory. All are absolute and free of symbolic links.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The whole; ours.
    pub(super) root: PathBuf,
    /// The cluster.
    pub(super) pgdata: PathBuf,
    /// A cluster that `initdb` has not finished. Never started from.
    pub(super) pgdata_tmp: PathBuf,
    /// Folder of the socket.
    pub(super) socket_dir: PathBuf,
}

/// Proof that no other process supervises this data directory. Released when dropped, and by the
/// kernel when we are killed.
#[derive(Debug)]
pub(super) struct DataDirLock {
    _file: File,
}

impl Layout {
    /// Creates the data directory and locks it.
    pub(super) fn open(data_dir: &Path) -> Result<(Self, DataDirLock), PostgresError> {
        fs::create_dir_all(data_dir).map_err(PostgresError::path("create", data_dir))?;
        let root = data_dir
            .canonicalize()
            .map_err(PostgresError::path("resolve", data_dir))?;
        let lock = lock(&root)?;
        let socket_dir = socket_dir(&root);
        let layout = Self {
            pgdata: root.join("pgdata"),
            pgdata_tmp: root.join("pgdata.tmp"),
            socket_dir,
            root,
        };
        Ok((layout, lock))
    }

    /// Who owns the existing cluster; `None` where there is none yet.
    pub(super) fn cluster_owner(&self) -> Option<u32> {
        fs::metadata(&self.pgdata)
            .ok()
            .map(|metadata| metadata.uid())
    }

    /// The major version that wrote the existing cluster, as written.
    pub(super) fn cluster_version(&self) -> Result<Option<String>, PostgresError> {
        let file = self.pgdata.join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PostgresError::path("read", &file)(error)),
        }
    }

    /// Makes the socket's folder, private to the user that Postgres runs as.
    pub(super) fn prepare_socket_dir(&self, owner: Ids) -> Result<(), PostgresError> {
        let dir = &self.socket_dir;
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Anybody may create names in /tmp: a folder of a stranger could hold a socket of
                // a stranger, and a symbolic link could lead anywhere.
                let metadata =
                    fs::symlink_metadata(dir).map_err(PostgresError::path("inspect", dir))?;
                let ours = metadata.is_dir()
                    && (dir.starts_with(&self.root)
                        || metadata.uid() == owner.uid
                        || metadata.uid() == my_ids(&self.root)?.uid);
                if !ours {
                    return Err(PostgresError::NoSocketDir {
                        data_dir: self.root.clone(),
                        socket_dir: dir.clone(),
                    });
                }
            }
            Err(error) => return Err(PostgresError::path("create", dir)(error)),
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(PostgresError::path("protect", dir))?;
        hand_over(dir, owner)
    }

    /// Removes what a dead server left behind. Only for a cluster without living processes: the
    /// pid file is what Postgres itself guards the cluster with.
    pub(super) fn remove_stale_files(&self) -> Result<(), PostgresError> {
        let socket = format!(".s.PGSQL.{PORT}");
        let stale = [
            self.pgdata.join("postmaster.pid"),
            self.socket_dir.join(format!("{socket}.lock")),
            self.socket_dir.join(socket),
        ];
        for file in stale {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(PostgresError::path("remove", &file)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Gives a tree to `owner`. The top goes last: if we are killed midway, the next start sees the old
/// owner there and does it again.
pub(super) fn hand_over(path: &Path, owner: Ids) -> Result<(), PostgresError> {
    let metadata = fs::symlink_metadata(path).map_err(PostgresError::path("inspect", path))?;
    if metadata.uid() == owner.uid {
        return Ok(());
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).map_err(PostgresError::path("list", path))?;
        for entry in entries {
            let entry = entry.map_err(PostgresError::path("list", path))?;
            hand_over(&entry.path(), owner)?;
        }
    }
    lchown(path, Some(owner.uid), Some(owner.gid)).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => PostgresError::NotOwner {
            path: path.to_owned(),
            owner: metadata.uid(),
        },
        _ => PostgresError::path("change the owner of", path)(error),
    })
}

/// Our own effective user and group, learnt from a file that we make: no system call of the safe
/// standard library tells them.
pub(super) fn my_ids(dir: &Path) -> Result<Ids, PostgresError> {
    let metadata = tempfile::tempfile_in(dir)
        .and_then(|file| file.metadata())
        .map_err(PostgresError::path("write to", dir))?;
    Ok(Ids {
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

fn lock(root: &Path) -> Result<DataDirLock, PostgresError> {
    let path = root.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        // Whoever could open it could lock us out.
        .mode(0o600)
        .open(&path)
        .map_err(PostgresError::path("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(DataDirLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(PostgresError::InUse {
            data_dir: root.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(PostgresError::path("lock", &path)(error)),
    }
}

/// Inside the data directory where the path is short enough, else a name in `/tmp` made from it.
fn socket_dir(root: &Path) -> PathBuf {
    let inside = root.join("run");
    let socket = inside.join(format!(".s.PGSQL.{PORT}"));
    if socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return inside;
    }
    let digest = Sha256::digest(root.as_os_str().as_bytes());
    let name: String = hex::encode(digest).chars().take(16).collect();
    Path::new(SHORT_PARENT).join(format!("koyalite-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_path_keeps_its_socket_inside() {
        assert_eq!(socket_dir(Path::new("/srv/pg")), Path::new("/srv/pg/run"));
    }

    #[test]
    fn a_deep_path_gets_a_short_socket_of_its_own() {
        let deep = |leaf: &str| PathBuf::from(format!("/{}/{leaf}", "deep/".repeat(30)));
        let (one, two) = (socket_dir(&deep("one")), socket_dir(&deep("two")));
        assert_eq!(one.parent(), Some(Path::new("/tmp")));
        assert_ne!(one, two);
        assert_eq!(one, socket_dir(&deep("one")));
    }

    #[test]
    fn a_locked_directory_is_refused_and_free_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let (_layout, lock) = Layout::open(dir.path()).unwrap();
        let refused = Layout::open(dir.path()).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("in use by another running KoyaLite"),
            "{refused}"
        );
        drop(lock);
        Layout::open(dir.path()).unwrap();
    }
}
