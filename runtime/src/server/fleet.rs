//! This node among others: what it says of itself, and the listener where they hand requests over to it.

use std::sync::Arc;

use anyhow::Context as _;
use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::config::ServeConfig;
use crate::cores::Cores;
use crate::forward::{Fleet, FleetTls};
use crate::gateway::Gateway;
use crate::http::{Listener, ListenerLimits, Tls};
use crate::keys::KeyRing;
use crate::registry::Registry;
use crate::registry::nodes::{NodeState, ThisNode};

/// Requests of one neighbour on one connection: they are of many callers, whom it has counted already.
const FLEET_STREAMS_MAX: u32 = 1_000;

/// The socket for other nodes, and the address that they are told.
pub(super) struct Port {
    listener: Listener,
    pub(super) address: String,
}

impl Port {
    /// Binds it, where the operator wants a fleet.
    pub(super) async fn bind(
        config: &ServeConfig,
        limits: ListenerLimits,
        cores: &Arc<Cores>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(fleet) = &config.fleet else {
            return Ok(None);
        };
        let limits = ListenerLimits {
            streams_max: FLEET_STREAMS_MAX,
            ..limits
        };
        let listener = super::bind(fleet.listen, limits, "other nodes").await?;
        let listener = listener.on(Arc::clone(cores));
        let address = match &fleet.address {
            Some(address) => address.clone(),
            None => listener.local_addr()?.to_string(),
        };
        Ok(Some(Self { listener, address }))
    }

    /// Serves other nodes until `drain`, and what they have handed over to its end.
    pub(super) async fn serve(self, gateway: Arc<Gateway>, tls: Tls, drain: CancellationToken) {
        let listener = self.listener.secured(Some(Arc::new(tls)));
        let answer = move |request| {
            let gateway = Arc::clone(&gateway);
            async move { gateway.handle_forwarded(request).await }.boxed()
        };
        listener.serve(answer, drain).await;
    }
}

/// What this process proves to others that it is a node by.
pub(super) fn tls(config: &ServeConfig, ring: &KeyRing) -> anyhow::Result<Option<FleetTls>> {
    let wanted = config.fleet.as_ref();
    let tls = wanted.map(|_| FleetTls::new(ring)).transpose();
    tls.context("this node cannot be one of a fleet")
}

/// The others, where there is a fleet.
pub(super) fn others(tls: Option<&FleetTls>, registry: &Arc<Registry>) -> Option<Fleet> {
    let registry = Arc::clone(registry);
    tls.map(|tls| Fleet::new(registry, tls, Handle::current()))
}

/// Tells the others of this node, then looks once more: whatever was changed before they knew of it, and
/// so did not wait for it, is served from the first request on.
pub(super) async fn join(registry: &Registry, node: &ThisNode) -> anyhow::Result<()> {
    let told = registry.beat(node, NodeState::Ready).await;
    told.context("other nodes cannot be told of this one")?;
    let looked = registry.refresh().await;
    looked.context("the latest state cannot be read")
}

/// This process, for other nodes.
pub(super) fn this_node(config: &ServeConfig, address: Option<String>) -> ThisNode {
    ThisNode {
        id: uuid::Uuid::now_v7(),
        name: node_name(config),
        region: config.region.clone(),
        address,
        stale_after: config.max_staleness,
    }
}

/// This process's name in the rows of its runs: where it is, and which one there.
pub(super) fn node_name(config: &ServeConfig) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "node",
        host => host,
    };
    format!("{}/{host}:{}", config.region, std::process::id())
}
