//! The linker: everything a component may import. All of WASI 0.2 and 0.3, because ordinary
//! toolchains import more of it than they use; what is refused is refused by the empty context.

use wasmtime::component::Linker;
use wasmtime::{Engine, Result};

use super::state::State;

/// A linker with WASI 0.2 and 0.3, `wasi:http` of both, and both packages of the host API.
///
/// # Errors
/// Only when two of them define the same name, which is a mistake of ours.
pub fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    koyalite_host_api::add_to_linker(&mut linker, State::host)?;
    Ok(linker)
}
