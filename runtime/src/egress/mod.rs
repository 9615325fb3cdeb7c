//! The one way out of the process on behalf of a tenant.
//!
//! A request passes four gates, in this order: its host must be plainly written (`host`), its
//! (scheme, host, port) must be on the caller's allow-list (`allow`), the invocation must have
//! budget left (`grant`), and every address the host resolves to must be public (`address`,
//! `connect`). Connections are pooled behind the first three gates and opened behind the fourth,
//! so a pooled connection spares a handshake, never a check.
//!
//! It never follows a redirect (the target would skip the allow-list), never reads proxy settings
//! from the environment, and never retries a request that may have reached the other side.

pub mod address;
pub mod allow;
pub mod connect;
pub mod error;
pub mod fetch;
pub mod grant;
pub mod host;
mod outgoing;
mod patience;
pub(crate) mod silence;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub use self::address::Policy;
pub use self::allow::AllowList;
use self::connect::{Dialer, Resolve, SystemResolver};
pub use self::error::EgressError;
pub use self::grant::{EgressGrant, REQUESTS_PER_INVOCATION_MAX};
use self::host::Target;
pub use self::patience::{Paced, Patience};

/// From sending a request to the first byte of its answer, name lookup, connecting and the upload
/// included; also the longest silence in the middle of an answer. Shorter than the 30 s a function
/// has for its own first byte, so that the function can still answer for itself.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that a function's manifest may ask for in its place, as long as for a first byte.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Idle connections kept per host. More than this many at once are rarely needed again soon.
const IDLE_PER_HOST_MAX: usize = 16;

/// How much of an answer's head is read before giving up: four times what common proxies allow.
const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// The outbound HTTP client. One per process; cloning shares its connections.
#[derive(Clone)]
pub struct Egress {
    client: Client<Dialer, RequestBody>,
    timeout: Duration,
}

impl Egress {
    /// A client that resolves names as the operating system does.
    ///
    /// # Errors
    /// [`EgressError::Tls`] when the TLS library refuses its own defaults; no outside input.
    pub fn new(policy: Policy) -> Result<Self, EgressError> {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    /// The same for functions: how long a request may wait is its grant's to say.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn for_functions(policy: Policy) -> Result<Self, EgressError> {
        Self::waiting(policy, Arc::new(SystemResolver), REQUEST_TIMEOUT_MAX)
    }

    /// The same with another source of addresses. Whatever it answers is checked.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn with_resolver(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, EgressError> {
        Self::waiting(policy, resolver, REQUEST_TIMEOUT)
    }

    /// The same, waiting so long in place of [`REQUEST_TIMEOUT`]: for what the host sends by itself.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn waiting(
        policy: Policy,
        resolver: Arc<dyn Resolve>,
        timeout: Duration,
    ) -> Result<Self, EgressError> {
        let dialer = Dialer::new(policy, resolver, timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(REQUEST_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .http1_max_buf_size(RESPONSE_HEAD_BYTES_MAX)
            .build(dialer);
        Ok(Self { client, timeout })
    }

    /// Sends one request if the grant allows it and returns the answer once its head is there.
    /// A redirect is an answer like any other.
    ///
    /// # Errors
    /// Every way a request can fail, each with a stable [`EgressError::code`].
    pub async fn send<B>(
        &self,
        grant: &EgressGrant,
        request: Request<B>,
    ) -> Result<Response<Incoming>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.send_within(Patience::of(self.timeout), grant, request)
            .await
    }

    /// The same, waiting less long. What `patience` says of the answer's body is for whoever reads
    /// it, by [`Paced`].
    ///
    /// # Errors
    /// As [`Egress::send`].
    pub async fn send_within<B>(
        &self,
        patience: Patience,
        grant: &EgressGrant,
        request: Request<B>,
    ) -> Result<Response<Incoming>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let target = Target::parse(request.uri())?;
        grant.admit(&target)?;
        let request = outgoing::prepare(request, &target)?;
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let limit = patience.first_byte.min(self.timeout);
        let answer = patience.dialling(self.client.request(request));
        match tokio::time::timeout(limit, answer).await {
            Err(_elapsed) => Err(EgressError::Timeout),
            Ok(Err(error)) => Err(EgressError::from_client(&error)),
            Ok(Ok(response)) => Ok(response),
        }
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
