//! The accept loop of both listeners: sockets in, requests out, and an orderly end.
//!
//! It bounds connections, head sizes and the time a head may take, and refuses requests of
//! doubtful form before the service sees them. It knows nothing of routes. A drain keeps
//! accepting while earlier requests finish, so that a load balancer can read the 503 of
//! `/readyz` instead of a refused connection; the service answers what arrives meanwhile.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::tls::Tls;
use crate::cores::Cores;

mod connection;

/// Streams that one HTTP/2 connection may have open: a browser's default is 100, and one peer
/// should not be able to take a tenth of a node's request slots.
const STREAMS_MAX: u32 = 100;

/// Bounds of one listener.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Open connections; further ones wait in the kernel's queue, which costs us nothing.
    pub connections_max: usize,
    /// From the opening of a connection, or the end of an answer, to the end of the next head.
    /// Also how long an idle kept-alive connection lives.
    pub header_read_timeout: Duration,
    /// How long a peer may take nothing of what was sent to it. Whoever has gone without a word never will.
    pub send_timeout: Duration,
    /// Header lines of a request.
    pub headers_max: usize,
    /// Bytes of a request line and headers together.
    pub header_bytes_max: usize,
    /// How long a drain waits for requests in flight before it cuts them.
    pub drain_timeout: Duration,
    /// Streams that one HTTP/2 connection may have open.
    pub streams_max: u32,
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits {
            // About 10 KiB each when idle: 100 MiB at worst.
            connections_max: 10_000,
            // Long enough for the slowest honest phone, short enough against one-byte-a-second peers.
            header_read_timeout: Duration::from_secs(30),
            // As long as proxies wait; a phone in a tunnel takes something now and then.
            send_timeout: Duration::from_secs(60),
            // Twice what browsers behind two proxies send.
            headers_max: 128,
            // Large cookies pass; what other servers take is 8 to 64 KiB.
            header_bytes_max: 64 * 1024,
            drain_timeout: Duration::from_secs(30),
            streams_max: STREAMS_MAX,
        }
    }
}

/// The remote end of a connection; in the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had a request in flight when the time was up.
    pub cut: usize,
}

/// A bound socket that does not serve yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    limits: ListenerLimits,
    cores: Option<Arc<Cores>>,
    tls: Option<Arc<Tls>>,
}

/// Pause after a failed accept. Out of file descriptors, the usual reason, needs a connection to
/// end; trying at once would only burn the processor that could end one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Listener {
    /// Binds an address; port 0 takes any free one.
    ///
    /// # Errors
    /// What the operating system says: in use, not permitted, not ours.
    pub async fn bind(address: SocketAddr, limits: ListenerLimits) -> std::io::Result<Listener> {
        Ok(Listener {
            socket: TcpListener::bind(address).await?,
            limits,
            cores: None,
            tls: None,
        })
    }

    /// Serves each connection on one of these threads. Without them connections go where the
    /// listener is.
    #[must_use]
    pub fn on(self, cores: Arc<Cores>) -> Listener {
        Listener {
            cores: Some(cores),
            ..self
        }
    }

    /// Speaks TLS with everyone, where there is a certificate.
    #[must_use]
    pub fn secured(self, tls: Option<Arc<Tls>>) -> Listener {
        Listener { tls, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Only where the socket is broken.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `drain` is cancelled, then until every request begun before has ended or the
    /// drain timeout has passed.
    pub async fn serve<S, F>(self, service: S, drain: CancellationToken) -> Drained
    where
        S: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let accepting = Accepting {
            slots: Arc::new(Semaphore::new(self.limits.connections_max)),
            limits: self.limits,
            socket: self.socket,
            tls: self.tls,
            cut: CancellationToken::new(),
            service,
        };
        let before = Open::on(self.cores.clone());
        while let Some((stream, peer, slot)) = accepting.next_until(drain.cancelled()).await {
            before.spawn(accepting.connection(stream, peer, slot, drain.child_token()));
        }
        let during = Open::on(self.cores);
        let deadline = tokio::time::sleep(self.limits.drain_timeout);
        let ended = async {
            tokio::select! { () = before.none_left() => {}, () = deadline => {} }
        };
        tokio::pin!(ended);
        while let Some((stream, peer, slot)) = accepting.next_until(&mut ended).await {
            during.spawn(accepting.connection(stream, peer, slot, drain.child_token()));
        }
        let cut = before.count();
        accepting.cut.cancel();
        before.none_left().await;
        during.none_left().await;
        Drained { cut }
    }
}

/// What the accept loop needs before and during a drain.
struct Accepting<S> {
    socket: TcpListener,
    limits: ListenerLimits,
    slots: Arc<Semaphore>,
    tls: Option<Arc<Tls>>,
    cut: CancellationToken,
    service: S,
}

impl<S, F> Accepting<S>
where
    S: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// The next connection, or `None` once `end` is ready.
    async fn next_until(
        &self,
        end: impl Future<Output = ()>,
    ) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        tokio::select! {
            // The end comes first: under a flood of connections a drain must still begin.
            biased;
            () = end => None,
            accepted = self.next() => accepted,
        }
    }

    async fn next(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        // The slot comes before the accept: a connection without one stays in the kernel's queue.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: OwnedSemaphorePermit,
        drain: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ends = connection::Ends {
            drain,
            cut: self.cut.child_token(),
        };
        let end = connection::End {
            stream,
            peer,
            tls: self.tls.clone(),
        };
        // All that a request needs is in there, and it is handed on a few times before it starts.
        let served = Box::pin(connection::serve(
            end,
            self.limits,
            self.service.clone(),
            ends,
        ));
        async move {
            served.await;
            drop(slot);
        }
    }
}

/// Starts tasks and counts those that have not ended.
struct Open {
    count: watch::Sender<usize>,
    cores: Option<Arc<Cores>>,
}

impl Open {
    fn on(cores: Option<Arc<Cores>>) -> Open {
        Open {
            count: watch::Sender::default(),
            cores,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::new(self.count.clone());
        let task = async move {
            let _counted = counted;
            task.await;
        };
        match &self.cores {
            Some(cores) => cores.spawn(task),
            None => drop(tokio::spawn(task)),
        }
    }

    fn count(&self) -> usize {
        *self.count.borrow()
    }

    async fn none_left(&self) {
        // Fails only without a sender, and `self` holds one.
        let _ = self.count.subscribe().wait_for(|open| *open == 0).await;
    }
}

/// One open task; counted down when dropped, so that a panic counts as an end.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(open: watch::Sender<usize>) -> Counted {
        open.send_modify(|count| *count += 1);
        Counted(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests;
