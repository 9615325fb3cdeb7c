//! Requests on their way to another node: one that landed where its function does not live goes over one
//! hop to a node where it does.
//!
//! The hop is TLS with certificates on both sides (`identity`), which only processes with this key ring can
//! have. It carries the caller's own credential, and the node that takes the request over judges that
//! itself. What the hop asserts beside it, whose address the caller has, is believed on that listener alone
//! (`hop`). A request that has come by a hop is never sent on.
//!
//! Connections are kept (`pool`). Nothing here serves guests: their way out is `egress`, which dials no
//! address of these, and no connection of theirs has a certificate of these.

mod hop;
mod identity;
mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;

pub use self::hop::Hop;
pub use self::identity::{FleetTls, IdentityError};
use self::pool::Pool;
use crate::http::{Body, BodyError};
use crate::registry::Registry;
use crate::registry::nodes::{NodeState, OtherNode};

/// Nodes that are tried before the caller is told that none answers: two that have just gone, and one.
const TRIES_MAX: usize = 3;

/// Why a request was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// This node hands nothing over.
    #[error("this node is in no fleet")]
    Off,
    /// No node that could take it is there.
    #[error("no node answers there")]
    Nobody,
    /// A node has taken it, and its answer never came.
    #[error("the node that took it gave no answer")]
    Broken,
}

/// The other nodes, as far as requests can be handed over to them.
pub struct Fleet {
    registry: Arc<Registry>,
    pool: Pool,
    turn: AtomicUsize,
}

impl Fleet {
    /// Connections are driven on `home`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, tls: &FleetTls, home: Handle) -> Self {
        Self {
            registry,
            pool: Pool::new(tls.connector(), home),
            turn: AtomicUsize::new(0),
        }
    }

    /// Hands a request over to a node in one of these regions; the head of its answer, whose body follows.
    ///
    /// # Errors
    /// [`ForwardError`]. What was sent to a node is never sent to a second one.
    pub async fn send(
        &self,
        regions: &[String],
        mut request: Request<Body>,
    ) -> Result<Response<Body>, ForwardError> {
        let others = self.registry.other_nodes();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for address in candidates(&others, regions, turn) {
            let mut connection = match self.pool.connection(address).await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::debug!(%error, address, "another node cannot be reached");
                    continue;
                }
            };
            match connection.try_send_request(request).await {
                Ok(response) => {
                    let broken = |error| BodyError::Source(Box::new(error));
                    return Ok(response.map(|body| body.map_err(broken).boxed_unsync()));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => {
                        tracing::warn!(error = %error.into_error(), address, "a hop broke");
                        return Err(ForwardError::Broken);
                    }
                },
            }
        }
        Err(ForwardError::Nobody)
    }
}

/// The addresses to try, another one first each time.
fn candidates<'a>(
    others: &'a [OtherNode],
    regions: &[String],
    turn: usize,
) -> impl Iterator<Item = &'a str> {
    let fits = |node: &&OtherNode| node.state == NodeState::Ready && regions.contains(&node.region);
    let fitting = others.iter().filter(fits);
    let addresses: Vec<&str> = fitting.filter_map(|node| node.address.as_deref()).collect();
    let first = turn.checked_rem(addresses.len()).unwrap_or(0);
    let count = addresses.len();
    addresses
        .into_iter()
        .cycle()
        .skip(first)
        .take(count.min(TRIES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_nodes_of_the_wanted_regions_take_turns() {
        let node = |region: &str, address: Option<&str>, state| OtherNode {
            region: region.to_owned(),
            address: address.map(str::to_owned),
            state,
        };
        let ready = NodeState::Ready;
        let others = [
            node("eu", Some("a"), ready),
            node("us", Some("b"), ready),
            node("eu", Some("c"), NodeState::Draining),
            node("eu", None, ready),
            node("eu", Some("d"), ready),
            node("eu", Some("e"), ready),
            node("eu", Some("f"), ready),
        ];
        let check = |regions: &[&str], turn, expected: &[&str]| {
            let regions: Vec<String> = regions.iter().map(|name| (*name).to_owned()).collect();
            let found: Vec<&str> = candidates(&others, &regions, turn).collect();
            assert_eq!(found, expected, "{regions:?} {turn}");
        };
        check(&["eu"], 0, &["a", "d", "e"]);
        check(&["eu"], 3, &["f", "a", "d"]);
        check(&["us"], 7, &["b"]);
        check(&["us", "eu"], 1, &["b", "d", "e"]);
        check(&["asia"], 0, &[]);
        check(&[], 0, &[]);
    }
}
