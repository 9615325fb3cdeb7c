//! From a component's hash to something that can be instantiated: in memory, in the disk cache, or
//! compiled again from the object store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use wasmtime::component::{Component, Linker};

use super::compile::{CodeCache, Compiler};
use super::error::{AdmitError, InvokeError};
use super::loaded::Loaded;
use super::state::State;
use super::{Settings, limits};

/// Where the object store keeps a component.
#[must_use]
pub fn object_path(sha256: &str) -> object_store::path::Path {
    object_store::path::Path::from(format!("components/{sha256}.wasm"))
}

/// The hash that names a component: SHA-256 of its bytes, in lower-case hex.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// All native code of this node.
pub(super) struct Code {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    cache: CodeCache,
    compiler: Compiler,
    objects: Arc<dyn ObjectStore>,
    loaded: RwLock<HashMap<String, Slot>>,
    clock: AtomicU64,
}

/// One component's place in memory. The cell makes concurrent first calls load it once.
struct Slot {
    cell: Arc<OnceCell<Arc<Loaded>>>,
    used: AtomicU64,
}

impl Code {
    pub(super) fn new(
        engine: wasmtime::Engine,
        linker: Linker<State>,
        settings: &Settings,
        objects: Arc<dyn ObjectStore>,
    ) -> std::io::Result<Self> {
        let cache_dir: &PathBuf = &settings.cache_dir;
        Ok(Self {
            cache: CodeCache::open(cache_dir, settings.cache_key, &engine)?,
            compiler: Compiler::new(settings.compiler.clone(), settings.cores),
            engine,
            linker,
            objects,
            loaded: RwLock::default(),
            clock: AtomicU64::new(0),
        })
    }

    /// Compiles bytes that were never seen, and keeps the outcome on disk and in memory.
    pub(super) async fn compile(&self, sha256: &str, bytes: Bytes) -> Result<(), AdmitError> {
        let code = match self.cache.load(sha256) {
            Some(code) => code,
            None => {
                let code = self.compiler.compile(bytes).await?;
                if let Err(error) = self.cache.store(sha256, &code) {
                    tracing::warn!(%error, component = sha256, "compiled code is not cached");
                }
                code
            }
        };
        let component = self
            .deserialize(&code)
            .map_err(|error| AdmitError::Internal {
                inside: format!("fresh code did not load: {error:#}"),
            })?;
        let loaded =
            Loaded::link(&self.linker, &component).map_err(|error| AdmitError::MissingImports {
                missing: vec![format!("{:#}", error)],
            })?;
        let cell = self.slot(sha256);
        drop(cell.set(Arc::new(loaded)));
        Ok(())
    }

    /// A component that was admitted before.
    pub(super) async fn load(&self, sha256: &str) -> Result<Arc<Loaded>, InvokeError> {
        let cell = self.slot(sha256);
        cell.get_or_try_init(|| self.bring_back(sha256))
            .await
            .cloned()
    }

    async fn bring_back(&self, sha256: &str) -> Result<Arc<Loaded>, InvokeError> {
        let unloadable = |inside: String| InvokeError::Unloadable { inside };
        if let Some(code) = self.cache.load(sha256) {
            match self
                .deserialize(&code)
                .and_then(|c| Loaded::link(&self.linker, &c))
            {
                Ok(loaded) => return Ok(Arc::new(loaded)),
                Err(error) => {
                    tracing::warn!(%error, component = sha256, "cached code does not load");
                    self.cache.remove(sha256);
                }
            }
        }
        let object = self.objects.get(&object_path(sha256)).await;
        let object = object.map_err(|error| unloadable(error.to_string()))?;
        let bytes = object
            .bytes()
            .await
            .map_err(|error| unloadable(error.to_string()))?;
        if hash(&bytes) != sha256 {
            return Err(unloadable(format!("the object {sha256} holds other bytes")));
        }
        let code = self.compiler.compile(bytes).await;
        let code = code.map_err(|error| unloadable(error.to_string()))?;
        if let Err(error) = self.cache.store(sha256, &code) {
            tracing::warn!(%error, component = sha256, "compiled code is not cached");
        }
        self.deserialize(&code)
            .and_then(|component| Loaded::link(&self.linker, &component))
            .map(Arc::new)
            .map_err(|error| unloadable(format!("{error:#}")))
    }

    #[expect(unsafe_code, reason = "loading native code is what this engine is for")]
    fn deserialize(&self, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `code` is what our own compiling child has just written to its pipe, or bytes
        // from the cache whose HMAC, under a key outside the cache folder, has just been verified
        // over these very bytes in memory. Neither can have been changed by anybody else.
        unsafe { Component::deserialize(&self.engine, code) }
    }

    /// The place of a component, made if there is none; makes room when there are too many.
    fn slot(&self, sha256: &str) -> Arc<OnceCell<Arc<Loaded>>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = loaded.get(sha256) {
            slot.used.store(now, Ordering::Relaxed);
            return Arc::clone(&slot.cell);
        }
        drop(loaded);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= limits::LOADED_MAX
            && let Some(oldest) = loaded
                .iter()
                .min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
                .map(|(sha256, _)| sha256.clone())
        {
            loaded.remove(&oldest);
        }
        let slot = loaded.entry(sha256.to_owned()).or_insert_with(|| Slot {
            cell: Arc::default(),
            used: AtomicU64::new(now),
        });
        Arc::clone(&slot.cell)
    }
}
