//! The linker: everything a component may import. All of WASI 0.2 and 0.3, because ordinary
//! toolchains import more of it than they use; what is refused is refused by the empty context.

use wasmtime::component::Linker;
use wasmtime::{Engine, Result};

use super::kind::Kind;
use super::state::State;

/// A linker with WASI 0.2 and `wasi:http`, the same of 0.3 where there are tasks, and the host API: both
/// packages, as far as the kind goes.
///
/// # Errors
/// Only when two of them define the same name, which is a mistake of ours.
pub fn linker(kind: Kind, engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    koyalite_host_api::add_without_tasks(&mut linker, State::host)?;
    if kind == Kind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        koyalite_host_api::add_with_tasks(&mut linker, State::host)?;
    }
    Ok(linker)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use koyalite_host_api::{GuestLog, LogLevel, LogSink};
    use wasmtime::Store;
    use wasmtime::component::Component;

    use super::*;
    use crate::egress::{Egress, Policy};
    use crate::engine::config;
    use crate::engine::hooks::Hooks;
    use crate::engine::limits::MemoryLimiter;
    use crate::engine::stdio::GuestStdio;

    struct Nowhere;
    impl LogSink for Nowhere {
        fn line(&self, _level: LogLevel, _message: String) {}
    }

    /// It writes to its log before anybody called it.
    const EARLY: &str = r#"(component
      (import "koyalite:host/log@0.1.0" (instance $log
        (type $level' (enum "debug" "info" "warn" "error"))
        (export "level" (type $level (eq $level')))
        (export "write" (func (param "level" $level) (param "message" string)))))
      (core module $memory (memory (export "memory") 1))
      (core instance $memory (instantiate $memory))
      (core func $write (canon lower (func $log "write") (memory $memory "memory")))
      (core module $early
        (import "log" "write" (func $write (param i32 i32 i32)))
        (func $start (call $write (i32.const 1) (i32.const 0) (i32.const 5)))
        (start $start))
      (core instance (instantiate $early (with "log" (instance (export "write" (func $write)))))))"#;

    #[tokio::test]
    async fn a_guest_that_speaks_before_its_call_began_acts_for_nobody() {
        for kind in Kind::ALL {
            let engine = config::compiling(kind).unwrap();
            let component = Component::new(&engine, wat::parse_str(EARLY).unwrap()).unwrap();
            let linker = linker(kind, &engine).unwrap();
            let stdio = GuestStdio::new(Arc::new(GuestLog::new(Nowhere)));
            let hooks = Hooks::new(Egress::new(Policy::Public).unwrap());
            let state = State::new(MemoryLimiter::new(1 << 20), hooks, stdio, &[], kind);
            let mut store = Store::new(&engine, state);
            store.limiter(|state| &mut state.limiter);
            store.set_epoch_deadline(1);
            let instance = linker.instantiate_async(&mut store, &component).await;
            assert!(instance.is_ok(), "{kind:?}: {:?}", instance.err());
        }
    }
}
