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
//!
//! // A link for somebody else, for an hour:
//! let link = files::sign_get(&file.path, 3600).await?;
//! # Ok(Response::text(format!("{} {link}", text.len())))
//! # }
//! ```
//!
//! Policies on `koyalite_files` say who may do what; without one, nobody may. A file is written as a whole:
//! until the end of a write the old one is there, after it the new one.

use std::time::Duration;

use serde::Serialize;

use crate::Body;
use crate::bindings::imports::koyalite::host::files as host;
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

/// A write of that path and content, not begun.
pub fn put(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Put {
    Put {
        path: path.into(),
        content: content.into(),
        options: host::PutOptions {
            mime_type: None,
            size: None,
            precondition: host::Precondition::Anything,
        },
    }
}

/// A write that is not begun.
#[derive(Clone, Debug)]
#[must_use = "it is not written yet"]
pub struct Put {
    path: String,
    content: Vec<u8>,
    options: host::PutOptions,
}

impl Put {
    /// What it is, as in `image/png`. Left out: what the content begins like.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.options.mime_type = Some(mime_type.into());
        self
    }

    /// How long it will be, where it streams and that is known.
    pub fn size(mut self, size: u64) -> Self {
        self.options.size = Some(size);
        self
    }

    /// Only where there is no file.
    pub fn if_absent(mut self) -> Self {
        self.options.precondition = host::Precondition::Nothing;
        self
    }

    /// Only over the file of that `etag`.
    pub fn if_etag(mut self, etag: impl Into<String>) -> Self {
        self.options.precondition = host::Precondition::Etag(etag.into());
        self
    }

    /// Writes the content that is at hand.
    ///
    /// # Errors
    /// Denied by policies; `file_changed`, `file_too_large`, `storage_quota`, `type_mismatch`,
    /// `type_not_allowed`.
    pub async fn send(self) -> Result<File, Error> {
        let file = host::put(self.path, self.options, self.content).await?;
        Ok(file.into())
    }

    /// Writes a body as it arrives, after the content that is at hand.
    ///
    /// # Errors
    /// As [`Put::send`], and as [`Body::next`].
    pub async fn stream(self, mut body: Body) -> crate::Result<File> {
        let mut upload = self.begin().await?;
        while let Some(piece) = body.next().await? {
            upload.write(piece).await?;
        }
        Ok(upload.finish().await?)
    }

    /// Begins to write: what is at hand first.
    ///
    /// # Errors
    /// As [`Put::send`].
    pub async fn begin(self) -> Result<Upload, Error> {
        let mut upload = Upload(host::create(self.path, self.options).await?);
        if !self.content.is_empty() {
            upload.write(self.content).await?;
        }
        Ok(upload)
    }
}

/// A file on its way in. Dropped before [`Upload::finish`] has answered, it was never there.
#[derive(Debug)]
pub struct Upload(host::Upload);

impl Upload {
    /// Takes more bytes.
    ///
    /// # Errors
    /// As [`Put::send`]; an error ends the upload.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        Ok(self.0.write(bytes.into()).await?)
    }

    /// Makes a file of them.
    ///
    /// # Errors
    /// As [`Put::send`].
    pub async fn finish(self) -> Result<File, Error> {
        Ok(self.0.finish().await?.into())
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
    let (file, handle) = host::open(path, part).await?;
    Ok(Download {
        file: file.into(),
        handle,
    })
}

/// A file on its way out. Whatever becomes of the file meanwhile, all bytes are of one version.
#[derive(Debug)]
pub struct Download {
    /// What it is.
    pub file: File,
    handle: host::Download,
}

impl Download {
    /// The next piece. None after the last.
    ///
    /// # Errors
    /// `store_away`
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.handle.read().await?)
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
