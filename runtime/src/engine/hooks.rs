//! Outbound HTTP of guests: from `wasi:http` to the egress connector, the only way out.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::egress::{Egress, EgressError, EgressGrant, Paced, Patience};

type Transmission = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(http::Response<WasiBody>, Transmission), Error>;

/// The connector and what this store may still send through it.
pub struct Hooks {
    egress: Egress,
    grant: EgressGrant,
}

impl Hooks {
    /// Hooks that allow nothing until a call brings its grant.
    pub(super) fn new(egress: Egress) -> Self {
        Self {
            egress,
            grant: EgressGrant::nothing(),
        }
    }

    /// Gives the store the budget of the call that starts now. On a shared instance calls spend
    /// the newest budget together, since WASI does not tell which of them sends.
    pub(super) fn grant(&mut self, grant: EgressGrant) {
        self.grant = grant;
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let (egress, grant) = (self.egress.clone(), self.grant.clone());
        let patience = patience(options, grant.patience());
        Box::new(async move {
            let response = egress.send_within(patience, &grant, request).await;
            let response = response.map_err(|error| to_wasi(&error))?;
            let late = || Error::ConnectionReadTimeout;
            let body = |body: hyper::body::Incoming| {
                let body = body.map_err(broken_off);
                Paced::new(body, patience.between_bytes, late).boxed_unsync()
            };
            let transmission: Transmission = Box::new(std::future::ready(Ok(())));
            Ok((response.map(body), transmission))
        })
    }
}

/// The guest's own time-outs may only shorten those of its function.
fn patience(options: Option<RequestOptions>, limit: Duration) -> Patience {
    let options = options.unwrap_or_default();
    let within = |own: Option<Duration>| own.map_or(limit, |own| own.min(limit));
    Patience {
        connect: options.connect_timeout,
        first_byte: within(options.first_byte_timeout),
        between_bytes: within(options.between_bytes_timeout),
    }
}

/// Why the body of an answer ended early.
fn broken_off(error: hyper::Error) -> Error {
    let inner = std::error::Error::source(&error)
        .and_then(|inner| inner.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    match inner {
        Some(std::io::ErrorKind::TimedOut) => Error::ConnectionReadTimeout,
        Some(std::io::ErrorKind::UnexpectedEof) => Error::HttpResponseIncomplete,
        Some(_) | None if error.is_incomplete_message() => Error::HttpResponseIncomplete,
        Some(_) | None => Error::Hyper(error),
    }
}

/// Egress errors in the words that WASI has for them.
fn to_wasi(error: &EgressError) -> Error {
    match error {
        EgressError::NotAllowed { .. } | EgressError::BudgetSpent { .. } => {
            Error::HttpRequestDenied
        }
        EgressError::AddressRefused { .. } => Error::DestinationIpProhibited,
        EgressError::BadHost { .. } => Error::HttpRequestUriInvalid,
        EgressError::Timeout => Error::ConnectionReadTimeout,
        EgressError::ConnectTimeout => Error::ConnectionTimeout,
        EgressError::Unresolved => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        EgressError::Connect => Error::ConnectionRefused,
        EgressError::Lost => Error::ConnectionTerminated,
        EgressError::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        EgressError::Certificate => Error::TlsCertificateError,
        EgressError::Tls => Error::TlsProtocolError,
        EgressError::Protocol => Error::HttpProtocolError,
    }
}

/// The allow-list of a version, shared by its calls.
pub type Allowed = Arc<crate::egress::AllowList>;
