//! Files: a row that says what is there, and content that lies elsewhere under a key of its own.
//!
//! The row is the truth. Content is written first, under a key that was never used, and becomes a file when
//! its row says so: a crash leaves the old file or the new one. Policies on [`Resource::Files`] decide before
//! the first byte is taken and again when the row is written. `content` is what lies elsewhere, `rows` what
//! Postgres is asked, `upload` and `download` are files on their way, `operations` all else.
//!
//! [`Resource::Files`]: koyalite_policy::Resource::Files

mod content;
mod download;
mod handles;
mod operations;
mod parts;
mod path;
mod resumable;
mod rows;
mod signed;
mod sniff;
mod upload;

use std::fmt;
use std::sync::Arc;

use koyalite_policy::Identity;
use object_store::ObjectStore;
use object_store::multipart::MultipartStore;

pub use self::content::key;
pub use self::download::{Download, Part};
pub use self::handles::{DownloadHandle, OpenUploads, UploadHandle};
pub use self::operations::{List, Listed, copy, delete, list, rename, stat};
pub use self::path::{FilePath, PathError};
pub use self::resumable::{Resumable, Resumed};
pub use self::rows::FileInfo;
pub use self::signed::{Method, Redeemed, Sign, Signer, redeem, sign};
pub use self::sniff::{is_inline, is_type};
pub use self::upload::{Precondition, Upload, Wanted, Written};

use crate::error::HostError;
use crate::invocation::{Invocation, Project};
use crate::limits;

/// Where a project's files lie, and what it takes. Cheap to clone.
#[derive(Clone, Default)]
pub struct Files {
    /// None where there is no such place: every operation says so.
    store: Option<Store>,
    limits: Arc<FileLimits>,
}

/// Where the files of a node lie.
#[derive(Clone)]
pub struct Store {
    /// Contents, by key.
    pub objects: Arc<dyn ObjectStore>,
    /// The same, where an upload of several parts must be ended by its name.
    pub parts: Option<Arc<dyn MultipartStore>>,
    /// What signs URLs.
    pub signer: Arc<dyn Signer>,
    /// Where files are reached from outside, as in `http://localhost:8080`.
    pub base: Arc<str>,
}

/// What a project takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLimits {
    /// The largest file.
    pub file_bytes: u64,
    /// Media types, as `image/png` or `image/*`; empty: all.
    pub types: Vec<String>,
}

impl Default for FileLimits {
    fn default() -> FileLimits {
        FileLimits {
            file_bytes: limits::FILE_BYTES,
            types: Vec::new(),
        }
    }
}

impl Files {
    /// Files of a project that takes so much, nowhere yet.
    pub fn taking(limits: FileLimits) -> Files {
        Files {
            store: None,
            limits: Arc::new(limits),
        }
    }

    /// The same, there.
    pub fn kept_in(self, store: &Store) -> Files {
        Files {
            store: Some(store.clone()),
            ..self
        }
    }

    /// The largest file that the project takes.
    pub fn file_bytes(&self) -> u64 {
        self.limits.file_bytes
    }

    fn store(&self) -> Result<&Store, HostError> {
        let nowhere = || HostError::store_away("this process keeps no files");
        self.store.as_ref().ok_or_else(nowhere)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// On whose behalf, in which project. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    /// The project.
    pub project: Arc<Project>,
    /// Who asks.
    pub identity: Identity,
}

impl Caller {
    /// Whoever an invocation acts for.
    pub fn of(invocation: &Invocation) -> Caller {
        Caller {
            project: Arc::clone(&invocation.project),
            identity: invocation.identity.clone(),
        }
    }
}
