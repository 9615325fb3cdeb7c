//! Answers about files, and the headers that content leaves with.
//!
//! All files share one origin, and anybody may have written them: a browser believes the type that is said,
//! and what it could run it neither shows in place nor runs.

use std::ops::Range;

use futures::TryStreamExt as _;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use koyalite_host_api::files::{Download, FileInfo, Listed, is_inline};
use serde::Serialize;

use super::quoted;
use crate::http::{Body, BodyError, body};

/// Nothing is loaded, nothing runs, and it is nobody's origin.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A file in an answer of JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    file: &'a FileInfo,
    etag: String,
}

impl<'a> From<&'a FileInfo> for Shown<'a> {
    fn from(file: &'a FileInfo) -> Self {
        let etag = file.etag();
        Self { file, etag }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    files: Vec<Shown<'a>>,
    next: Option<&'a str>,
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = status;
    response
}

/// What the caller has is what there is.
pub(super) fn not_modified(file: &FileInfo) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    validators(response.headers_mut(), file);
    response
}

/// Content; without a body where only its headers are asked for.
pub(super) fn content(
    file: &FileInfo,
    part: Option<Range<u64>>,
    download: Option<Download>,
) -> Response<Body> {
    let length = part
        .as_ref()
        .map_or(file.size, |part| part.end - part.start);
    let mut response = match download {
        Some(download) => Response::new(stream(download)),
        None => empty(StatusCode::OK),
    };
    let headers = response.headers_mut();
    validators(headers, file);
    set(headers, CONTENT_TYPE, &file.mime_type);
    set(headers, CONTENT_LENGTH, &length.to_string());
    set(headers, ACCEPT_RANGES, "bytes");
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CONTENT_SECURITY_POLICY, SANDBOX);
    let how = match is_inline(&file.mime_type) {
        true => "inline",
        false => "attachment",
    };
    set(
        headers,
        CONTENT_DISPOSITION,
        &format!("{how}; {}", file_name(&file.path)),
    );
    if let Some(part) = part {
        let last = part.end.saturating_sub(1);
        let range = format!("bytes {}-{last}/{}", part.start, file.size);
        set(headers, CONTENT_RANGE, &range);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// What was written.
pub(super) fn written(status: StatusCode, file: &FileInfo) -> Response<Body> {
    let mut response = json(&Shown::from(file));
    *response.status_mut() = status;
    set(response.headers_mut(), ETAG, &quoted(file));
    response
}

/// A part of a list.
pub(super) fn listing(listed: &Listed) -> Response<Body> {
    json(&Page {
        files: listed.files.iter().map(Shown::from).collect(),
        next: listed.next.as_deref(),
    })
}

fn json(value: &impl Serialize) -> Response<Body> {
    // Texts and numbers alone: there is nothing that has no form.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut response = Response::new(body::full(text));
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, "application/json");
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CACHE_CONTROL, "no-store");
    response
}

fn stream(download: Download) -> Body {
    let pieces = download.stream().map_ok(Frame::data);
    let pieces = pieces.map_err(|error| {
        tracing::error!(inside = error.inside(), "a file cannot be read to its end");
        BodyError::Source(Box::new(error))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// By what an answer is known again. Whoever may see it today may not tomorrow: it is asked for each time.
fn validators(headers: &mut HeaderMap, file: &FileInfo) {
    set(headers, ETAG, &quoted(file));
    set(headers, CACHE_CONTROL, "private, no-cache");
    set(headers, VARY, "authorization, apikey");
}

/// What no header may hold is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The last part of the path, for those who know RFC 8187 and for those who do not.
fn file_name(path: &str) -> String {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let plain: String = name
        .chars()
        .map(|c| match c {
            ' '..='~' if !matches!(c, '"' | '\\' | '%') => c,
            _ => '_',
        })
        .collect();
    let attribute = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    let escaped: String = name.bytes().map(attribute).collect();
    format!("filename=\"{plain}\"; filename*=UTF-8''{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_no_header_and_keeps_its_letters() {
        let check = |path: &str, expected: &str| assert_eq!(file_name(path), expected);
        check("a/b.png", "filename=\"b.png\"; filename*=UTF-8''b.png");
        check("a\"b", "filename=\"a_b\"; filename*=UTF-8''a%22b");
        check("ü.txt", "filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt");
        check(
            "50% off",
            "filename=\"50_ off\"; filename*=UTF-8''50%25%20off",
        );
    }
}
