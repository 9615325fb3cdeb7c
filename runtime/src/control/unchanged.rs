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
                    None if tag == "*" => return Ok(Unchanged(Condition::Something)),
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

/// An answer with the tag of the state that it is about.
pub(super) struct Tagged<A>(A, HeaderValue);

/// A document and its tag.
pub(super) fn tagged<T: Serialize, const STATUS: u16>(
    answer: Answer<T, STATUS>,
) -> Result<Tagged<Answer<T, STATUS>>, ApiError> {
    let tag = Tag::of(&answer.0)?;
    with_tag(answer, &tag)
}

/// An answer and the tag of what changes are made to, where it is not all that is shown, or more.
pub(super) fn tagged_as<A>(answer: A, state: &impl Serialize) -> Result<Tagged<A>, ApiError> {
    with_tag(answer, &Tag::of(state)?)
}

fn with_tag<A>(answer: A, tag: &Tag) -> Result<Tagged<A>, ApiError> {
    tagged_by(answer, &tag.to_string())
}

/// An answer and a tag that was made elsewhere.
pub(super) fn tagged_by<A>(answer: A, tag: &str) -> Result<Tagged<A>, ApiError> {
    Ok(Tagged(answer, in_quotes(tag)?))
}

/// A tag as headers have it.
pub(super) fn in_quotes(tag: &str) -> Result<HeaderValue, ApiError> {
    HeaderValue::from_str(&format!("\"{tag}\"")).map_err(|_| ApiError::Unwritable)
}

impl<A: IntoResponse> IntoResponse for Tagged<A> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(ETAG, self.1);
        response
    }
}
