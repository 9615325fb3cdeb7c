//! A guest's request made fit to leave: rebuilt on the target that was checked, without headers
//! that speak for the connection, for this host, or for another host than the one dialled.

use std::str::FromStr as _;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};
use http_body::Body;

use super::EgressError;
use super::host::Target;

/// Headers about one connection, which is ours and not the guest's. A guest that could write
/// `transfer-encoding` could smuggle a second request into a pooled connection. `trailer` stays: it
/// announces trailers, and what must not be one the client leaves out.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What this host says about itself between its own parts; from outside it is never believed, and
/// to the outside it is never said.
const OWN_PREFIX: &str = "koyalite-";

/// Rebuilds a request for its checked target.
///
/// # Errors
/// [`EgressError::Protocol`] for `CONNECT`, which would turn the connection into a tunnel, and for
/// a `content-length` that is not one number.
pub(super) fn prepare<B: Body>(
    request: Request<B>,
    target: &Target,
) -> Result<Request<B>, EgressError> {
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(EgressError::Protocol);
    }
    strip_headers(&mut parts.headers);
    settle_length(&parts.method, &mut parts.headers, &body)?;
    parts.uri = rebuild(&parts.uri, target)?;
    // The connection decides what is spoken on it.
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

fn rebuild(uri: &Uri, target: &Target) -> Result<Uri, EgressError> {
    let path = uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(target.scheme.as_str())
        .authority(target.authority())
        .path_and_query(path)
        .build()
        .map_err(|_| EgressError::Protocol)
}

fn strip_headers(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    // Set again from the target: another name here would reach a host that is not on the list,
    // where many share one address.
    headers.remove(header::HOST);
    let own: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OWN_PREFIX))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
}

/// The length on the wire must be the body's own. One that says more than is sent would make the
/// other side take the beginning of the connection's next request, another tenant's, for the rest.
/// Where the body's length is not known beforehand, the client holds it to the header's.
fn settle_length<B: Body>(
    method: &Method,
    headers: &mut HeaderMap,
    body: &B,
) -> Result<(), EgressError> {
    let known = if body.is_end_stream() {
        Some(0)
    } else {
        body.size_hint().exact()
    };
    let Some(length) = known else {
        return check_one_length(headers);
    };
    headers.remove(header::CONTENT_LENGTH);
    // Servers may insist on a length, zero included, where the method means to send something.
    if length > 0 || matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

fn check_one_length(headers: &HeaderMap) -> Result<(), EgressError> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let number = |value: &HeaderValue| {
        let digits = value.as_bytes();
        let text = std::str::from_utf8(digits)
            .ok()
            .filter(|_| digits.iter().all(u8::is_ascii_digit));
        text.is_some_and(|text| text.parse::<u64>().is_ok())
    };
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(value), None) if number(value) => Ok(()),
        (Some(_), _) => Err(EgressError::Protocol),
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let names = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    names
        .filter_map(|name| HeaderName::from_str(name.trim()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::stream;
    use http_body::Frame;
    use http_body_util::{Empty, Full, StreamBody};

    use super::*;
    use crate::egress::BoxError;

    fn prepared(builder: http::request::Builder) -> Result<Request<Empty<Bytes>>, EgressError> {
        with_body(builder, Empty::new())
    }

    fn with_body<B: Body>(
        builder: http::request::Builder,
        body: B,
    ) -> Result<Request<B>, EgressError> {
        let request = builder.body(body).unwrap();
        let target = Target::parse(request.uri()).unwrap();
        prepare(request, &target)
    }

    #[test]
    fn headers_of_the_connection_and_of_this_host_stay_behind() {
        let request = Request::get("https://a.example/p?q")
            .header("connection", "close, X-Secret-Hop")
            .header("x-secret-hop", "1")
            .header("keep-alive", "1")
            .header("transfer-encoding", "chunked")
            .header("te", "trailers")
            .header("upgrade", "websocket")
            .header("proxy-authorization", "x")
            .header("host", "internal.example")
            .header("koyalite-function", "x")
            .header("Koyalite-Anything", "x")
            .header("authorization", "kept")
            .header("x-kept", "kept");
        let request = prepared(request).unwrap();
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "x-kept"]);
    }

    #[test]
    fn the_address_is_rebuilt_from_what_was_checked() {
        for (written, sent) in [
            ("https://A.Example.:443/p?q=1", "https://a.example/p?q=1"),
            ("https://a.example:8443", "https://a.example:8443/"),
            ("http://[0:0::1]:80/x", "http://[::1]/x"),
            ("https://a.example?q", "https://a.example/?q"),
        ] {
            let request = prepared(Request::get(written)).unwrap();
            assert_eq!(request.uri().to_string(), sent, "{written}");
        }
    }

    #[test]
    fn a_tunnel_is_refused() {
        let tunnel = prepared(
            Request::builder()
                .method("CONNECT")
                .uri("https://a.example/"),
        );
        assert_eq!(tunnel.unwrap_err(), EgressError::Protocol);
    }

    /// The `content-length` that leaves, from what the guest wrote and what its body is.
    fn length<B: Body>(method: &str, written: &[&str], body: B) -> Result<String, EgressError> {
        let mut builder = Request::builder().method(method).uri("https://a.example/");
        for value in written {
            builder = builder.header("content-length", *value);
        }
        let headers = with_body(builder, body)?.headers().clone();
        let values: Vec<_> = headers.get_all("content-length").iter().collect();
        Ok(values
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(","))
    }

    #[test]
    fn the_length_that_leaves_is_the_bodys_own() {
        let full = || Full::new(Bytes::from_static(b"four"));
        let stream =
            || StreamBody::new(stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::new()))]));
        assert_eq!(length("GET", &["10"], Empty::<Bytes>::new()).unwrap(), "");
        assert_eq!(length("POST", &["10"], Empty::<Bytes>::new()).unwrap(), "0");
        assert_eq!(length("POST", &["3", "5"], full()).unwrap(), "4");
        assert_eq!(length("GET", &[], full()).unwrap(), "4");
        assert_eq!(length("POST", &["10"], stream()).unwrap(), "10");
        assert_eq!(length("POST", &[], stream()).unwrap(), "");
        for bad in [
            &["3", "5"][..],
            &["3", "3"],
            &["+3"],
            &["3, 3"],
            &[""],
            &["x"],
        ] {
            assert_eq!(
                length("POST", bad, stream()),
                Err(EgressError::Protocol),
                "{bad:?}"
            );
        }
    }
}
