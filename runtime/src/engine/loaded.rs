//! A component in memory: native code, linked once, with the exports found once, so that making an
//! instance is all that is left to do per call.

use std::sync::Arc;

use koyalite_host_api::bindings::cron;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::{p2, p3};

use super::instance::Instance;
use super::kind::Kind;
use super::pace::Pace;
use super::state::State;

/// A linked component.
pub(super) struct Loaded {
    kind: Kind,
    pre: InstancePre<State>,
    http: Option<Http>,
    cron: Option<cron::CronIndices>,
    pace: Arc<Pace>,
}

enum Http {
    P2(p2::bindings::ProxyIndices),
    P3(p3::bindings::ServiceIndices),
}

impl Loaded {
    /// Links a component.
    ///
    /// # Errors
    /// When an import has another type than the one that is provided.
    pub(super) fn link(
        kind: Kind,
        linker: &Linker<State>,
        component: &Component,
    ) -> wasmtime::Result<Self> {
        let pre = linker.instantiate_pre(component)?;
        let http = match p3::bindings::ServiceIndices::new(&pre) {
            Ok(indices) => Some(Http::P3(indices)),
            Err(_) => p2::bindings::ProxyIndices::new(&pre).ok().map(Http::P2),
        };
        let cron = cron::CronIndices::new(&pre).ok();
        Ok(Self {
            kind,
            pre,
            http,
            cron,
            pace: Arc::default(),
        })
    }

    /// How it runs.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What it runs in.
    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    /// How long its calls take.
    pub(super) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Makes an instance in this store.
    ///
    /// # Errors
    /// When there is no slot, or the component's own initialisation traps.
    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let http = match &self.http {
            Some(Http::P2(indices)) => Some(Proxy::P2(indices.load(&mut *store, &instance)?)),
            Some(Http::P3(indices)) => Some(Proxy::P3(indices.load(&mut *store, &instance)?)),
            None => None,
        };
        let scheduled = match &self.cron {
            Some(indices) => Some(indices.load(&mut *store, &instance)?),
            None => None,
        };
        Ok(Instance { http, scheduled })
    }
}
