//! Headers at the border: what a caller may not say to a guest, what a guest may not say to a
//! browser, and what the gateway adds to both.

use http::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE,
};
use uuid::Uuid;

use super::api_key;
use super::auth::Credential;
use super::route::Style;
use crate::http::{REQUEST_ID_HEADER, SOURCE_HEADER, request_id};

/// Names that only the host may use.
const OURS: &str = "koyalite-";
/// Tells the guest which part of the path is its own address.
const BASE_PATH: HeaderName = HeaderName::from_static("koyalite-base-path");
/// Asks for a version; says which one answered.
pub(super) const VERSION: HeaderName = HeaderName::from_static("koyalite-version");
/// Says where the answer was made.
pub(super) const REGION: HeaderName = HeaderName::from_static("koyalite-region");

/// Headers about one connection, which end at every hop (RFC 9110, 7.6.1). `keep-alive` and
/// `proxy-connection` are not in the RFC and are sent all the same. `trailer` stays: it announces
/// trailers, which pass as well.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// On path-style URLs every project shares one origin, so one function must not be able to take
/// over its siblings: no service worker above its path, no clearing of everyone's storage.
const ORIGIN_WIDE: [HeaderName; 2] = [
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("clear-site-data"),
];

/// Makes a caller's headers fit for a guest.
pub(super) fn for_guest(
    headers: &mut HeaderMap,
    base_path: &str,
    request_id: Uuid,
    credential: Credential,
) {
    remove_hop_by_hop(headers);
    remove_ours(headers);
    // An operator's token opens the control API; a guest that saw it could deploy.
    if matches!(credential, Credential::Control(_)) {
        headers.remove(AUTHORIZATION);
    }
    api_key::take_away(headers, credential);
    if let Ok(base) = HeaderValue::from_str(base_path) {
        headers.insert(BASE_PATH, base);
    }
    headers.insert(REQUEST_ID_HEADER, request_id::header_value(request_id));
}

/// Makes a caller's headers fit for another node, which makes them fit for its guest.
pub(super) fn for_next_node(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    // The request itself says for which host it is.
    headers.remove(http::header::HOST);
}

/// Makes another node's answer fit for the caller: that node has done all but end the hop.
pub(super) fn from_next_node(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// What the gateway knows about an answer of a guest.
pub(super) struct Answered<'a> {
    pub(super) request_id: Uuid,
    pub(super) version: u32,
    pub(super) region: &'a str,
    pub(super) style: Style,
}

/// Makes a guest's headers fit for the caller.
pub(super) fn for_caller(headers: &mut HeaderMap, answered: &Answered<'_>) {
    remove_hop_by_hop(headers);
    remove_ours(headers);
    match answered.style {
        Style::Path => {
            for name in ORIGIN_WIDE {
                headers.remove(name);
            }
            remove_domain_cookies(headers);
        }
        Style::Host => {}
    }
    headers.insert(SOURCE_HEADER, HeaderValue::from_static("function"));
    headers.insert(
        REQUEST_ID_HEADER,
        request_id::header_value(answered.request_id),
    );
    add_place(headers, answered);
}

/// Says which version was run, and where.
pub(super) fn add_place(headers: &mut HeaderMap, answered: &Answered<'_>) {
    headers.insert(VERSION, HeaderValue::from(answered.version));
    if let Ok(region) = HeaderValue::from_str(answered.region) {
        headers.insert(REGION, region);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // `connection` may name further headers; they end here as well.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Nobody may have these taken away by naming them.
        .filter(|name| *name != AUTHORIZATION && *name != http::header::HOST)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn remove_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OURS))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}

/// Drops cookies with a `Domain`: they would reach every project below it. Where no cookie has
/// one, nothing is copied.
fn remove_domain_cookies(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(has_domain) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|cookie| !has_domain(cookie))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for cookie in kept {
        headers.append(SET_COOKIE, cookie);
    }
}

fn has_domain(cookie: &HeaderValue) -> bool {
    // The first part is the cookie itself and may well be called `domain`.
    cookie
        .as_bytes()
        .split(|b| *b == b';')
        .skip(1)
        .any(|attribute| {
            let name = attribute.split(|b| *b == b'=').next().unwrap_or_default();
            name.trim_ascii().eq_ignore_ascii_case(b"domain")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ControlRole, Right};

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_guest_hears_nothing_that_only_the_host_may_say() {
        let mut headers = map(&[
            ("accept", "*/*"),
            ("authorization", "Bearer t"),
            ("connection", "keep-alive, X-Secret-Hop, authorization"),
            ("koyalite-base-path", "/forged"),
            ("koyalite-subject", "admin"),
            ("te", "trailers"),
            ("x-secret-hop", "1"),
        ]);
        for_guest(
            &mut headers,
            "/f/demo/hello",
            Uuid::nil(),
            Credential::Project,
        );
        assert_eq!(
            names(&headers),
            [
                "accept",
                "authorization",
                "koyalite-base-path",
                "x-request-id"
            ]
        );
        assert_eq!(headers[BASE_PATH], "/f/demo/hello");
    }

    #[test]
    fn a_guest_never_sees_an_operators_token() {
        let mut headers = map(&[("authorization", "Bearer t")]);
        for_guest(
            &mut headers,
            "/f/demo/hello",
            Uuid::nil(),
            Credential::Control(Right::Signed(ControlRole::Admin)),
        );
        assert_eq!(names(&headers), ["koyalite-base-path", "x-request-id"]);
    }

    fn answer(style: Style) -> HeaderMap {
        let mut headers = map(&[
            ("clear-site-data", "\"*\""),
            ("content-type", "text/html"),
            ("koyalite-source", "gateway"),
            ("service-worker-allowed", "/"),
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "b=2; DOMAIN=localhost"),
            ("set-cookie", "domain=3"),
            ("set-cookie", "c=4;secure; domain = .localhost"),
            ("transfer-encoding", "chunked"),
        ]);
        let answered = Answered {
            request_id: Uuid::nil(),
            version: 3,
            region: "local",
            style,
        };
        for_caller(&mut headers, &answered);
        headers
    }

    #[test]
    fn on_a_shared_origin_a_function_cannot_speak_for_its_siblings() {
        let headers = answer(Style::Path);
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "domain=3"]);
        assert!(!headers.contains_key("clear-site-data"));
        assert!(!headers.contains_key("service-worker-allowed"));
    }

    #[test]
    fn on_its_own_origin_a_function_keeps_its_headers() {
        let headers = answer(Style::Host);
        assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 4);
        assert!(headers.contains_key("clear-site-data"));
    }

    #[test]
    fn every_answer_names_its_author_version_and_region() {
        let headers = answer(Style::Host);
        assert_eq!(headers[SOURCE_HEADER], "function");
        assert_eq!(headers[VERSION], "3");
        assert_eq!(headers[REGION], "local");
        assert!(!headers.contains_key(TRANSFER_ENCODING));
    }
}
