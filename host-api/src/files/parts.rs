//! Content in several parts on its way into the store: begun, put one after the other, and put together or given
//! up.
//!
//! A bucket keeps the parts of an upload that nobody ends, and shows no object for them. So there an upload has a
//! name, which is written down before the first part: whatever a crash leaves can be ended by it.

use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, MultipartUpload, ObjectStoreExt as _, Result};
use tokio::sync::Mutex;

use super::Store;

/// Parts of one object.
pub(super) enum Parts {
    /// In a store that clears up by itself. Nobody else locks it: it makes what may be sent something that may
    /// be shared.
    Unnamed(Mutex<Box<dyn MultipartUpload>>),
    /// In a bucket.
    Named(Named),
}

/// Parts in a bucket.
pub(super) struct Named {
    store: Arc<dyn MultipartStore>,
    key: Path,
    upload: MultipartId,
    put: Vec<PartId>,
}

impl Parts {
    pub(super) async fn begin(store: &Store, key: &Path) -> Result<Parts> {
        match &store.parts {
            None => {
                let begun = store.objects.put_multipart(key).await?;
                Ok(Parts::Unnamed(Mutex::new(begun)))
            }
            Some(parts) => Ok(Parts::Named(Named {
                upload: parts.create_multipart(key).await?,
                store: Arc::clone(parts),
                key: key.clone(),
                put: Vec::new(),
            })),
        }
    }

    /// What the store calls the upload, where it must be ended by its name.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Parts::Unnamed(_) => None,
            Parts::Named(named) => Some(&named.upload),
        }
    }

    pub(super) async fn put(&mut self, part: Bytes) -> Result<()> {
        match self {
            Parts::Unnamed(upload) => upload.get_mut().put_part(part.into()).await,
            Parts::Named(named) => {
                let (store, number) = (&named.store, named.put.len());
                let put = store.put_part(&named.key, &named.upload, number, part.into());
                named.put.push(put.await?);
                Ok(())
            }
        }
    }

    pub(super) async fn complete(&mut self) -> Result<()> {
        let put = match self {
            Parts::Unnamed(upload) => upload.get_mut().complete().await,
            Parts::Named(named) => {
                let put = std::mem::take(&mut named.put);
                let store = &named.store;
                store
                    .complete_multipart(&named.key, &named.upload, put)
                    .await
            }
        };
        put.map(drop)
    }

    pub(super) async fn abort(self) -> Result<()> {
        match self {
            Parts::Unnamed(mut upload) => upload.get_mut().abort().await,
            Parts::Named(named) => named.store.abort_multipart(&named.key, &named.upload).await,
        }
    }
}
