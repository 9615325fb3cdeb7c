//! What messages carry, read out of the store when they are sent.

use std::sync::Arc;

use bytes::Bytes;
use koyalite_host_api::files::key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::registry::mail::due::Attached;

/// Messages with attachments that are in memory at once on one node: each is there four times at most, as
/// it was, in its encoding, as a message and as what is sent of it, 10 MiB each.
const CARRYING_MAX: usize = 2;

/// Reads what messages carry.
#[derive(Clone)]
pub(super) struct Attachments {
    objects: Arc<dyn ObjectStore>,
    room: Arc<Semaphore>,
}

/// What a message carries. While it is held there is room for one less.
#[derive(Default)]
pub(super) struct Carried<'a> {
    pub(super) files: Vec<File>,
    _room: Option<SemaphorePermit<'a>>,
}

/// A file, whole.
pub(super) struct File {
    pub(super) name: String,
    pub(super) mime_type: String,
    pub(super) content: Bytes,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Missing {
    /// The store is away: later it may be there.
    ForNow(String),
    /// It is not there any more.
    Forever(String),
}

impl Attachments {
    pub(super) fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self {
            objects,
            room: Arc::new(Semaphore::new(CARRYING_MAX)),
        }
    }

    /// Reads them, once there is room.
    pub(super) async fn read(&self, attached: &[Attached]) -> Result<Carried<'_>, Missing> {
        if attached.is_empty() {
            return Ok(Carried::default());
        }
        let room = self.room.acquire().await.ok();
        let mut files = Vec::with_capacity(attached.len());
        for file in attached {
            files.push(self.read_one(file).await?);
        }
        Ok(Carried { files, _room: room })
    }

    async fn read_one(&self, file: &Attached) -> Result<File, Missing> {
        let read = async {
            let found = self.objects.get(&key(file.project, file.version)).await?;
            found.bytes().await
        };
        let content = read.await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => {
                Missing::Forever(format!("the content of {} is gone", file.name))
            }
            error => {
                tracing::warn!(%error, "an attachment cannot be read");
                Missing::ForNow(format!("{} cannot be read for now", file.name))
            }
        })?;
        if content.len() as u64 != file.size {
            return Err(Missing::Forever(format!("{} is not whole", file.name)));
        }
        Ok(File {
            name: file.name.clone(),
            mime_type: file.mime_type.clone(),
            content,
        })
    }
}
