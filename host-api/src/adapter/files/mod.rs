//! `files` of both packages over one service.
//!
//! What the two do not share is how content moves: as streams of the component model (`streams`), or piece
//! by piece (`pieces`).

mod pieces;
mod streams;

use std::time::Duration;

use wasmtime::component::{Access, Accessor, Resource, StreamReader};

use super::logged::{Caller, logged};
use super::tables::{with_access, with_accessor};
use super::{Host, HostState, charged};
use crate::bindings::concurrent::koyalite::host as concurrent_host;
use crate::bindings::sync::koyalite::host_sync as sync_host;
use crate::error::HostError;
use crate::files::{
    self, DownloadHandle, FileInfo, FilePath, List, Listed, Method, Part, Precondition, Sign,
    UploadHandle, Wanted,
};

fn path(text: &str) -> Result<FilePath, HostError> {
    text.parse()
        .map_err(|error| HostError::invalid_path(&error))
}

/// A write, before its path is looked at.
struct Asked {
    path: String,
    mime_type: Option<String>,
    size: Option<u64>,
    precondition: Precondition,
}

impl Asked {
    fn wanted(self) -> Result<Wanted, HostError> {
        Ok(Wanted {
            path: path(&self.path)?,
            mime_type: self.mime_type,
            size: self.size,
            precondition: self.precondition,
            url: None,
        })
    }
}

async fn stat(caller: Caller, file: String) -> Result<FileInfo, HostError> {
    logged(caller, |call| async move {
        files::stat(&files::Caller::of(&call), &path(&file)?).await
    })
    .await
}

async fn list(caller: Caller, list: List) -> Result<Listed, HostError> {
    logged(caller, |call| async move {
        files::list(&files::Caller::of(&call), list).await
    })
    .await
}

async fn copy(caller: Caller, source: String, target: String) -> Result<FileInfo, HostError> {
    logged(caller, |call| async move {
        files::copy(&files::Caller::of(&call), &path(&source)?, &path(&target)?).await
    })
    .await
}

async fn rename(caller: Caller, source: String, target: String) -> Result<FileInfo, HostError> {
    logged(caller, |call| async move {
        files::rename(&files::Caller::of(&call), &path(&source)?, &path(&target)?).await
    })
    .await
}

async fn delete(caller: Caller, file: String, precondition: Precondition) -> Result<(), HostError> {
    logged(caller, |call| async move {
        let caller = files::Caller::of(&call);
        files::delete(&caller, &path(&file)?, &precondition)
            .await
            .map(drop)
    })
    .await
}

/// What a URL is signed for, before its path is looked at.
struct ToSign {
    method: Method,
    path: String,
    seconds: u32,
    mime_type: Option<String>,
    size_max: Option<u64>,
}

async fn sign(caller: Caller, wanted: ToSign) -> Result<String, HostError> {
    logged(caller, |call| async move {
        let sign = Sign {
            method: wanted.method,
            path: path(&wanted.path)?,
            time: Duration::from_secs(wanted.seconds.into()),
            size_max: wanted.size_max,
            mime_type: wanted.mime_type,
        };
        files::sign(&files::Caller::of(&call), sign).await
    })
    .await
}

