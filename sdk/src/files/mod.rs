//! Files of the project, whole or piece by piece.
//!
//! ```no_run
//! # use koyalite::{Request, Response, Result, files};
//! # async fn example(request: &Request) -> Result<Response> {
//! // What is at hand:
//! files::put("notes/today.txt", "Ship it.").mime_type("text/plain").send().await?;
//! let text = files::get("notes/today.txt").await?;
//!
//! // What streams through, however long it is:
//! let file = files::put("films/new.mp4", "").stream(request.body()?).await?;
//! let answer = Response::download(files::open("films/old.mp4").await?);
//!
//! // A link for somebody else, for an hour:
//! let link = files::sign_get(&file.path, 3600).await?;
//! # Ok(answer.with_header("link", link).with_header("x-length", text.len().to_string()))
//! # }
//! ```
//!
//! Policies on `koyalite_files` say who may do what; without one, nobody may. A file is written as a whole:
//! until the end of a write the old one is there, after it the new one.

mod put;

use std::time::Duration;

use serde::Serialize;

pub use self::put::{Put, Upload, put};
use crate::bindings::imports::koyalite::host::files as host;
use crate::body::Incoming;
use crate::tables::Error;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its id.
    pub id: String,
    /// Its path.
    pub path: String,
    /// Whose it is.
    pub user_id: Option<String>,
    /// Its media type.
    pub mime_type: String,
    /// Its bytes.
    pub size: u64,
    /// When there was first a file of that path: RFC 3339.
    pub created_at: String,
    /// When it was last written or moved.
    pub updated_at: String,
    /// Another with every content.
    pub etag: String,
    /// The hash of its content, in hexadecimal.
    pub sha256: String,
}

impl From<host::File> for File {
    fn from(file: host::File) -> Self {
        Self {
            id: file.id,
            path: file.path,
            user_id: file.user_id,
            mime_type: file.mime_type,
            size: file.size,
            created_at: file.created_at,
            updated_at: file.updated_at,
            etag: file.etag,
            sha256: file.sha256,
        }
    }
}

/// All of a file.
///
/// # Errors
/// `unknown_file` where there is none that the caller may see.
pub async fn get(path: impl Into<String>) -> Result<Vec<u8>, Error> {
    let mut download = open(path).await?;
    let mut all = Vec::new();
    while let Some(piece) = download.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Begins to read a file.
///
/// # Errors
/// As [`get`].
pub async fn open(path: impl Into<String>) -> Result<Download, Error> {
    begin(path.into(), host::Part::Whole).await
}

/// Begins to read a part of a file: from one byte on, up to and without another.
///
/// # Errors
/// As [`get`]; `invalid_range`.
pub async fn open_part(
    path: impl Into<String>,
    start: u64,
    end: Option<u64>,
) -> Result<Download, Error> {
    begin(path.into(), host::Part::Span((start, end))).await
}

async fn begin(path: String, part: host::Part) -> Result<Download, Error> {
    let (file, stream, end) = host::get(path, part).await?;
    Ok(Download {
        file: file.into(),
        content: Incoming::new(stream, end),
    })
}

/// A file on its way out. Whatever becomes of the file meanwhile, all bytes are of one version.
#[derive(Debug)]
pub struct Download {
    /// What it is.
    pub file: File,
    pub(crate) content: Incoming<(), host::Error>,
}

impl Download {
    /// The next piece, up to 64 KiB. None after the last.
    ///
    /// # Errors
    /// `store_away`
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.content.next().await?)
    }
}

/// What a file is.
///
/// # Errors
/// As [`get`].
pub async fn stat(path: impl Into<String>) -> Result<File, Error> {
    Ok(host::stat(path.into()).await?.into())
}

/// A part of a list of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The files, by path.
    pub files: Vec<File>,
    /// Where the next part begins. None: this was the last.
    pub next: Option<String>,
}

/// The files whose paths begin so, after one of them; at most a thousand at once.
///
/// # Errors
/// Denied by policies.
pub async fn list(
    prefix: impl Into<String>,
    after: Option<String>,
    limit: Option<u32>,
) -> Result<Listing, Error> {
    let listing = host::list(prefix.into(), after, limit).await?;
    Ok(Listing {
        files: listing.files.into_iter().map(Into::into).collect(),
        next: listing.next,
    })
}

/// Makes a file of the same content, where there is none.
///
/// # Errors
/// `unknown_file`, `file_exists`, `storage_quota`.
pub async fn copy(source: impl Into<String>, target: impl Into<String>) -> Result<File, Error> {
    Ok(host::copy(source.into(), target.into()).await?.into())
}

/// Gives a file another path, where there is none.
///
/// # Errors
/// `unknown_file`, `file_exists`.
pub async fn rename(source: impl Into<String>, target: impl Into<String>) -> Result<File, Error> {
    Ok(host::move_(source.into(), target.into()).await?.into())
}

/// Deletes a file.
///
/// # Errors
/// `unknown_file`
pub async fn delete(path: impl Into<String>) -> Result<(), Error> {
    Ok(host::delete(path.into(), host::Precondition::Anything).await?)
}

/// A URL by which anybody may read the file as it is now, as the caller, for at most a week.
///
/// # Errors
/// `unknown_file`, `invalid_url_time`.
pub async fn sign_get(path: impl Into<String>, time: impl Into<Time>) -> Result<String, Error> {
    Ok(host::sign_get(path.into(), time.into().0).await?)
}

/// A URL by which anybody may write the file once, by PUT, as the caller: of that type and at most of that
/// size, where one is said.
///
/// # Errors
/// Denied by policies; `invalid_url_time`.
pub async fn sign_put(
    path: impl Into<String>,
    time: impl Into<Time>,
    mime_type: Option<&str>,
    size_max: Option<u64>,
) -> Result<String, Error> {
    let mime_type = mime_type.map(str::to_owned);
    Ok(host::sign_put(path.into(), time.into().0, mime_type, size_max).await?)
}

/// How long a URL is good, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(u32);

impl From<u32> for Time {
    fn from(seconds: u32) -> Self {
        Self(seconds)
    }
}

impl From<Duration> for Time {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    }
}
