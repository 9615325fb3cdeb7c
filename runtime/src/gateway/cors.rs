//! Pages of other origins: which of them may ask what the gateway answers by itself, as the project's
//! `allowed_origins` say. Functions answer for themselves, and their headers pass as they are.
//!
//! No cookie is read here and no credential is allowed with one: a page sends the token that it holds.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Response, StatusCode};

use crate::http::{Body, body};
use crate::registry::ProjectEntry;

/// What a page may send.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, apikey, x-request-id");

/// What a page may read beside the answer's body.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after, x-request-id");

/// How long a browser need not ask again: two hours, as long as any remembers.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origin of the page that asks, where it may.
pub(super) fn allowed(headers: &HeaderMap, project: Option<&ProjectEntry>) -> Option<HeaderValue> {
    let origins = &project?.settings.allowed_origins;
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let named = origins.iter().any(|one| one == "*" || one == text);
    named.then(|| origin.clone())
}

/// Lets the page read an answer. Whoever keeps answers must not give one page's to another.
pub(super) fn tell(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// The answer to a browser that asks first. To a page that may not it says nothing.
pub(super) fn preflight(origin: Option<HeaderValue>, method: &'static str) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if origin.is_some() {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(method),
        );
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    tell(headers, origin);
    response
}
