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
        Err(error) => panic!(
            "{}: {error}; run `cargo xtask guests` first",
            file.display()
        ),
    }
}

/// Whether the guest could be built here: JavaScript ones need Node.
pub(crate) fn has_guest(name: &str) -> bool {
    file(name).exists()
}

/// The same component in other bytes: a custom section at the end says `mark`.
pub(crate) fn other_bytes(component: &[u8], mark: &str) -> Bytes {
    let mut bytes = component.to_vec();
    let name = b"mark";
    // A section of kind 0: its length, the length of its name, the name, and what it says.
    let length = 1 + name.len() + mark.len();
    let short = |length: usize| {
        u8::try_from(length)
            .ok()
            .filter(|byte| *byte < 128)
            .unwrap()
    };
    bytes.extend([0, short(length), short(name.len())]);
    bytes.extend(name);
    bytes.extend(mark.as_bytes());
    bytes.into()
}

/// Its file.
pub(crate) fn file(name: &str) -> PathBuf {
    root().join("target/guests").join(format!("{name}.wasm"))
}
