//! Content piece by piece, for guests of WASI 0.2, which has no streams of its own here.
//!
//! Uploads and downloads are resources: the handle is the guest's, what it stands for is in [`HostState`].
//! To move a piece of one is not counted as a host call: it asks nothing of the database.

use bytes::Bytes;
use wasmtime::component::{Access, Resource};

use super::super::logged::{Caller, logged};
use super::super::{Host, HostState, charged, current};
use super::{Asked, path};
use crate::bindings::sync::koyalite::host_sync::files::{
    Error, File, HostDownload, HostDownloadWithStore, HostUpload, HostUploadWithStore,
};
use crate::error::HostError;
use crate::files::{self, DownloadHandle, FileInfo, OpenUploads, Part, Upload, UploadHandle};

pub(super) async fn create(
    caller: Caller,
    asked: Asked,
    open: OpenUploads,
) -> Result<UploadHandle, HostError> {
    logged(caller, |call| async move {
        UploadHandle::begin(&call, asked.wanted()?, &open).await
    })
    .await
}

pub(super) async fn put(
    caller: Caller,
    asked: Asked,
    content: Vec<u8>,
) -> Result<FileInfo, HostError> {
    logged(caller, |call| async move {
        let mut wanted = asked.wanted()?;
        wanted.size.get_or_insert(content.len() as u64);
        let mut upload = Upload::begin(files::Caller::of(&call), wanted).await?;
        upload.write(Bytes::from(content)).await?;
        Ok(upload.finish().await?.file)
    })
    .await
}

pub(super) async fn open(
    caller: Caller,
    file: String,
    part: Part,
) -> Result<(FileInfo, DownloadHandle), HostError> {
    logged(caller, |call| async move {
        DownloadHandle::begin(&call, &path(&file)?, part).await
    })
    .await
}

async fn write(caller: Caller, upload: UploadHandle, bytes: Vec<u8>) -> Result<(), HostError> {
    logged(caller, |call| async move {
        upload.write(&call, Bytes::from(bytes)).await
    })
    .await
}

async fn finish(caller: Caller, upload: UploadHandle) -> Result<FileInfo, HostError> {
    logged(caller, |call| async move { upload.finish(&call).await }).await
}

async fn read(caller: Caller, download: DownloadHandle) -> Result<Option<Vec<u8>>, HostError> {
    logged(caller, |call| async move {
        let piece = download.read(&call).await?;
        Ok(piece.map(Vec::from))
    })
    .await
}

impl<T: Send + 'static> HostUploadWithStore<T> for Host {
    async fn write(
        mut access: Access<'_, T, Self>,
        this: Resource<UploadHandle>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let caller = current(&mut access);
        let this = access.get().files.get(&this).cloned()?;
        Ok(write(caller, this, bytes).await.map_err(Into::into))
    }

    async fn finish(
        mut access: Access<'_, T, Self>,
        this: Resource<UploadHandle>,
    ) -> wasmtime::Result<Result<File, Error>> {
        let caller = charged(&mut access);
        let this = access.get().files.get(&this).cloned()?;
        let file = finish(caller, this).await;
        Ok(file.map(Into::into).map_err(Into::into))
    }

    fn drop(mut access: Access<'_, T, Self>, this: Resource<UploadHandle>) -> wasmtime::Result<()> {
        access.get().files.delete(this)?;
        Ok(())
    }
}

impl<T: Send + 'static> HostDownloadWithStore<T> for Host {
    async fn read(
        mut access: Access<'_, T, Self>,
        this: Resource<DownloadHandle>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let caller = current(&mut access);
        let this = access.get().files.get(&this).cloned()?;
        Ok(read(caller, this).await.map_err(Into::into))
    }

    fn drop(
        mut access: Access<'_, T, Self>,
        this: Resource<DownloadHandle>,
    ) -> wasmtime::Result<()> {
        access.get().files.delete(this)?;
        Ok(())
    }
}

impl HostUpload for &mut HostState {}
impl HostDownload for &mut HostState {}
