//! Preview URLs at the border: the signed part is taken out of the request before anybody else sees it, and
//! says which version its holder may call.
//!
//! It says nothing about who calls: policies and `verify` hold as for any other request.

use chrono::{DateTime, Utc};
use http::header::{HeaderMap, HeaderName, HeaderValue, REFERER, REFERRER_POLICY};
use http::request::Parts;
use http::uri::Uri;

use super::error::GatewayError;
use crate::http::with_query;
use crate::keys::{PREVIEW, Preview};
use crate::registry::FunctionEntry;

/// What search engines should make of a preview.
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Why a preview is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PreviewError {
    #[error("this preview URL is for another function, was changed or was taken back")]
    NotGood,
    #[error("this preview URL has expired; ask for another one")]
    Expired,
}

/// Takes the signed part out of a request, where there is one.
pub(super) fn take(parts: &mut Parts) -> Result<Option<String>, GatewayError> {
    const ONE: GatewayError = GatewayError::BadQuery("send one koyalite-preview");
    let by_header = match parts.headers.remove(PREVIEW) {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_| ONE)?.to_owned()),
    };
    let by_query = take_query(&mut parts.uri)?;
    let found = match (by_header, by_query) {
        (Some(_), Some(_)) => return Err(ONE),
        (by_header, by_query) => by_header.or(by_query),
    };
    if found.is_some() {
        // The page that a request comes from may be the preview's, with the signed part in its address.
        parts.headers.remove(REFERER);
    }
    Ok(found)
}

/// For another node, which takes it out again.
pub(super) fn put_back(parts: &mut Parts, preview: Option<String>) {
    if let Some(value) = preview.and_then(|text| HeaderValue::try_from(text).ok()) {
        parts.headers.insert(PREVIEW, value);
    }
}

fn take_query(uri: &mut Uri) -> Result<Option<String>, GatewayError> {
    let Some(query) = uri.query().filter(|query| query.contains(PREVIEW)) else {
        return Ok(None);
    };
    let ours = |pair: &&str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| name == PREVIEW)
    };
    let mut found = query.split('&').filter(ours);
    let Some(first) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(GatewayError::BadQuery("send one koyalite-preview"));
    }
    let text = first.split_once('=').map(|(_, text)| text.to_owned());
    let rest: Vec<&str> = query.split('&').filter(|pair| !ours(pair)).collect();
    // A piece less of what was a target before is one.
    let without = with_query(uri, &rest.join("&"));
    *uri = without.ok_or(GatewayError::BadQuery("the query cannot be read"))?;
    Ok(text)
}

/// The number of the version that it opens, if it is good for this function now.
pub(super) fn redeem(
    opened: Option<Preview>,
    function: &FunctionEntry,
    now: DateTime<Utc>,
) -> Result<u32, PreviewError> {
    let deployment = &function.deployment;
    let preview = opened.filter(|preview| {
        preview.epoch == deployment.preview_epoch
            && !deployment.revoked_previews.contains(&preview.id)
    });
    match preview {
        None => Err(PreviewError::NotGood),
        Some(preview) if preview.is_over(now) => Err(PreviewError::Expired),
        Some(preview) => Ok(preview.version),
    }
}

/// Sees to it that the address does not travel on from the answer.
pub(super) fn seclude(headers: &mut HeaderMap) {
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex"));
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(uri: &str, header: Option<&str>, expected: Option<(&str, &str)>) {
        let mut request = Request::get(uri).header("referer", "http://a/?koyalite-preview=abc");
        if let Some(text) = header {
            request = request.header(PREVIEW, text);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let taken = take(&mut parts).ok();
        let got = taken.as_ref().map(|text| {
            let left = parts.uri.to_string();
            (left, text.clone().unwrap_or_default())
        });
        let expected = expected.map(|(uri, text)| (uri.to_owned(), text.to_owned()));
        assert_eq!(got, expected, "{uri}");
        assert!(!parts.headers.contains_key(PREVIEW));
        let was_there = taken.flatten().is_some();
        assert!(!was_there || !parts.headers.contains_key(REFERER), "{uri}");
    }

    #[test]
    fn the_signed_part_is_taken_out_and_nothing_else() {
        check("/a?b=1", None, Some(("/a?b=1", "")));
        check("/a?koyalite-preview=t", None, Some(("/a", "t")));
        check(
            "http://h/a?b=1&koyalite-preview=t&c=%20",
            None,
            Some(("http://h/a?b=1&c=%20", "t")),
        );
        check("/a?koyalite-preview=&b", None, Some(("/a?b", "")));
        check(
            "/a?x=koyalite-preview=t",
            None,
            Some(("/a?x=koyalite-preview=t", "")),
        );
        check(
            "/a?koyalite-preview",
            None,
            Some(("/a?koyalite-preview", "")),
        );
        check("/a?b=1", Some("t"), Some(("/a?b=1", "t")));
        check("/a?koyalite-preview=t", Some("t"), None);
        check("/a?koyalite-preview=t&koyalite-preview=t", None, None);
    }
}
