//! Admission: from bytes that nobody trusts to native code on disk and in memory.

use bytes::Bytes;

use super::error::AdmitError;
use super::inspect::{Handler, Surface, inspect};
use super::{Engine, code, provided};

/// What a component turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Names the component and its code.
    pub sha256: String,
    /// What it imports, as written.
    pub imports: Vec<String>,
    /// What it exports, as written.
    pub exports: Vec<String>,
    /// Its HTTP export.
    pub handler: Handler,
    /// Whether it exports `koyalite:host/scheduled`.
    pub scheduled: bool,
    /// Whether it may serve several calls with one instance: why not, if not.
    pub shared: Result<(), SharedRefused>,
}

/// What a component says of itself, before anything of it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed(Surface);

/// Reads what can be read without compiling, and refuses what cannot run here.
///
/// # Errors
/// Every way in which bytes can be wrong that shows on their surface.
pub fn survey(bytes: &[u8]) -> Result<Surveyed, AdmitError> {
    let surface = inspect(bytes)?;
    let missing = provided::missing(&surface);
    if !missing.is_empty() {
        return Err(AdmitError::MissingImports { missing });
    }
    if surface.handler == Handler::None && !surface.scheduled {
        return Err(AdmitError::NoHandler {
            found: surface.exports,
        });
    }
    let imports = provided::never_awaited(&surface);
    if !imports.is_empty() {
        return Err(AdmitError::AsyncImports { imports });
    }
    Ok(Surveyed(surface))
}

/// Why a component has to run one call per instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedRefused {
    /// WASI 0.2 handlers block their instance while they wait.
    #[error("shared instances need `wasi:http/handler@0.3`; a 0.2 handler blocks its instance")]
    Handler,
    /// Calls of `koyalite:host-sync` hold their instance while they wait.
    #[error(
        "shared instances need `koyalite:host`; calls of `koyalite:host-sync` block the instance"
    )]
    SyncHost,
    /// Nobody has shown that this language's tools keep concurrent calls apart.
    #[error("shared instances are for guests built with Rust so far")]
    Language,
}

impl Engine {
    /// Checks and compiles a component. Afterwards it can be invoked at once.
    ///
    /// # Errors
    /// Every way in which bytes can be wrong, each saying what would have been right.
    pub async fn admit(&self, bytes: Bytes) -> Result<Admitted, AdmitError> {
        let looked_at = bytes.clone();
        let looked_at =
            code::apart(move || survey(&looked_at).map(|seen| (seen, code::hash(&looked_at))));
        let looked_at = looked_at.await.map_err(|error| AdmitError::Internal {
            inside: error.to_string(),
        })?;
        let (Surveyed(surface), sha256) = looked_at?;
        self.code.compile(&sha256, bytes).await?;
        // A guest with one event loop for all its calls could continue one caller's code while
        // another's is polled, so the languages that were proved not to are listed, not those that do.
        let proved = |language: &String| language == "Rust" || language == "C11";
        let only_rust = surface.languages.iter().all(proved);
        let shared = if surface.handler != Handler::P3 {
            Err(SharedRefused::Handler)
        } else if surface.sync_host {
            Err(SharedRefused::SyncHost)
        } else if !only_rust || !surface.languages.contains("Rust") {
            Err(SharedRefused::Language)
        } else {
            Ok(())
        };
        Ok(Admitted {
            sha256,
            imports: surface.imports,
            exports: surface.exports,
            handler: surface.handler,
            scheduled: surface.scheduled,
            shared,
        })
    }
}
