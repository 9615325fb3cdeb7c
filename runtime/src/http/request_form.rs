//! Requests must name one host and one path, in the one form that leaves nothing to interpret.
//!
//! Proxies in front of us may read an absolute target, a second `Host` or a user part in it
//! differently, and would then apply their rules to another request than the one we serve. What
//! concerns the message's length is in `framing`, because hyper hides it from us.

use http::header::{HOST, HeaderMap};
use http::uri::Authority;
use http::{Method, Uri, Version, request};

use super::{Code, Problem};

/// Checks the form of a request's target and its `Host`.
///
/// # Errors
/// A `bad_framing` problem; the connection must be closed after the answer.
pub fn check(parts: &request::Parts) -> Result<(), Problem> {
    if parts.method == Method::CONNECT {
        return Err(refuse("CONNECT is for proxies, and this is none"));
    }
    let multiplexed = parts.version == Version::HTTP_2;
    check_target(&parts.uri, multiplexed)?;
    check_host(&parts.headers, &parts.uri, multiplexed)
}

/// The host that a request is for: lower case, without port. Empty where it names none, which
/// [`check`] allows to HTTP/1.0 only.
pub fn host(parts: &request::Parts) -> String {
    let authority = match parts.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => parts
            .headers
            .get(HOST)
            .and_then(|v| Authority::try_from(v.as_bytes()).ok()),
    };
    authority
        .map(|a| a.host().trim_end_matches('.').to_ascii_lowercase())
        .unwrap_or_default()
}

fn check_target(uri: &Uri, multiplexed: bool) -> Result<(), Problem> {
    // In HTTP/2 scheme and authority are fields of their own and hyper puts them into the URI.
    if !multiplexed && (uri.scheme().is_some() || uri.authority().is_some()) {
        return Err(refuse(
            "the request target must be a path, such as /f/demo/hello",
        ));
    }
    if !uri.path().starts_with('/') {
        return Err(refuse("the request target must start with /"));
    }
    Ok(())
}

fn check_host(headers: &HeaderMap, uri: &Uri, multiplexed: bool) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(refuse("there must be one host header, not several"));
    }
    let Some(value) = first else {
        return match multiplexed && uri.authority().is_some() {
            true => Ok(()),
            false => Err(refuse("there must be a host header")),
        };
    };
    let host = Authority::try_from(value.as_bytes())
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| refuse("the host header must be a host name with an optional port"))?;
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host.as_str()) => Err(refuse(
            "the host header and the :authority field must agree",
        )),
        _ => Ok(()),
    }
}

fn refuse(detail: &str) -> Problem {
    Problem::new(Code::BadFraming, detail)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(target: &str, hosts: &[&str], version: Version) -> request::Parts {
        let mut builder = Request::builder().uri(target).version(version);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn check_form(target: &str, hosts: &[&str], version: Version, accepted: bool) {
        let got = check(&parts(target, hosts, version));
        assert_eq!(
            got.is_ok(),
            accepted,
            "{target} {hosts:?} {version:?}: {got:?}"
        );
    }

    #[test]
    fn a_request_names_one_host_and_a_path() {
        let one = Version::HTTP_11;
        check_form("/a", &["localhost"], one, true);
        check_form("/a", &["localhost:8080"], one, true);
        check_form("/a", &["[::1]:8080"], one, true);
        check_form("/a", &[], one, false);
        check_form("/a", &[""], one, false);
        check_form("/a", &["a", "a"], one, false);
        check_form("/a", &["a", "b"], one, false);
        check_form("/a", &["user@a"], one, false);
        check_form("/a", &["a/b"], one, false);
        check_form("/a", &["a b"], one, false);
        check_form("/a", &["a, b"], one, false);
        check_form("http://a/b", &["a"], one, false);
        check_form("*", &["a"], one, false);
        check_form("a:80", &["a"], one, false);
    }

    #[test]
    fn over_http_2_the_authority_stands_for_the_host() {
        let two = Version::HTTP_2;
        check_form("http://a:1/b", &[], two, true);
        check_form("http://a:1/b", &["a:1"], two, true);
        check_form("http://a:1/b", &["b:1"], two, false);
        check_form("/b", &[], two, false);
    }

    #[test]
    fn the_host_is_compared_without_case_port_or_final_dot() {
        for (sent, expected) in [
            ("Demo.LOCALHOST:8080", "demo.localhost"),
            ("demo.localhost.", "demo.localhost"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(host(&parts("/", &[sent], Version::HTTP_11)), expected);
        }
    }
}
