//! ETags: when a document was last changed. Whoever sends one back with `If-Match` changes what they
//! saw, or nothing.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use serde::Serialize;

use crate::http::Mistake;

use super::answer::Answer;
use super::error::ApiError;

/// A document with its ETag.
pub(super) struct Tagged<T>(pub(super) Answer<T>, pub(super) DateTime<Utc>);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        if let Ok(tag) = HeaderValue::from_str(&tag(self.1)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// The database's clock has microseconds.
fn tag(changed: DateTime<Utc>) -> String {
    format!("\"{:x}\"", changed.timestamp_micros())
}

/// What `If-Match` asks for: the time of the copy that the caller has, or nothing.
pub(super) struct Seen(pub(super) Option<DateTime<Utc>>);

impl<S: Sync> FromRequestParts<S> for Seen {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Seen, ApiError> {
        let Some(sent) = parts.headers.get(IF_MATCH) else {
            return Ok(Seen(None));
        };
        match sent.to_str().map(str::trim) {
            Ok("*") => Ok(Seen(None)),
            Ok(text) => read(text).map(|seen| Seen(Some(seen))).ok_or_else(wrong),
            Err(_) => Err(wrong()),
        }
    }
}

fn read(text: &str) -> Option<DateTime<Utc>> {
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    DateTime::from_timestamp_micros(i64::from_str_radix(digits, 16).ok()?)
}

fn wrong() -> ApiError {
    let message = "write one ETag as an answer gave it, quotes included";
    ApiError::Invalid(vec![Mistake::at("if-match", message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_comes_back_as_the_time_it_was_made_of() {
        let changed = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        assert_eq!(read(&tag(changed)), Some(changed));
        for odd in [
            "",
            "\"\"",
            "7f",
            "\"x\"",
            "W/\"7f\"",
            "\"1\", \"2\"",
            "\"fffffffffffffffff\"",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
