//! Connections to other nodes: a few to each, HTTP/2 under TLS, opened when they are needed.
//!
//! Several, because each is served by one thread on the other side. One that cannot be opened is not tried
//! again at once, so that a node that has gone holds nobody up twice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::identity;
use crate::http::Body;

/// Connections to one node. More would help where a node has more cores than that for its neighbours.
const CONNECTIONS_PER_NODE: usize = 4;

/// For TCP, TLS and HTTP/2 together: a few round trips around the world.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long a node that could not be reached is passed over.
const PASS_OVER: Duration = Duration::from_secs(1);

/// A node that answers no ping in the middle of a request, twice this long, is gone.
const PING_EVERY: Duration = Duration::from_secs(5);

/// What may be under way of one body, and of all on a connection: a fast line over a long distance.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// One place of the pool.
#[derive(Default)]
struct Place {
    open: Option<SendRequest<Body>>,
    failed: Option<Instant>,
}

/// Connections to all nodes.
pub(super) struct Pool {
    tls: TlsConnector,
    home: Handle,
    places: DashMap<(String, usize), Arc<Mutex<Place>>>,
    turn: AtomicUsize,
}

impl Pool {
    pub(super) fn new(tls: TlsConnector, home: Handle) -> Self {
        Self {
            tls,
            home,
            places: DashMap::new(),
            turn: AtomicUsize::new(0),
        }
    }

    /// A connection to the node at that address, for one request.
    pub(super) async fn connection(&self, address: &str) -> io::Result<SendRequest<Body>> {
        let number = self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS_PER_NODE;
        let place = self.place(address, number);
        let mut place = place.lock().await;
        if let Some(open) = place.open.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        if place.failed.is_some_and(|at| at.elapsed() < PASS_OVER) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.forget_closed();
        let opening = self.home.spawn(open(self.tls.clone(), address.to_owned()));
        match opening.await.map_err(io::Error::other).flatten() {
            Ok(open) => {
                place.open = Some(open.clone());
                place.failed = None;
                Ok(open)
            }
            Err(error) => {
                place.failed = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Borrows the map for no longer than this: whoever waits for a place must not hold it.
    fn place(&self, address: &str, number: usize) -> Arc<Mutex<Place>> {
        let place = self.places.entry((address.to_owned(), number)).or_default();
        Arc::clone(&place)
    }

    /// Nodes come and go, and each start of one may have another address.
    fn forget_closed(&self) {
        self.places.retain(|_, place| match place.try_lock() {
            Ok(place) => {
                let is_open = place.open.as_ref().is_some_and(|open| !open.is_closed());
                is_open || place.failed.is_some_and(|at| at.elapsed() < PASS_OVER)
            }
            // Somebody is opening it.
            Err(_) => true,
        });
    }
}

async fn open(tls: TlsConnector, address: String) -> io::Result<SendRequest<Body>> {
    let opening = async {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        let stream = tls.connect(identity::server_name()?, stream).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY);
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another node ended early");
            }
        });
        Ok(sender)
    };
    let opened = tokio::time::timeout(OPEN_TIMEOUT, opening).await;
    opened.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}
