//! A file on its way out: the part that was asked for, piece by piece.
//!
//! Content is never changed under its key, so all pieces are of one version, whatever happens to the file
//! meanwhile.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _};
use tokio::sync::Mutex;

use super::rows::FileInfo;
use super::{Caller, FilePath, content, operations};
use crate::error::HostError;
use crate::limits::FILE_CHUNK_BYTES;

/// Which part of a file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// From one byte on, to the end or before another byte.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl Part {
    /// The bytes that are meant of a file of that size.
    ///
    /// # Errors
    /// `invalid_range` where there are none.
    pub fn of(self, size: u64) -> Result<Range<u64>, HostError> {
        let range = match self {
            Part::All => return Ok(0..size),
            Part::From(start, end) => start..end.unwrap_or(size).min(size),
            Part::Last(bytes) => size.saturating_sub(bytes)..size,
        };
        match range.is_empty() {
            false => Ok(range),
            true => Err(HostError::invalid_range(size)),
        }
    }
}

/// A part of a file that is being read.
pub struct Download {
    file: FileInfo,
    content: Content,
}

impl Download {
    /// Begins to read, if policies let the caller select the file.
    ///
    /// # Errors
    /// Denials as for tables; `unknown_file`, `invalid_range`.
    pub async fn begin(
        caller: &Caller,
        path: &FilePath,
        part: Part,
    ) -> Result<Download, HostError> {
        let file = operations::stat(caller, path).await?;
        Download::of(caller, file, part)
    }

    /// Begins to read a file that the caller has just seen.
    ///
    /// # Errors
    /// `invalid_range`.
    pub fn of(caller: &Caller, file: FileInfo, part: Part) -> Result<Download, HostError> {
        let left = part.of(file.size)?;
        Ok(Download {
            content: Content::new(caller, file.version, left)?,
            file,
        })
    }

    /// The file.
    pub fn file(&self) -> &FileInfo {
        &self.file
    }

    /// The bytes that are still to come.
    pub fn left(&self) -> Range<u64> {
        self.content.left.clone()
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// `store_away`
    pub async fn next(&mut self) -> Result<Option<Bytes>, HostError> {
        self.content.next().await
    }

    /// All that is to come.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes, HostError>> + Send + 'static {
        futures::stream::try_unfold(self, |mut download| async move {
            let piece = download.next().await?;
            Ok(piece.map(|piece| (piece, download)))
        })
    }
}

/// Content, and what of it is still to be read.
pub(super) struct Content {
    objects: Arc<dyn ObjectStore>,
    key: Path,
    left: Range<u64>,
    way: Way,
}

/// How content is read.
enum Way {
    /// Not asked yet.
    Unknown,
    /// Piece by piece: a folder has any piece at hand.
    Pieces,
    /// As it comes: each request to a bucket is one over the network. Nobody else locks it: it makes what may
    /// be sent something that may be shared.
    Stream(Mutex<BoxStream<'static, object_store::Result<Bytes>>>),
}

impl Content {
    pub(super) fn new(
        caller: &Caller,
        version: uuid::Uuid,
        left: Range<u64>,
    ) -> Result<Content, HostError> {
        Ok(Content {
            objects: Arc::clone(&caller.project.files.store()?.objects),
            key: content::key(caller.project.id, version),
            left,
            way: Way::Unknown,
        })
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, HostError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        if let Way::Unknown = self.way {
            self.way = self.ask().await.map_err(HostError::store_away)?;
        }
        let piece = match &mut self.way {
            Way::Stream(stream) => stream.get_mut().next().await.unwrap_or(Ok(Bytes::new())),
            Way::Unknown | Way::Pieces => {
                let end = self.left.end.min(self.left.start + FILE_CHUNK_BYTES);
                let range = self.left.start..end;
                self.objects.get_range(&self.key, range).await
            }
        };
        let piece = piece.map_err(HostError::store_away)?;
        let length = piece.len() as u64;
        if length == 0 || length > self.left.end - self.left.start {
            return Err(HostError::store_away(
                "content is not as long as its row says",
            ));
        }
        self.left.start += length;
        Ok(Some(piece))
    }

    async fn ask(&self) -> object_store::Result<Way> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.left.clone())),
            ..GetOptions::default()
        };
        let found = self.objects.get_opts(&self.key, options).await?;
        Ok(match found.payload {
            GetResultPayload::File(..) => Way::Pieces,
            GetResultPayload::Stream(stream) => Way::Stream(Mutex::new(stream)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_within_the_file() {
        let check = |part: Part, expected: Option<Range<u64>>| {
            assert_eq!(part.of(10).ok(), expected, "{part:?}");
        };
        check(Part::All, Some(0..10));
        check(Part::From(0, Some(1)), Some(0..1));
        check(Part::From(9, None), Some(9..10));
        check(Part::From(3, Some(99)), Some(3..10));
        check(Part::From(10, None), None);
        check(Part::From(5, Some(5)), None);
        check(Part::Last(3), Some(7..10));
        check(Part::Last(99), Some(0..10));
        check(Part::Last(0), None);
        assert_eq!(Part::All.of(0).unwrap(), 0..0);
    }
}
