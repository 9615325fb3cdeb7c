//! Where connections live: each is driven by one thread, and serves that thread's callers first.
//!
//! To wake another thread for each message of Postgres costs more than a statement by key takes. So a
//! project's connections are divided among the threads that its callers are on; a caller whose own are
//! all in use takes one of another thread rather than wait.

use std::sync::Arc;

use deadpool_postgres::{
    Client, ClientWrapper, Manager, ManagerConfig, Metrics, Pool, QueueMode, RecyclingMethod,
};
use futures::future::select_all;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::DatabaseAccess;
use super::connect::SlotConnect;
use super::error::pool_error;
use super::node::Node;
use crate::error::HostError;

/// The threads that callers are on: runtimes of one thread each. Empty where all share one runtime.
#[derive(Debug, Clone, Default)]
pub struct Homes(Arc<[Handle]>);

impl Homes {
    /// One home for each runtime.
    pub fn new(runtimes: impl IntoIterator<Item = Handle>) -> Homes {
        Homes(runtimes.into_iter().collect())
    }

    fn of(&self, index: usize) -> Option<&Handle> {
        self.0.get(index)
    }

    /// Which of them the caller is on.
    fn current(&self) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        let current = Handle::try_current().ok()?.id();
        self.0.iter().position(|home| home.id() == current)
    }
}

/// One project's connections, by home.
pub(super) struct Connections {
    homes: Homes,
    pools: Vec<Home>,
}

struct Home {
    pool: Pool,
    /// As many as the pool has connections: who has a turn never waits for the pool.
    turns: Arc<Semaphore>,
}

/// The right to use one connection of a home.
pub(super) struct HomeTurn {
    home: usize,
    _permit: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(node: &Arc<Node>, access: &DatabaseAccess) -> Connections {
        let homes = node.homes.clone();
        let all = node.limits.project_connections;
        let count = homes.0.len().clamp(1, all.max(1));
        let pools = (0..count).map(|index| {
            // The first ones take what does not divide.
            let connections = all / count + usize::from(index < all % count);
            Home::new(node, access, homes.of(index).cloned(), connections)
        });
        Connections {
            pools: pools.collect(),
            homes,
        }
    }

    /// A turn: the caller's own home before any other, and the first to be free where none is.
    pub(super) async fn turn(&self) -> Result<HomeTurn, HostError> {
        let count = self.pools.len();
        let first = self.homes.current().unwrap_or_default();
        let in_order = (first..first + count).map(|home| home % count);
        for home in in_order.clone() {
            let turns = self.pools.get(home).map(|home| Arc::clone(&home.turns));
            if let Some(Ok(permit)) = turns.map(Semaphore::try_acquire_owned) {
                return Ok(HomeTurn::new(home, permit));
            }
        }
        let waiting = in_order.filter_map(|home| {
            let turns = Arc::clone(&self.pools.get(home)?.turns);
            Some(Box::pin(async move { (home, turns.acquire_owned().await) }))
        });
        let ((home, permit), _, _) = select_all(waiting).await;
        let closed = |_| HostError::internal("the connection queue is closed");
        Ok(HomeTurn::new(home, permit.map_err(closed)?))
    }

    /// The connection that goes with a turn.
    pub(super) async fn get(&self, turn: &HomeTurn) -> Result<Client, HostError> {
        let home = self.pools.get(turn.home);
        let home = home.ok_or_else(|| HostError::internal("a turn without a home"))?;
        home.pool.get().await.map_err(pool_error)
    }

    /// Keeps those idle connections that `keep` says.
    pub(super) fn retain(&self, mut keep: impl FnMut(&ClientWrapper, Metrics) -> bool) {
        for home in &self.pools {
            drop(home.pool.retain(&mut keep));
        }
    }

    /// Closes idle connections now, and the others as they come back.
    pub(super) fn close(&self) {
        for home in &self.pools {
            home.pool.close();
        }
    }
}

impl Home {
    fn new(
        node: &Arc<Node>,
        access: &DatabaseAccess,
        runtime: Option<Handle>,
        connections: usize,
    ) -> Home {
        let mut config = node.base.clone();
        config.user(&access.role).password(access.password.bytes());
        let connect = SlotConnect::new(Arc::downgrade(node), runtime);
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(config, connect, recycling);
        // The last one back is the first one out, so that the others get idle and are closed.
        let builder = Pool::builder(manager)
            .max_size(connections)
            .queue_mode(QueueMode::Lifo);
        #[expect(
            clippy::expect_used,
            reason = "refused only where the pool has timeouts; ours are outside"
        )]
        let pool = builder
            .build()
            .expect("a pool without timeouts needs no runtime");
        Home {
            pool,
            turns: Arc::new(Semaphore::new(connections)),
        }
    }
}

impl HomeTurn {
    fn new(home: usize, permit: OwnedSemaphorePermit) -> HomeTurn {
        HomeTurn {
            home,
            _permit: permit,
        }
    }
}
