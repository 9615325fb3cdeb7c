//! The built guests, and where things are in this checkout.

use std::path::{Path, PathBuf};

use bytes::Bytes;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}

/// The component of that name.
pub(crate) fn guest(name: &str) -> Bytes {
    let file = file(name);
    match std::fs::read(&file) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{}: {error}; run `cargo xtask guests` first", file.display()),
    }
}

/// Whether the guest could be built here: JavaScript ones need Node.
pub(crate) fn has_guest(name: &str) -> bool {
    file(name).exists()
}

fn file(name: &str) -> PathBuf {
    root().join("target/guests").join(format!("{name}.wasm"))
}
