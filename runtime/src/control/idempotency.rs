//! `Idempotency-Key` on what makes something: repeated with the same body it answers what it answered
//! the first time, and makes nothing again.
//!
//! Only what was done is kept. A refusal has made nothing, so its key is free again. The work goes on
//! when its caller is gone, because the answer that they will ask for again depends on it.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::registry::audit::{self, Author};
use crate::registry::idempotency::{self, Asked, Kept, Known};

use super::Shared;
use super::auth::Operator;
use super::error::ApiError;
use super::json::BODY_BYTES_MAX;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A UUID has 36; what others make of a request's own words is not much longer.
const KEY_BYTES_MAX: usize = 255;

/// Does what is asked for once for each key.
pub(super) async fn once(
    State(control): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(key) = key(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let operator = request.extensions().get::<Operator>();
    let operator = operator.ok_or(ApiError::Unauthenticated)?.subject.clone();
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let asked = Asked {
        operator: &operator,
        key: &key,
        request_sha256: &hash(&[head.method.as_str().as_bytes(), target.as_bytes(), &body]),
    };
    match idempotency::begin(&control.registry, asked).await? {
        Known::Done(kept) => replay(kept),
        Known::Other => Err(ApiError::KeyReused),
        Known::AtWork => Err(ApiError::KeyInFlight),
        Known::New(id) => {
            let request = Request::from_parts(head, Body::from(body));
            let work = async move { remember(&control, id, next.run(request).await).await };
            let work = audit::on_behalf(Author::current(), work);
            let done = tokio::spawn(tracing::Instrument::in_current_span(work)).await;
            done.map_err(|_| ApiError::Unwritable)?
        }
    }
}

/// The caller's key, if there is one.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(&KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else {
        return Ok(None);
    };
    let text = first.to_str().unwrap_or_default();
    match (text.len(), second) {
        (1..=KEY_BYTES_MAX, None) => Ok(Some(text.to_owned())),
        _ => Err(ApiError::BadIdempotencyKey),
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge {
            limit: BODY_BYTES_MAX,
        }),
        Err(_) => Err(ApiError::BodyIncomplete),
    }
}

/// The hash of parts that cannot slide into one another.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Keeps the answer of what was done, and frees the key of what was not.
async fn remember(control: &Shared, id: Uuid, answer: Response) -> Result<Response, ApiError> {
    if !answer.status().is_success() {
        idempotency::forget(&control.registry, id).await?;
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    // It was made in memory, as a whole.
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.map_err(|_| ApiError::Unwritable)?;
    let kept = Kept {
        status: head.status.as_u16(),
        body: body.to_vec(),
    };
    idempotency::keep(&control.registry, id, &kept).await?;
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replay(kept: Kept) -> Result<Response, ApiError> {
    let status = StatusCode::from_u16(kept.status).map_err(|_| ApiError::Unwritable)?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
