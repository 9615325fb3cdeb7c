//! Where things are. Outputs always go under this checkout's own `target/`, whatever
//! `CARGO_TARGET_DIR` says, so that everyone knows where to find them.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Finished guests, one `NAME.wasm` each.
pub(crate) fn guests() -> PathBuf {
    root().join("target/guests")
}

/// The one target folder of all guest workspaces, so that they share compiled dependencies.
pub(crate) fn guests_build() -> PathBuf {
    root().join("target/guests-build")
}

/// The npm packages that build JavaScript guests.
pub(crate) fn js_toolchain() -> PathBuf {
    root().join("target/js-toolchain")
}