/// As in `tables`: the two packages differ in how a function sees its store; and here in how content moves.
macro_rules! implement {
    ($package:ident, [$($mut:tt)?] $access:ty, $with:ident, { $($content:item)* }) => {
        impl<T: Send + 'static> $package::files::HostWithStore<T> for Host {
            $($content)*

            async fn stat(
                $($mut)? access: $access,
                path: String,
            ) -> wasmtime::Result<Result<$package::files::File, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(stat(caller, path).await.map(Into::into).map_err(Into::into))
            }

            async fn list(
                $($mut)? access: $access,
                prefix: String,
                after: Option<String>,
                limit: Option<u32>,
            ) -> wasmtime::Result<Result<$package::files::Listing, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                let listed = list(caller, List { prefix, after, limit }).await;
                Ok(listed.map(Into::into).map_err(Into::into))
            }

            async fn copy(
                $($mut)? access: $access,
                source: String,
                target: String,
            ) -> wasmtime::Result<Result<$package::files::File, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(copy(caller, source, target).await.map(Into::into).map_err(Into::into))
            }

            async fn move_(
                $($mut)? access: $access,
                source: String,
                target: String,
            ) -> wasmtime::Result<Result<$package::files::File, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(rename(caller, source, target).await.map(Into::into).map_err(Into::into))
            }

            async fn delete(
                $($mut)? access: $access,
                path: String,
                precondition: $package::files::Precondition,
            ) -> wasmtime::Result<Result<(), $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                Ok(delete(caller, path, precondition.into()).await.map_err(Into::into))
            }

            async fn sign_get(
                $($mut)? access: $access,
                path: String,
                seconds: u32,
            ) -> wasmtime::Result<Result<String, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                let (mime_type, size_max) = (None, None);
                let method = Method::Get;
                let wanted = ToSign { method, path, seconds, mime_type, size_max };
                Ok(sign(caller, wanted).await.map_err(Into::into))
            }

            async fn sign_put(
                $($mut)? access: $access,
                path: String,
                seconds: u32,
                mime_type: Option<String>,
                size_max: Option<u64>,
            ) -> wasmtime::Result<Result<String, $package::files::Error>> {
                let caller = $with!(access, |store| charged(store));
                let method = Method::Put;
                let wanted = ToSign { method, path, seconds, mime_type, size_max };
                Ok(sign(caller, wanted).await.map_err(Into::into))
            }
        }

        impl $package::files::Host for &mut HostState {}

        impl From<$package::files::Precondition> for Precondition {
            fn from(precondition: $package::files::Precondition) -> Self {
                match precondition {
                    $package::files::Precondition::Anything => Precondition::Anything,
                    $package::files::Precondition::Nothing => Precondition::Nothing,
                    $package::files::Precondition::Something => Precondition::Something,
                    $package::files::Precondition::Etag(etag) => Precondition::OneOf(vec![etag]),
                }
            }
        }

        impl From<(String, $package::files::PutOptions)> for Asked {
            fn from((path, options): (String, $package::files::PutOptions)) -> Self {
                Asked {
                    path,
                    mime_type: options.mime_type,
                    size: options.size,
                    precondition: options.precondition.into(),
                }
            }
        }

        impl From<$package::files::Part> for Part {
            fn from(part: $package::files::Part) -> Self {
                match part {
                    $package::files::Part::Whole => Part::All,
                    $package::files::Part::Span((start, end)) => Part::From(start, end),
                    $package::files::Part::Last(bytes) => Part::Last(bytes),
                }
            }
        }

        impl From<FileInfo> for $package::files::File {
            fn from(file: FileInfo) -> Self {
                Self {
                    id: file.id.to_string(),
                    etag: file.etag(),
                    path: file.path,
                    user_id: file.user_id,
                    mime_type: file.mime_type,
                    size: file.size,
                    created_at: file.created_at,
                    updated_at: file.updated_at,
                    sha256: file.sha256,
                }
            }
        }

        impl From<Listed> for $package::files::Listing {
            fn from(listed: Listed) -> Self {
                Self {
                    files: listed.files.into_iter().map(Into::into).collect(),
                    next: listed.next,
                }
            }
        }
    };
}

implement!(concurrent_host, [] &Accessor<T, Self>, with_accessor, {
    async fn put(
        access: &Accessor<T, Self>,
        path: String,
        options: concurrent_host::files::PutOptions,
        content: StreamReader<u8>,
        end: streams::End,
    ) -> wasmtime::Result<Result<concurrent_host::files::File, concurrent_host::files::Error>> {
        let file = streams::put(access, (path, options).into(), content, end).await;
        Ok(file.map(Into::into).map_err(Into::into))
    }

    async fn get(
        access: &Accessor<T, Self>,
        path: String,
        part: concurrent_host::files::Part,
    ) -> wasmtime::Result<
        Result<
            (concurrent_host::files::File, StreamReader<u8>, streams::End),
            concurrent_host::files::Error,
        >,
    > {
        let given = streams::get(access, path, part.into()).await?;
        let given = given.map(|(file, content, end)| (file.into(), content, end));
        Ok(given.map_err(Into::into))
    }
});

implement!(sync_host, [mut] Access<'_, T, Self>, with_access, {
    async fn create(
        mut access: Access<'_, T, Self>,
        path: String,
        options: sync_host::files::PutOptions,
    ) -> wasmtime::Result<Result<Resource<UploadHandle>, sync_host::files::Error>> {
        let caller = charged(&mut access);
        let open = access.get().open_uploads.clone();
        match pieces::create(caller, (path, options).into(), open).await {
            Ok(upload) => Ok(Ok(access.get().files.push(upload)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn put(
        mut access: Access<'_, T, Self>,
        path: String,
        options: sync_host::files::PutOptions,
        content: Vec<u8>,
    ) -> wasmtime::Result<Result<sync_host::files::File, sync_host::files::Error>> {
        let caller = charged(&mut access);
        let file = pieces::put(caller, (path, options).into(), content).await;
        Ok(file.map(Into::into).map_err(Into::into))
    }

    async fn open(
        mut access: Access<'_, T, Self>,
        path: String,
        part: sync_host::files::Part,
    ) -> wasmtime::Result<
        Result<(sync_host::files::File, Resource<DownloadHandle>), sync_host::files::Error>,
    > {
        let caller = charged(&mut access);
        match pieces::open(caller, path, part.into()).await {
            Ok((file, download)) => {
                let handle = access.get().files.push(download)?;
                Ok(Ok((file.into(), handle)))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }
});
