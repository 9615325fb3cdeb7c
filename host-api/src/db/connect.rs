//! Opening a connection, once the node has a slot for it, on the thread that is to drive it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Weak;

use deadpool_postgres::Connect;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::{Client, Config, Error};

use super::node::Node;
use super::tls::Tls;

type Connected = Result<(Client, JoinHandle<()>), Error>;

/// How a project's pool opens its connections.
pub(super) struct SlotConnect {
    node: Weak<Node>,
    /// None drives it where it is opened.
    home: Option<Handle>,
}

impl SlotConnect {
    pub(super) fn new(node: Weak<Node>, home: Option<Handle>) -> SlotConnect {
        SlotConnect { node, home }
    }
}

impl Connect for SlotConnect {
    fn connect(&self, config: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        let open = open(self.node.clone(), config.clone());
        let Some(home) = &self.home else {
            return Box::pin(open);
        };
        // A socket belongs to the runtime that it is opened in. Who gives up waiting stops the task.
        let mut opening = JoinSet::new();
        opening.spawn_on(open, home);
        let here = (self.node.clone(), config.clone());
        Box::pin(async move {
            match opening.join_next().await {
                Some(Ok(opened)) => opened,
                // The home has gone, and its callers with it: somebody else asks.
                Some(Err(_)) | None => self::open(here.0, here.1).await,
            }
        })
    }
}

async fn open(node: Weak<Node>, config: Config) -> Connected {
    match node.upgrade() {
        Some(node) => {
            let slot = node.slot().await;
            node.tls.connect(&config, slot).await
        }
        // A handle keeps its node alive, so this is a pool that nobody can ask any more.
        None => Tls::Off.connect(&config, ()).await,
    }
}
