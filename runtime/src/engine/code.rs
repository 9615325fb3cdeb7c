//! From a component's hash to something that can be instantiated: in memory, in the disk cache, or
//! compiled again from the object store.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::format_err;

use super::Settings;
use super::compile::{CodeCache, Compiler};
use super::error::{AdmitError, InvokeError};
use super::kind::{ByKind, Kind};
use super::loaded::Loaded;
use super::memory::Memory;
use super::state::State;

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
    linkers: ByKind<Linker<State>>,
    cache: Arc<CodeCache>,
    compiler: Compiler,
    objects: Arc<dyn ObjectStore>,
    memory: Memory,
}

/// Native code in memory that nothing was linked to yet.
struct Unlinked {
    kind: Kind,
    component: Component,
    code_bytes: usize,
}

impl Code {
    pub(super) fn new(
        linkers: ByKind<Linker<State>>,
        settings: &Settings,
        objects: Arc<dyn ObjectStore>,
    ) -> std::io::Result<Self> {
        let cache_dir: &PathBuf = &settings.cache_dir;
        Ok(Self {
            cache: Arc::new(CodeCache::open(
                cache_dir,
                settings.cache_key,
                settings.cached_bytes_max,
                &linkers.map(|linker| linker.engine().clone()),
            )?),
            memory: Memory::new(settings.loaded_bytes_max),
            compiler: Compiler::new(
                settings.compiler.clone(),
                settings.compile_priority,
                settings.cores,
            ),
            linkers,
            objects,
        })
    }

    /// Compiles bytes that were never seen, and keeps the outcome on disk and in memory.
    pub(super) async fn compile(&self, sha256: &str, bytes: Bytes) -> Result<(), AdmitError> {
        let unlinked = match self.cached(sha256).await {
            Some(unlinked) => unlinked,
            None => {
                let code = self.make(sha256, bytes).await?;
                let unlinked = self.deserialize(code).await;
                unlinked.map_err(|error| unfit(&error))?
            }
        };
        let loaded = self.link(&unlinked);
        let loaded = loaded.map_err(|error| AdmitError::MissingImports {
            missing: vec![format!("{:#}", error)],
        })?;
        let slot = self.memory.slot(sha256);
        drop(slot.cell.set(loaded));
        self.memory.weigh(sha256, &slot, unlinked.code_bytes);
        Ok(())
    }

    /// Compiles a component and keeps its code on disk.
    async fn make(&self, sha256: &str, bytes: Bytes) -> Result<Vec<u8>, AdmitError> {
        let code = self.compiler.compile(bytes).await?;
        let (cache, name) = (Arc::clone(&self.cache), sha256.to_owned());
        let kept = apart(move || {
            let kept = cache.store(&name, &code);
            (kept, code)
        });
        let (kept, code) = kept.await.map_err(|error| AdmitError::Internal {
            inside: error.to_string(),
        })?;
        if let Err(error) = kept {
            tracing::warn!(%error, component = sha256, "compiled code is not cached");
        }
        Ok(code)
    }

    /// A component whose code is on disk. Code that does not load, though its seal is right, is one to be
    /// made anew: it takes the place of nothing.
    async fn cached(&self, sha256: &str) -> Option<Unlinked> {
        let (cache, name) = (Arc::clone(&self.cache), sha256.to_owned());
        let code = apart(move || cache.load(&name)).await.ok().flatten()?;
        match self.deserialize(code).await {
            Ok(unlinked) => Some(unlinked),
            Err(error) => {
                tracing::warn!(%error, component = sha256, "cached code does not load");
                self.cache.remove(sha256);
                None
            }
        }
    }

    /// A component that was admitted before.
    pub(super) async fn load(&self, sha256: &str) -> Result<Arc<Loaded>, InvokeError> {
        let slot = self.memory.slot(sha256);
        if let Some(loaded) = slot.cell.get() {
            return Ok(Arc::clone(loaded));
        }
        let loaded = slot.cell.get_or_try_init(async || {
            let (loaded, bytes) = self.bring_back(sha256).await?;
            self.memory.weigh(sha256, &slot, bytes);
            Ok(loaded)
        });
        loaded.await.cloned()
    }

    /// Forgets a component that no version uses any longer: its code in memory and on disk.
    pub(super) fn forget(&self, sha256: &str) {
        self.memory.forget(sha256);
        self.cache.remove(sha256);
    }

    /// How many components are in memory, and the bytes of their code.
    pub(super) fn loaded(&self) -> (usize, u64) {
        self.memory.holds()
    }

