//! Content on its way into the store, in parts that are written once.
//!
//! It knows no path and no policy. Until it is kept it is nobody's: dropped before that, it takes itself
//! away, and what a crash leaves is found by its row in the database.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use uuid::Uuid;

use super::parts::Parts;
use super::{Caller, Store};
use crate::error::HostError;
use crate::limits::{FILE_PART_BYTES, FILE_PARTS_OF_A_SIZE};

/// Where content lies: under its project, by a version that was never used before.
pub fn key(project: Uuid, version: Uuid) -> Path {
    Path::from(format!("files/{}/{}", project.simple(), version.simple()))
}

/// Content that is being written.
pub(super) struct Pending {
    store: Store,
    /// Whose it is, until it is kept; who is asked to let go of it.
    caller: Option<Caller>,
    key: Path,
    version: Uuid,
    buffer: BytesMut,
    /// None until there is more than one part.
    parts: Option<Parts>,
    /// How many there are.
    put: u32,
}

impl Pending {
    pub(super) fn new(caller: &Caller, version: Uuid) -> Result<Pending, HostError> {
        Ok(Pending {
            store: caller.project.files.store()?.clone(),
            caller: Some(caller.clone()),
            key: key(caller.project.id, version),
            version,
            buffer: BytesMut::new(),
            parts: None,
            put: 0,
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
        FILE_PART_BYTES << (self.put / FILE_PARTS_OF_A_SIZE).min(16)
    }

    async fn flush(&mut self) -> Result<(), HostError> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let begun = Parts::begin(&self.store, &self.key).await;
                let begun = none.insert(begun.map_err(HostError::store_away)?);
                if let (Some(name), Some(caller)) = (begun.name(), &self.caller) {
                    caller.note_upload(self.version, name).await?;
                }
                begun
            }
        };
        self.put += 1;
        let part = self.buffer.split().freeze();
        parts.put(part).await.map_err(HostError::store_away)
    }

    /// Writes what is left. All of it is in the store then.
    pub(super) async fn complete(&mut self) -> Result<(), HostError> {
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.flush().await?;
        }
        let done = match &mut self.parts {
            Some(parts) => parts.complete().await,
            None => {
                let whole = self.buffer.split().freeze();
                let objects = &self.store.objects;
                objects.put(&self.key, whole.into()).await.map(drop)
            }
        };
        done.map_err(HostError::store_away)?;
        self.parts = None;
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
        let objects = Arc::clone(&self.store.objects);
        let (key, version) = (self.key.clone(), self.version);
        let parts = self.parts.take();
        // Outside a runtime there is nobody to do it; it is swept later then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let gone = match parts {
                    Some(parts) => parts.abort().await,
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
