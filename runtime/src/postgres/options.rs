//! What the caller decides about the private Postgres, and what it is told while waiting.
//!
//! Values only: nothing here touches the disk or the environment. `config` fills [`Options`].

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the private Postgres lives and where its binaries may come from.
#[derive(Debug, Clone)]
pub struct Options {
    /// Holds the cluster, its lock and (where the path is short enough) its socket, for example
    /// `.koyalite/pg`. Created when missing.
    pub data_dir: PathBuf,
    /// A folder with `postgres` and `initdb` that is used instead of any other.
    pub bin_dir: Option<PathBuf>,
    /// Downloaded server binaries are kept here. Created when something is downloaded.
    pub cache_dir: PathBuf,
    /// The value of `PATH`, searched for server binaries and for Python.
    pub path: Option<OsString>,
    /// May server binaries be downloaded when the machine has none?
    pub consent: Consent,
}

/// The operator's answer to "download Postgres?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Fetch the pinned bundle when no usable server is found.
    Install,
    /// Never download; fail with a message that lists the ways out.
    Refuse,
}

/// One step of bringing Postgres up, for a progress display. Steps that take no time to speak of
/// are reported too, so that the last one seen names the step that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Searching for server binaries.
    Looking,
    /// Downloading the bundle.
    Downloading {
        /// Package name and version, as one would ask for it.
        bundle: &'static str,
        /// Size of the download.
        bytes: u64,
    },
    /// Unpacking the bundle.
    Unpacking {
        /// Archive entries done.
        done: usize,
        /// Archive entries in all.
        total: usize,
    },
    /// Creating the database cluster.
    Initialising {
        /// Major version of Postgres.
        major: u16,
    },
    /// Taking down what an earlier, killed process left behind, then starting.
    Starting,
    /// Accepting connections.
    Ready,
}
