//! Outbound HTTP of guests: from `wasi:http` to the egress connector, the only way out.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::egress::{Egress, EgressError, EgressGrant};

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
    // The guest's own time-outs may only shorten ours, which egress enforces.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let (egress, grant) = (self.egress.clone(), self.grant.clone());
        let first_byte = options.and_then(|options| options.first_byte_timeout);
        Box::new(async move {
            let sending = egress.send(&grant, request);
            let response = match first_byte {
                Some(limit) => match tokio::time::timeout(limit, sending).await {
                    Ok(response) => response,
                    Err(_elapsed) => Err(EgressError::Timeout),
                },
                None => sending.await,
            };
            let response = response.map_err(|error| to_wasi(&error))?;
            let body = |body: hyper::body::Incoming| body.map_err(Error::Hyper).boxed_unsync();
            let transmission: Transmission = Box::new(std::future::ready(Ok(())));
            Ok((response.map(body), transmission))
        })
    }
}

/// Egress errors in the words that WASI has for them.
fn to_wasi(error: &EgressError) -> Error {
    match error {
        EgressError::NotAllowed { .. } | EgressError::BudgetSpent => Error::HttpRequestDenied,
        EgressError::AddressRefused { .. } => Error::DestinationIpProhibited,
        EgressError::BadHost { .. } => Error::HttpRequestUriInvalid,
        EgressError::Timeout => Error::ConnectionTimeout,
        EgressError::Connect => Error::ConnectionRefused,
        EgressError::Tls => Error::TlsProtocolError,
        EgressError::Protocol => Error::HttpProtocolError,
    }
}

/// The allow-list of a version, shared by its calls.
pub type Allowed = Arc<crate::egress::AllowList>;
