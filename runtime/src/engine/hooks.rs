//! Outbound HTTP of guests: from `wasi:http` to the egress connector, the only way out.

use std::sync::Arc;

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
    // The guest's own time-outs may only shorten those of its function.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let (egress, grant) = (self.egress.clone(), self.grant.clone());
        let patience = options.map(patience).unwrap_or_default();
        let patience = patience.at_most(grant.patience());
        Box::new(async move {
            let response = egress.send_within(patience, &grant, request).await;
            let response = response.map_err(|error| to_wasi(&error))?;
            let body = |body: hyper::body::Incoming| {
                let body = body.map_err(broken_off);
                match patience.between_bytes {
                    Some(limit) => {
                        Paced::new(body, limit, || Error::ConnectionReadTimeout).boxed_unsync()
                    }
                    None => body.boxed_unsync(),
                }
            };
            let transmission: Transmission = Box::new(std::future::ready(Ok(())));
            Ok((response.map(body), transmission))
        })
    }
}

fn patience(options: RequestOptions) -> Patience {
    Patience {
        connect: options.connect_timeout,
        first_byte: options.first_byte_timeout,
        between_bytes: options.between_bytes_timeout,
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
