//! Pages of other origins: which of them may ask what the gateway answers by itself, as the project's
//! `allowed_origins` say. Functions answer for themselves, and their headers pass as they are.
//!
//! No cookie is read here and no credential is allowed with one: a page sends the token that it holds.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode};

use crate::http::{Body, body};
use crate::registry::ProjectEntry;

/// What a page may send and read somewhere.
pub(super) struct Border {
    /// Headers of requests.
    headers: HeaderValue,
    /// Headers of answers.
    exposed: HeaderValue,
}

/// Where users sign in.
pub(super) const ACCOUNTS: Border = Border {
    headers: HeaderValue::from_static("authorization, content-type, apikey, x-request-id"),
    exposed: HeaderValue::from_static("retry-after, x-request-id"),
};

/// Where files are; what clients of resumable uploads send and read too.
pub(super) const FILES: Border = Border {
    headers: HeaderValue::from_static(
        "authorization, content-type, apikey, x-request-id, range, if-range, if-match, if-none-match, \
         tus-resumable, upload-length, upload-offset, upload-metadata, upload-checksum",
    ),
    exposed: HeaderValue::from_static(
        "retry-after, x-request-id, etag, content-range, content-disposition, accept-ranges, location, \
         tus-resumable, tus-version, tus-extension, tus-max-size, tus-checksum-algorithm, upload-offset, \
         upload-length, upload-expires",
    ),
};

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

/// Whether a browser asks what a page may do, and does nothing yet.
pub(super) fn asks_first(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets the page read an answer. Whoever keeps answers must not give one page's to another.
pub(super) fn tell(headers: &mut HeaderMap, border: &Border, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, border.exposed.clone());
    }
}

/// The answer to a browser that asks first. To a page that may not it says nothing.
pub(super) fn preflight(
    origin: Option<HeaderValue>,
    border: &Border,
    methods: &'static str,
) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if origin.is_some() {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(methods),
        );
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, border.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    tell(headers, border, origin);
    response
}
