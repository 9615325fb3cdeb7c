//! The HTTP by which a bucket is spoken to: TLS by rustls, HTTP/1.1, no proxy.
//!
//! Without TLS only where its owner says so, which the operator does for a server that is named with `http://`,
//! and the library for the addresses at which a machine's own cloud answers with credentials. A redirect is an
//! answer like any other. What fails is said to the library, which tries again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Uri};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use object_store::client::{
    ClientConfigKey, ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind,
    HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::egress::silence::{SilenceLimit, Stream};

/// For one server to accept a connection, and for its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// From sending a request to the head of its answer, the upload of a part included: five mebibytes on a slow
/// line, and a server that puts many parts together.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(20);

/// How long a connection that idles is kept: less than servers keep theirs.
const IDLE: Duration = Duration::from_secs(10);

/// Idle connections that are kept. More than this many at once are rarely needed again soon.
const IDLE_MAX: usize = 32;

/// What makes clients.
#[derive(Debug)]
pub(super) struct Wire {
    roots: Arc<RootCertStore>,
}

impl Wire {
    /// Connections to servers whose certificates these have signed.
    pub(super) fn new(roots: RootCertStore) -> Self {
        Self {
            roots: Arc::new(roots),
        }
    }
}

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let may = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plain = match may.as_deref() {
            Some("true") => Plain::Allowed,
            Some(_) | None => Plain::Refused,
        };
        let dialer = Dialer::new(&self.roots, plain)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(dialer);
        Ok(HttpClient::new(Caller(client)))
    }
}

#[derive(Debug)]
struct Caller(Client<Dialer, HttpRequestBody>);

#[async_trait]
impl HttpService for Caller {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        announce_nothing(&mut request);
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.0.request(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(of_client)?;
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(broken))))
    }
}

/// Servers may insist on a length, zero included, where the method means to send something.
fn announce_nothing(request: &mut HttpRequest) {
    let sends = matches!(*request.method(), Method::POST | Method::PUT);
    if sends && request.body().is_end_stream() {
        let headers = request.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

fn of_client(error: legacy::Error) -> HttpError {
    let kind = match error.is_connect() {
        true => HttpErrorKind::Connect,
        false => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error)
}

/// Whether a connection may be without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    Allowed,
    Refused,
}

#[derive(Clone)]
struct Dialer {
    tls: TlsConnector,
    plain: Plain,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialer(plain: {:?})", self.plain)
    }
}

impl Dialer {
    fn new(roots: &Arc<RootCertStore>, plain: Plain) -> object_store::Result<Self> {
        // The provider is named, not taken from the process: another library may install its own.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| object_store::Error::Generic {
                store: "S3",
                source: Box::new(error),
            })?;
        let mut config = config
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            plain,
        })
    }

    async fn dial(self, uri: Uri) -> io::Result<TokioIo<SilenceLimit>> {
        let nowhere = || io::Error::new(io::ErrorKind::InvalidInput, "no host to connect to");
        let host = uri.host().ok_or_else(nowhere)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream: Box<dyn Stream> = match (uri.scheme_str(), self.plain) {
            (Some("https"), _) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                let socket = open(host, uri.port_u16().unwrap_or(443)).await?;
                Box::new(self.tls.connect(name, socket).await?)
            }
            (_, Plain::Allowed) => Box::new(open(host, uri.port_u16().unwrap_or(80)).await?),
            (_, Plain::Refused) => return Err(io::Error::other("not without TLS")),
        };
        Ok(TokioIo::new(SilenceLimit::new(stream, SILENCE)))
    }
}

async fn open(host: &str, port: u16) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await?;
    // The head of a request must not wait for a full packet. Failing to set it costs speed only.
    let _ = socket.set_nodelay(true);
    Ok(socket)
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<SilenceLimit>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = tokio::time::timeout(CONNECT_TIMEOUT, self.clone().dial(uri));
        Box::pin(async {
            dial.await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_tls_no_connection_is_opened_where_that_was_not_asked_for() {
        let roots = Arc::new(RootCertStore::empty());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}/b", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let refused = Dialer::new(&roots, Plain::Refused).unwrap();
        assert!(refused.dial(uri.clone()).await.is_err());
        let allowed = Dialer::new(&roots, Plain::Allowed).unwrap();
        assert!(allowed.dial(uri).await.is_ok());
    }
}
