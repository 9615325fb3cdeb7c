//! `ETag` out and `If-Match` in: a change is made only to the state that its author has seen.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use serde::Serialize;

use crate::registry::condition::{Condition, Tag};

use super::answer::Answer;
use super::error::ApiError;

/// The condition of a change, from `If-Match`; without the header there is none.
#[derive(Debug)]
pub(super) struct Unchanged(pub(super) Condition);

impl<S: Sync> FromRequestParts<S> for Unchanged {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Unchanged, ApiError> {
        let mut tags = Vec::new();
        let mut asked = false;
        for value in parts.headers.get_all(IF_MATCH) {
            asked = true;
            let text = value.to_str().map_err(|_| ApiError::BadIfMatch)?;
            for tag in text.split(',').map(str::trim) {
                match tag
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'))
                {
                    Some(inner) => tags.push(inner.to_owned()),
                    // Any state will do, as long as there is one.
                    None if tag == "*" => return Ok(Unchanged(Condition::Always)),
                    None => return Err(ApiError::BadIfMatch),
                }
            }
        }
        Ok(Unchanged(match asked {
            true => Condition::OneOf(tags),
            false => Condition::Always,
        }))
    }
}

/// A document with the tag of its state.
pub(super) struct Tagged<T, const STATUS: u16 = 200>(Answer<T, STATUS>, HeaderValue);

/// A document and its tag.
pub(super) fn tagged<T: Serialize, const STATUS: u16>(
    answer: Answer<T, STATUS>,
) -> Result<Tagged<T, STATUS>, ApiError> {
    let tag = Tag::of(&answer.0)?;
    with_tag(answer, &tag)
}

/// A document and the tag of that part of it that changes are made to.
pub(super) fn tagged_as<T: Serialize, const STATUS: u16>(
    answer: Answer<T, STATUS>,
    part: &impl Serialize,
) -> Result<Tagged<T, STATUS>, ApiError> {
    with_tag(answer, &Tag::of(part)?)
}

fn with_tag<T, const STATUS: u16>(
    answer: Answer<T, STATUS>,
    tag: &Tag,
) -> Result<Tagged<T, STATUS>, ApiError> {
    let tag = format!("\"{tag}\"");
    let tag = HeaderValue::from_str(&tag).map_err(|_| ApiError::Unwritable)?;
    Ok(Tagged(answer, tag))
}

impl<T: Serialize, const STATUS: u16> IntoResponse for Tagged<T, STATUS> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(ETAG, self.1);
        response
    }
}
