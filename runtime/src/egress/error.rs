//! How an outbound request can fail. The messages are for the tenant: they name the host that the
//! tenant wrote and never the address it resolved to, or what answered there.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;

use super::host::HostError;

/// Why an outbound request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// `host` is the whole origin, ready to be pasted into a manifest.
    #[error(
        "{host} is not on the function's allow-list; add it to `allow` in `[outbound]` of its \
         manifest"
    )]
    NotAllowed { host: String },
    #[error("{host} leads to an address that functions may not reach; use a public host")]
    AddressRefused { host: String },
    #[error("bad outbound host: {0}")]
    BadHost(#[from] HostError),
    #[error(
        "this invocation has sent all of its {requests} outbound requests; batch them, spread them over \
         several invocations, or raise `outbound_requests` in [limits] of the function's manifest"
    )]
    BudgetSpent {
        /// How many it had.
        requests: u32,
    },
    #[error(
        "the other side stayed silent for as long as the request may wait; for a function that is \
         `outbound_ms` in [limits] of its manifest, or less where the request says so"
    )]
    Timeout,
    #[error("no connection could be made in time; check the host's port, or wait longer")]
    ConnectTimeout,
    #[error("the host's name could not be resolved; check its spelling")]
    Unresolved,
    #[error("no connection to the host could be made; check its name and port")]
    Connect,
    #[error("the connection was lost before the answer began")]
    Lost,
    #[error("the head of the answer is over {} KiB", super::RESPONSE_HEAD_BYTES_MAX / 1024)]
    HeadTooLarge,
    #[error(
        "no secure connection could be made; the host needs a certificate of a public authority"
    )]
    Certificate,
    #[error("the host does not speak TLS as it should")]
    Tls,
    #[error("the exchange broke HTTP's rules")]
    Protocol,
}

impl EgressError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "egress_not_allowed",
            Self::AddressRefused { .. } => "egress_address_refused",
            Self::BadHost(_) => "egress_bad_host",
            Self::BudgetSpent { .. } => "egress_budget_spent",
            Self::Timeout => "egress_timeout",
            Self::ConnectTimeout => "egress_connect_timeout",
            Self::Unresolved => "egress_unresolved",
            Self::Connect => "egress_connect",
            Self::Lost => "egress_lost",
            Self::HeadTooLarge => "egress_head_too_large",
            Self::Certificate => "egress_certificate",
            Self::Tls => "egress_tls",
            Self::Protocol => "egress_protocol",
        }
    }

    /// The pooled client wraps whatever the dialler said; this finds it again.
    pub(super) fn from_client(error: &legacy::Error) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(ours) = current.downcast_ref::<Self>() {
                return ours.clone();
            }
            if is_timeout(current) {
                return Self::Timeout;
            }
            if let Some(http) = current.downcast_ref::<hyper::Error>() {
                if http.is_parse_too_large() {
                    return Self::HeadTooLarge;
                }
                if http.is_incomplete_message() || http.is_canceled() || http.is_closed() {
                    return Self::Lost;
                }
            }
            cause = current.source();
        }
        if error.is_connect() {
            Self::Connect
        } else {
            Self::Protocol
        }
    }
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