    /// The component and the bytes of its code.
    async fn bring_back(&self, sha256: &str) -> Result<(Arc<Loaded>, usize), InvokeError> {
        let unlinked = match self.cached(sha256).await {
            Some(unlinked) => unlinked,
            None => self.make_again(sha256).await?,
        };
        let loaded = self.link(&unlinked);
        let loaded = loaded.map_err(|error| unloadable(format!("{error:#}")))?;
        Ok((loaded, unlinked.code_bytes))
    }

    /// From the object store, as at its deploy.
    async fn make_again(&self, sha256: &str) -> Result<Unlinked, InvokeError> {
        let object = self.objects.get(&object_path(sha256)).await;
        let object = object.map_err(|error| unloadable(error.to_string()))?;
        let bytes = object
            .bytes()
            .await
            .map_err(|error| unloadable(error.to_string()))?;
        if hash(&bytes) != sha256 {
            return Err(unloadable(format!("the object {sha256} holds other bytes")));
        }
        let code = self.make(sha256, bytes).await;
        let code = code.map_err(|error| match error {
            // It will be compiled when the others have been.
            AdmitError::Busy => InvokeError::Overloaded,
            error => unloadable(error.to_string()),
        })?;
        let unlinked = self.deserialize(code).await;
        unlinked.map_err(|error| unloadable(format!("{error:#}")))
    }

    fn link(&self, unlinked: &Unlinked) -> wasmtime::Result<Arc<Loaded>> {
        let linker = self.linkers.of(unlinked.kind);
        Loaded::link(unlinked.kind, linker, &unlinked.component).map(Arc::new)
    }

    async fn deserialize(&self, tagged: Vec<u8>) -> wasmtime::Result<Unlinked> {
        let code_bytes = tagged.len();
        let (kind, code) = Kind::split(&tagged).ok_or_else(|| format_err!("code without a tag"))?;
        let (engine, begins) = (
            self.linkers.of(kind).engine().clone(),
            tagged.len() - code.len(),
        );
        let component = apart(move || {
            let code = tagged.get(begins..).unwrap_or_default();
            #[expect(unsafe_code, reason = "loading native code is what this engine is for")]
            // SAFETY: `code` is what our own compiling child has just written to its pipe, or bytes
            // from the cache whose HMAC, under a key outside the cache folder, has just been verified
            // over these very bytes in memory. Neither can have been changed by anybody else.
            unsafe {
                Component::deserialize(&engine, code)
            }
        });
        Ok(Unlinked {
            kind,
            component: component.await??,
            code_bytes,
        })
    }
}

fn unloadable(inside: String) -> InvokeError {
    InvokeError::Unloadable { inside }
}

/// On a thread that may take its time: 35 MB of native code, as a JavaScript component has, are read,
/// verified and copied in some hundred milliseconds, and callers wait behind whoever first calls one.
pub(super) fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// Why code that was just compiled does not load: it does not fit into an instance's place, or the
/// fault is ours.
fn unfit(error: &wasmtime::Error) -> AdmitError {
    let text = format!("{error:#}");
    match text.contains("pooling allocator") {
        true => AdmitError::Invalid {
            reason: error.root_cause().to_string(),
        },
        false => AdmitError::Internal {
            inside: format!("fresh code did not load: {text}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::engine::compile::Priority;
    use crate::engine::{config, link};

    fn code(dir: &std::path::Path) -> Code {
        let linkers = ByKind::try_new(|kind| link::linker(kind, &config::compiling(kind)?));
        let settings = Settings {
            compiler: PathBuf::new(),
            compile_priority: Priority::Usual,
            cache_dir: dir.to_owned(),
            cache_key: [1; 32],
            cores: 1,
            env: Vec::new(),
            instances: 1,
            loaded_bytes_max: 1 << 20,
            cached_bytes_max: 1 << 20,
        };
        Code::new(linkers.unwrap(), &settings, Arc::new(InMemory::new())).unwrap()
    }

    #[tokio::test]
    async fn code_of_one_kind_never_loads_as_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let code = code(dir.path());
        for (kind, other) in [
            (Kind::Sequential, Kind::Concurrent),
            (Kind::Concurrent, Kind::Sequential),
        ] {
            let engine = code.linkers.of(kind).engine();
            let native = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
            let tagged = |kind: Kind| [&[kind.tag()], native.as_slice()].concat();
            assert_eq!(code.deserialize(tagged(kind)).await.unwrap().kind, kind);
            assert!(code.deserialize(tagged(other)).await.is_err());
            assert!(code.deserialize(native).await.is_err());
        }
    }

    #[tokio::test]
    async fn cached_code_that_does_not_load_is_made_anew_at_a_deploy_too() {
        let dir = tempfile::tempdir().unwrap();
        let code = code(dir.path());
        code.cache.store("broken", b"c is no code").unwrap();
        assert!(code.cache.load("broken").is_some());
        assert!(code.cached("broken").await.is_none());
        assert!(code.cache.load("broken").is_none());
    }
}
