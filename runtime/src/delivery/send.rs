//! One attempt: the message, signed, through `egress`, and what came back.
//!
//! Of an answer its status counts; a little of its body is kept for the endpoint's owner, who may look
//! for the reason there.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use koyalite_host_api::outbox::webhooks::ID_PREFIX;

use super::message;
use crate::egress::{Egress, EgressGrant};
use crate::registry::webhooks::due::Claimed;

/// How long a receiver may take to answer, connecting included: the least that the standard asks for.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// How much of an answer's body is kept: enough for the sentence that says why.
const SNIPPET_BYTES_MAX: usize = 1024;

/// How long the rest of a snippet is waited for. The status is there; this is a courtesy.
const SNIPPET_TIMEOUT: Duration = Duration::from_secs(2);

const AGENT: &str = concat!("KoyaLite-Webhooks/", env!("CARGO_PKG_VERSION"));

/// What came back.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// An answer of the receiver's.
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
        snippet: String,
    },
    /// None, and why.
    Failed(String),
}

impl Answer {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(status.as_u16()),
            Self::Failed(_) => None,
        }
    }

    pub(super) fn snippet(&self) -> Option<String> {
        match self {
            Self::Status { snippet, .. } if !snippet.is_empty() => Some(snippet.clone()),
            Self::Status { .. } | Self::Failed(_) => None,
        }
    }

    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Status { status, .. } if status.is_success() => None,
            Self::Status { status, .. } if status.is_redirection() => Some(format!(
                "{status}: redirects are not followed; change the endpoint's target_url"
            )),
            Self::Status { status, .. } => Some(status.to_string()),
            Self::Failed(reason) => Some(reason.clone()),
        }
    }
}

/// Sends a delivery once.
pub(super) async fn send(egress: &Egress, delivery: &Claimed) -> Answer {
    let request = match request(delivery, SystemTime::now()) {
        Ok(request) => request,
        Err(error) => return Answer::Failed(error),
    };
    let Some(grant) = EgressGrant::to_origin_of(request.uri()) else {
        return Answer::Failed("the endpoint's target_url cannot be read".to_owned());
    };
    match egress.send(&grant, request).await {
        Err(error) => Answer::Failed(format!("{}: {error}", error.code())),
        Ok(response) => Answer::Status {
            status: response.status(),
            retry_after: retry_after(response.headers()),
            snippet: snippet(response.into_body()).await,
        },
    }
}

fn request(delivery: &Claimed, now: SystemTime) -> Result<Request<Full<Bytes>>, String> {
    let uri: Uri = delivery.target_url.parse().map_err(said)?;
    let id = format!("{ID_PREFIX}{}", delivery.event.simple());
    let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(said)?;
    let timestamp = i64::try_from(since.as_secs()).map_err(said)?;
    let body = message::body(delivery).map_err(said)?;
    let signatures = delivery
        .keys
        .iter()
        .map(|key| key.sign(&id, timestamp, &body));
    let signatures: Vec<_> = signatures.collect();
    Request::post(uri)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, AGENT)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures.join(" "))
        .body(Full::new(body.into()))
        .map_err(said)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Seconds, or a time to come.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (at.to_utc() - chrono::Utc::now()).to_std().ok()
}

/// The beginning of a body, as text without control characters.
async fn snippet(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < SNIPPET_BYTES_MAX {
            match body.frame().await {
                Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
                Some(Err(_)) | None => return,
            }
        }
    };
    // Late or broken: what is there will do.
    let _ = tokio::time::timeout(SNIPPET_TIMEOUT, reading).await;
    bytes.truncate(SNIPPET_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes);
    let shown = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(shown).collect()
}
