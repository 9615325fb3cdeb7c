//! Takes content away that no file has any longer: what was written over or deleted, what an upload that
//! broke off has left, what was in a project that is gone.
//!
//! The database says what that is, by a row that was there before the first byte; the store is never searched.
//! Where two nodes do it at once, the second finds nothing to delete.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use koyalite_host_api::files::key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::registry::files::{self, Orphan};
use crate::registry::{Registry, RegistryError};
use crate::store::Objects;

/// How often it is looked for. Content waits for hours until its time is over; a minute more is nothing.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Orphans taken at once: a second's work.
const ORPHANS_MAX: i64 = 500;

/// What sweeps.
pub struct Sweeper {
    registry: Arc<Registry>,
    objects: Objects,
}

impl Sweeper {
    /// A sweeper of this store.
    #[must_use]
    pub fn new(registry: Arc<Registry>, objects: Objects) -> Self {
        Self { registry, objects }
    }

    /// The store.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects.store)
    }

    /// Sweeps from time to time, until `stop`.
    pub async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            self.sweep().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            }
        }
    }

    /// Sweeps what is due. What fails is tried again the next time.
    pub async fn sweep(&self) {
        loop {
            match self.step().await {
                Ok(taken) if taken == ORPHANS_MAX as usize => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(error = error.detail(), "content of no file is not swept");
                    return;
                }
            }
        }
    }

    async fn step(&self) -> Result<usize, RegistryError> {
        let orphans = files::take_orphans(&self.registry, ORPHANS_MAX).await?;
        let mut gone = Vec::with_capacity(orphans.len());
        for orphan in &orphans {
            match self.delete(orphan).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                    self.clear_folder(orphan).await;
                    gone.push(orphan.version);
                }
                Err(error) => {
                    tracing::warn!(%error, version = %orphan.version, "content is not deleted");
                }
            }
        }
        files::forget(&self.registry, &gone).await?;
        // What could not be deleted comes again: going on would be going round.
        Ok(gone.len())
    }

    /// The object; before that, the parts of one that was never put together.
    async fn delete(&self, orphan: &Orphan) -> object_store::Result<()> {
        let key = key(orphan.project, orphan.version);
        if let (Some(upload), Some(parts)) = (&orphan.upload, &self.objects.parts) {
            match parts.abort_multipart(&key, upload).await {
                // It was put together, or ended before.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.objects.store.delete(&key).await
    }

    /// A folder keeps what was being written beside its place until it is complete; a crash leaves it there.
    async fn clear_folder(&self, orphan: &Orphan) {
        let Some(folder) = &self.objects.folder else {
            return;
        };
        let folder = folder.join(key(orphan.project, Uuid::nil()).as_ref());
        let Some(folder) = folder.parent().map(Path::to_owned) else {
            return;
        };
        let begun = format!("{}#", orphan.version.simple());
        let cleared = tokio::task::spawn_blocking(move || clear(&folder, &begun)).await;
        if let Ok(Err(error)) = cleared {
            tracing::debug!(%error, "what was being written is left behind");
        }
    }
}

fn clear(folder: &Path, begun: &str) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(begun) {
            std::fs::remove_file(entry.path())?;
        }
    }
    // Goes through for the last of a project alone.
    match std::fs::remove_dir(folder) {
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
