//! Requests must name one host and one path, in the one form that leaves nothing to interpret.
//!
//! Proxies in front of us may read an absolute target, a second `Host` or a user part in it
//! differently, and would then apply their rules to another request than the one we serve. What
//! concerns the message's length is in `framing`, because hyper hides it from us.

use http::header::{HOST, HeaderMap};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri, Version, request};

use super::{Code, Problem};

/// Checks the form of a request's target and its `Host`, and writes both down in one place: from here
/// on the URI has a scheme and an authority, whichever version of HTTP they came by. The scheme is
/// the connection's own, whatever the caller says of it.
///
/// # Errors
/// A `bad_framing` problem; the connection must be closed after the answer.
pub fn settle(parts: &mut request::Parts, scheme: &Scheme) -> Result<(), Problem> {
    if parts.method == Method::CONNECT {
        return Err(refuse("CONNECT is for proxies, and this is none"));
    }
    check_target(&parts.method, &parts.uri)?;
    let multiplexed = parts.version == Version::HTTP_2;
    let authority = check_host(&parts.headers, &parts.uri, multiplexed)?;
    let path = parts.uri.path_and_query().cloned();
    let mut whole = http::uri::Parts::default();
    whole.scheme = Some(scheme.clone());
    whole.authority = Some(authority);
    whole.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = Uri::from_parts(whole).map_err(|_| refuse("the request target is no URI"))?;
    Ok(())
}

/// The host that a settled request is for: lower case, without port.
pub fn host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), Problem> {
    // An absolute target comes through where its authority is the host header's; see `check_host`.
    if uri.authority().is_some() && !is_web(uri.scheme()) {
        return Err(refuse(
            "the request target must be a path, such as /f/demo/hello",
        ));
    }
    // The one target without a path: OPTIONS of the server as a whole (RFC 9112, 3.2.4).
    let is_of_server = *method == Method::OPTIONS && uri.path() == "*";
    if !is_of_server && !uri.path().starts_with('/') {
        return Err(refuse("the request target must start with /"));
    }
    Ok(())
}

fn is_web(scheme: Option<&Scheme>) -> bool {
    scheme.is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
}

fn check_host(headers: &HeaderMap, uri: &Uri, multiplexed: bool) -> Result<Authority, Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(refuse("there must be one host header, not several"));
    }
    let Some(value) = first else {
        return match uri.authority().filter(|_| multiplexed) {
            Some(authority) if !authority.as_str().contains('@') => Ok(authority.clone()),
            Some(_) => Err(refuse(
                "the :authority field must be a host and a port alone",
            )),
            None => Err(refuse("there must be a host header")),
        };
    };
    let host = Authority::try_from(value.as_bytes())
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| refuse("the host header must be a host name with an optional port"))?;
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host.as_str()) => Err(refuse(
            "the host header and the authority of the target must agree",
        )),
        _ => Ok(host),
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
        let mut parts = parts(target, hosts, version);
        let got = settle(&mut parts, &Scheme::HTTPS);
        assert_eq!(
            got.is_ok(),
            accepted,
            "{target} {hosts:?} {version:?}: {got:?}"
        );
        if accepted {
            assert_eq!(parts.uri.scheme(), Some(&Scheme::HTTPS), "{target}");
            assert!(parts.uri.authority().is_some(), "{target}");
        }
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
        check_form("http://a/b", &["a"], one, true);
        check_form("http://a/b", &["b"], one, false);
        check_form("http://a/b", &[], one, false);
        check_form("ftp://a/b", &["a"], one, false);
        check_form("*", &["a"], one, false);
        check_form("a:80", &["a"], one, false);
    }

    #[test]
    fn over_http_2_the_authority_stands_for_the_host() {
        let two = Version::HTTP_2;
        check_form("http://a:1/b", &[], two, true);
        check_form("http://a:1/b", &["a:1"], two, true);
        check_form("http://a:1/b", &["b:1"], two, false);
        check_form("http://u@a/b", &[], two, false);
        check_form("/b", &[], two, false);
    }

    #[test]
    fn the_server_as_a_whole_is_asked_by_options_alone() {
        let mut whole = parts("*", &["a:80"], Version::HTTP_11);
        whole.method = Method::OPTIONS;
        assert!(settle(&mut whole, &Scheme::HTTP).is_ok());
        assert_eq!(whole.uri.path(), "*");
    }

    #[test]
    fn the_host_is_compared_without_case_port_or_final_dot() {
        for (sent, expected) in [
            ("Demo.LOCALHOST:8080", "demo.localhost"),
            ("demo.localhost.", "demo.localhost"),
            ("[::1]:80", "[::1]"),
        ] {
            let mut parts = parts("/", &[sent], Version::HTTP_11);
            assert!(settle(&mut parts, &Scheme::HTTP).is_ok());
            assert_eq!(host(&parts.uri), expected);
        }
    }
}
