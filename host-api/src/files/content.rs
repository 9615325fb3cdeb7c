//! Content on its way into the store, in parts that are written once.
//!
//! It knows no path and no policy. Until it is kept it is nobody's: dropped before that, it takes itself
//! away, and what a crash leaves is found by its row in the database.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Caller;
use crate::error::HostError;
use crate::limits::{FILE_PART_BYTES, FILE_PARTS_OF_A_SIZE};

/// Where content lies: under its project, by a version that was never used before.
pub fn key(project: Uuid, version: Uuid) -> Path {
    Path::from(format!("files/{}/{}", project.simple(), version.simple()))
}

/// Content that is being written.
pub(super) struct Pending {
    objects: Arc<dyn ObjectStore>,
    /// Whose it is, until it is kept; who is asked to let go of it.
    caller: Option<Caller>,
    key: Path,
    version: Uuid,
    buffer: BytesMut,
    /// None until there is more than one part. Nobody else locks it: it makes what may be sent something
    /// that may be shared.
    multipart: Option<Mutex<Box<dyn MultipartUpload>>>,
    parts: u32,
}

impl Pending {
    pub(super) fn new(caller: &Caller, version: Uuid) -> Result<Pending, HostError> {
        Ok(Pending {
            objects: Arc::clone(&caller.project.files.store()?.objects),
            caller: Some(caller.clone()),
            key: key(caller.project.id, version),
            version,
            buffer: BytesMut::new(),
            multipart: None,
            parts: 0,
        })
    }

    /// Takes bytes; writes a part when there is one.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), HostError> {
        loop {
            let room = self.part_bytes() - self.buffer.len();
            if bytes.len() < room {
                self.buffer.extend_from_slice(&bytes);
                return Ok(());
            }
            let part = bytes.split_to(room);
            self.buffer.extend_from_slice(&part);
            self.flush().await?;
        }
    }

    fn part_bytes(&self) -> usize {
        FILE_PART_BYTES << (self.parts / FILE_PARTS_OF_A_SIZE).min(16)
    }

    async fn flush(&mut self) -> Result<(), HostError> {
        if self.multipart.is_none() {
            let begun = self.objects.put_multipart(&self.key).await;
            self.multipart = Some(Mutex::new(begun.map_err(HostError::store_away)?));
        }
        let part = self.buffer.split().freeze();
        self.parts += 1;
        match &mut self.multipart {
            Some(multipart) => multipart
                .get_mut()
                .put_part(part.into())
                .await
                .map_err(HostError::store_away),
            None => Ok(()),
        }
    }

    /// Writes what is left. All of it is in the store then.
    pub(super) async fn complete(&mut self) -> Result<(), HostError> {
        if self.multipart.is_some() && !self.buffer.is_empty() {
            self.flush().await?;
        }
        let done = match &mut self.multipart {
            Some(multipart) => multipart.get_mut().complete().await.map(drop),
            None => {
                let whole = self.buffer.split().freeze();
                self.objects.put(&self.key, whole.into()).await.map(drop)
            }
        };
        done.map_err(HostError::store_away)?;
        self.multipart = None;
        Ok(())
    }

    /// A file has it now.
    pub(super) fn keep(&mut self) {
        self.caller = None;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(caller) = self.caller.take() else {
            return;
        };
        let (objects, key, version) = (Arc::clone(&self.objects), self.key.clone(), self.version);
        let multipart = self.multipart.take();
        // Outside a runtime there is nobody to do it; it is swept later then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let gone = match multipart {
                    Some(mut multipart) => multipart.get_mut().abort().await,
                    None => objects.delete(&key).await,
                };
                if let Err(error) = gone {
                    tracing::debug!(%error, "content that was begun is left for the sweeper");
                }
                if let Err(error) = caller.drop_content(version).await {
                    tracing::debug!(
                        error = error.inside(),
                        "content that was begun is left for later"
                    );
                }
            });
        }
    }
}
