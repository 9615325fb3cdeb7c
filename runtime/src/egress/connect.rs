//! Opening a connection: look the name up once, check every address it has, dial one of exactly
//! those addresses.
//!
//! The check sits between lookup and dial, with no second lookup after it, so a name that changes
//! its answer in between (DNS rebinding) changes nothing. One refused address among several refuses
//! the name as a whole: no public service mixes private addresses into its answer by accident.
//!
//! HTTP/1.1 only: one request at a time on a connection, so that a stalled exchange of one tenant
//! never holds up another's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::address::Policy;
use super::host::{Host, Scheme, Target};
use super::patience::connect_limit;
use super::silence::{SilenceLimit, Stream};
use super::{EgressError, REQUEST_TIMEOUT};

/// For one address to accept a connection. A second address is tried within the same request, so
/// this is under half of the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Addresses tried before giving up; all of them are checked, however many there are.
const DIALS_MAX: usize = 2;

/// Where the addresses of a name come from. Answers are never trusted, whoever gives them.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name, best first.
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The lookup wants a port; the target's own is put on when dialling.
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The connector behind the pooled client.
#[derive(Clone)]
pub(super) struct Dialer {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    /// The longest silence in the middle of an answer.
    silence: Duration,
    tls: TlsConnector,
}

impl Dialer {
    pub(super) fn new(
        policy: Policy,
        resolver: Arc<dyn Resolve>,
        silence: Duration,
    ) -> Result<Self, EgressError> {
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        // The provider is named, not taken from the process: another library may install its own.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| EgressError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            policy,
            resolver,
            silence,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    async fn dial(self, uri: Uri) -> Result<TokioIo<SilenceLimit>, EgressError> {
        let target = Target::parse(&uri)?;
        let addresses = self.checked_addresses(&target).await?;
        let socket = open(&addresses, target.port).await?;
        let stream: Box<dyn Stream> = match target.scheme {
            Scheme::Http => Box::new(socket),
            Scheme::Https => {
                let handshake = self.tls.connect(server_name(&target.host)?, socket);
                Box::new(handshake.await.map_err(|error| of_handshake(&error))?)
            }
        };
        Ok(TokioIo::new(SilenceLimit::new(stream, self.silence)))
    }

    pub(super) async fn checked_addresses(
        &self,
        target: &Target,
    ) -> Result<Vec<IpAddr>, EgressError> {
        let addresses = match &target.host {
            Host::V4(address) => vec![IpAddr::V4(*address)],
            Host::V6(address) => vec![IpAddr::V6(*address)],
            Host::Name(name) => {
                let found = self.resolver.resolve(name.clone()).await;
                found.map_err(|_| EgressError::Unresolved)?
            }
        };
        for address in &addresses {
            if let Err(class) = self.policy.check(*address) {
                let host = target.host.to_string();
                tracing::warn!(%host, %address, %class, "outbound request refused by its address");
                return Err(EgressError::AddressRefused { host });
            }
        }
        Ok(addresses)
    }
}

/// Tries the addresses in their order.
async fn open(addresses: &[IpAddr], port: u16) -> Result<TcpStream, EgressError> {
    let mut failure = EgressError::Connect;
    for address in addresses.iter().take(DIALS_MAX) {
        let dial = TcpStream::connect(SocketAddr::new(*address, port));
        match tokio::time::timeout(CONNECT_TIMEOUT, dial).await {
            Ok(Ok(socket)) => {
                // Small requests must not wait for a full packet. Failing to set it costs speed only.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(_)) => failure = EgressError::Connect,
            Err(_elapsed) => failure = EgressError::ConnectTimeout,
        }
    }
    Err(failure)
}

fn of_handshake(error: &io::Error) -> EgressError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) => EgressError::Certificate,
        Some(_) | None => EgressError::Tls,
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, EgressError> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| EgressError::Tls),
        Host::V4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
        Host::V6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<SilenceLimit>;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // The client may finish a dial in the background for the pool, where no request's timeout
        // holds it; a handshake that stalls must end by itself.
        let limit = connect_limit().map_or(REQUEST_TIMEOUT, |limit| limit.min(REQUEST_TIMEOUT));
        let dial = tokio::time::timeout(limit, self.clone().dial(uri));
        Box::pin(async { dial.await.unwrap_or(Err(EgressError::ConnectTimeout)) })
    }
}
