//! The `wasmtime` that the benches measure beside us, built once from crates.io.

use std::path::PathBuf;

use crate::{host, paths};

/// The same line of releases as the one that is built into the host.
const VERSION: &str = "48.0.8";

/// What `serve` needs, and no more: the whole tool takes twice as long to build.
const FEATURES: &str = "serve,run,cranelift,parallel-compilation,pooling-allocator,component-model,\
                        component-model-async,cache";

/// The program, built unless it is there. The first time takes as long as building the host does.
///
/// # Errors
/// Where it cannot be built.
pub(crate) fn wasmtime() -> anyhow::Result<PathBuf> {
    let root = paths::root().join("target/reference");
    let program = root.join("bin/wasmtime");
    if !program.exists() {
        let mut install = host::cargo();
        install.args(["install", "wasmtime-cli", "--locked", "--version", VERSION]);
        install.args(["--no-default-features", "--features", FEATURES]);
        host::run(install.arg("--root").arg(&root))?;
    }
    Ok(program)
}
