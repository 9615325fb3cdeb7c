//! What a store holds: a WASI context that grants nothing, the host state of `koyalite:host`, the
//! memory limiter, and the way out through egress.

use koyalite_host_api::HostState;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::hooks::Hooks;
use super::kind::Kind;
use super::limits::{self, MemoryLimiter};
use super::stdio::GuestStdio;

/// The data of every store.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
    host: HostState,
    pub(super) limiter: MemoryLimiter,
}

impl State {
    /// State for a fresh store: no preopened folders, no arguments, no sockets, and no environment but
    /// this one.
    pub(super) fn new(
        limiter: MemoryLimiter,
        hooks: Hooks,
        stdio: GuestStdio,
        env: &[(String, String)],
        kind: Kind,
    ) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdio.stdout())
            .stderr(stdio.stderr())
            .envs(env)
            .max_random_size(limits::RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::RESOURCES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits::FIELDS_BYTES_MAX);
        Self {
            wasi: wasi.build(),
            table,
            http,
            hooks,
            host: match kind {
                Kind::Concurrent => HostState::for_tasks(),
                Kind::Sequential => HostState::for_one_call(),
            },
            limiter,
        }
    }

    /// The state of `koyalite:host`.
    pub(super) fn host(&mut self) -> &mut HostState {
        &mut self.host
    }

    /// The way out, for granting a call its share of outbound requests.
    pub(super) fn hooks(&mut self) -> &mut Hooks {
        &mut self.hooks
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}
