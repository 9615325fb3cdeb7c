//! Files on their way, as guests hold them: each belongs to the invocation that began it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Caller, Download, FileInfo, FilePath, Part, Upload, Wanted};
use crate::error::HostError;
use crate::invocation::Invocation;
use crate::limits::OPEN_UPLOADS;

/// How many uploads an instance has open.
#[derive(Clone, Default)]
pub struct OpenUploads(Arc<()>);

impl OpenUploads {
    fn take(&self) -> Result<OpenUploads, HostError> {
        match Arc::strong_count(&self.0) > OPEN_UPLOADS {
            false => Ok(self.clone()),
            true => Err(HostError::uploads_open()),
        }
    }
}

/// An upload of one invocation. Cheap to clone.
#[derive(Clone)]
pub struct UploadHandle {
    invocation: Uuid,
    upload: Arc<Mutex<Option<(Upload, OpenUploads)>>>,
}

impl UploadHandle {
    /// Begins one.
    ///
    /// # Errors
    /// As [`Upload::begin`]; `uploads_open`.
    pub async fn begin(
        invocation: &Invocation,
        wanted: Wanted,
        open: &OpenUploads,
    ) -> Result<UploadHandle, HostError> {
        let taken = open.take()?;
        let upload = Upload::begin(Caller::of(invocation), wanted).await?;
        Ok(UploadHandle {
            invocation: invocation.id,
            upload: Arc::new(Mutex::new(Some((upload, taken)))),
        })
    }

    /// Takes bytes. An error ends the upload.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn write(&self, invocation: &Invocation, bytes: Bytes) -> Result<(), HostError> {
        self.check(invocation)?;
        let mut place = self.upload.lock().await;
        let (upload, _) = place.as_mut().ok_or_else(HostError::upload_over)?;
        let written = upload.write(bytes).await;
        if written.is_err() {
            *place = None;
        }
        written
    }

    /// Makes a file of what was taken.
    ///
    /// # Errors
    /// As [`Upload::finish`].
    pub async fn finish(&self, invocation: &Invocation) -> Result<FileInfo, HostError> {
        self.check(invocation)?;
        let taken = self.upload.lock().await.take();
        let (upload, _taken) = taken.ok_or_else(HostError::upload_over)?;
        Ok(upload.finish().await?.file)
    }

    fn check(&self, invocation: &Invocation) -> Result<(), HostError> {
        check(self.invocation, invocation)
    }
}

/// A download of one invocation. Cheap to clone.
#[derive(Clone)]
pub struct DownloadHandle {
    invocation: Uuid,
    download: Arc<Mutex<Download>>,
}

impl DownloadHandle {
    /// Begins one.
    ///
    /// # Errors
    /// As [`Download::begin`].
    pub async fn begin(
        invocation: &Invocation,
        path: &FilePath,
        part: Part,
    ) -> Result<(FileInfo, DownloadHandle), HostError> {
        let download = Download::begin(&Caller::of(invocation), path, part).await?;
        let file = download.file().clone();
        let handle = DownloadHandle {
            invocation: invocation.id,
            download: Arc::new(Mutex::new(download)),
        };
        Ok((file, handle))
    }

    /// The next bytes.
    ///
    /// # Errors
    /// As [`Download::next`].
    pub async fn read(&self, invocation: &Invocation) -> Result<Option<Bytes>, HostError> {
        check(self.invocation, invocation)?;
        self.download.lock().await.next().await
    }
}

fn check(mine: Uuid, invocation: &Invocation) -> Result<(), HostError> {
    match mine == invocation.id {
        true => Ok(()),
        false => Err(HostError::foreign_file_handle()),
    }
}
