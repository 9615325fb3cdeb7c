//! What a request asks for: (host, path, method) to a closed enum. Pure; knows no registry.
//!
//! A path either means the same to every reader or is refused, with the reason: no dot segments,
//! empty segments, backslashes, control characters or broken escapes, however they are spelt.
//! The path itself is never rewritten; which function it belongs to is in `find`.

mod account;

use http::Method;
use koyalite_policy::ProjectName;

pub use self::account::Action;

/// The first segment of path-style function URLs.
const FUNCTIONS_PREFIX: &str = "/f/";

/// What a request on the functions listener asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind<'a> {
    /// Is the process alive?
    Health,
    /// Does it take requests?
    Ready,
    /// Run a function.
    Invoke(Target<'a>),
    /// Sign up, in or out as a user of this project's functions.
    Account(ProjectName, Action),
    /// A browser asks whether a page may do so, by this method.
    Preflight(ProjectName, &'static str),
}

/// Where in which project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The project.
    pub project: ProjectName,
    /// What the caller wrote before the part that functions are matched with: `/f/{project}`, or
    /// nothing where the host names the project.
    pub prefix: &'a str,
    /// The rest, as written; starts with `/`.
    pub rest: &'a str,
    /// How the project was named.
    pub style: Style,
}

/// How a URL names its project. Path-style URLs put every project on one origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `/f/{project}/…`
    Path,
    /// `{project}.{domain}`
    Host,
}

/// Why a request goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path could be read in two ways.
    #[error(transparent)]
    BadPath(#[from] BadPath),
    /// No such address.
    #[error(
        "functions are at /f/<project>/<function>, their users sign in at /auth/<project>/sign-in"
    )]
    Nowhere,
    /// The text where a project's name should be cannot be one.
    #[error("there is no such project")]
    NoProject,
    /// The address exists for other methods.
    #[error("use {allowed}")]
    Method {
        /// The value of the `allow` header.
        allowed: &'static str,
    },
}

/// What makes a path doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// `.` or `..`, also percent-encoded.
    #[error("the path has a dot segment (. or ..); write the path that it leads to")]
    DotSegment,
    /// `//`
    #[error("the path has an empty segment (//); write one slash")]
    EmptySegment,
    /// `\` or `%5c`
    #[error("the path has a backslash; write slashes")]
    Backslash,
    /// Below 0x20, or 0x7f, also percent-encoded.
    #[error("the path has a control character, such as %00")]
    Control,
    /// `%` without two hexadecimal digits.
    #[error("the path has a % that is not followed by two hexadecimal digits; write %25")]
    Escape,
    /// The decoded bytes are no text.
    #[error("the path is not UTF-8 once decoded")]
    Encoding,
}

/// Reads host and path. `host` is lower case and without port; `domain` is what project hosts end
/// in, such as `localhost`.
///
/// # Errors
/// See [`RouteError`].
pub fn route<'a>(
    method: &Method,
    host: &str,
    path: &'a str,
    domain: &str,
) -> Result<RequestKind<'a>, RouteError> {
    check_path(path)?;
    if let Some(label) = project_label(host, domain) {
        let project = label.parse().map_err(|_| RouteError::NoProject)?;
        if let Some(wanted) = account::below(path) {
            return wanted.by(method, project);
        }
        return Ok(RequestKind::Invoke(Target {
            project,
            prefix: "",
            rest: path,
            style: Style::Host,
        }));
    }
    match path {
        "/healthz" => probe(method, RequestKind::Health),
        "/readyz" => probe(method, RequestKind::Ready),
        _ if path.starts_with(account::PREFIX) => account::route(method, path),
        _ => path_style(path),
    }
}

/// `demo` of `demo.localhost`; deeper names are nobody's.
fn project_label<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let label = host.strip_suffix(domain)?.strip_suffix('.')?;
    (!label.is_empty() && !label.contains('.')).then_some(label)
}

fn probe<'a>(method: &Method, kind: RequestKind<'a>) -> Result<RequestKind<'a>, RouteError> {
    match *method {
        Method::GET | Method::HEAD => Ok(kind),
        _ => Err(RouteError::Method {
            allowed: "GET, HEAD",
        }),
    }
}

fn path_style(path: &str) -> Result<RequestKind<'_>, RouteError> {
    let after = path
        .strip_prefix(FUNCTIONS_PREFIX)
        .ok_or(RouteError::Nowhere)?;
    let name = after.split('/').next().unwrap_or_default();
    if name.is_empty() {
        return Err(RouteError::Nowhere);
    }
    let project = name.parse().map_err(|_| RouteError::NoProject)?;
    let (prefix, rest) = path
        .split_at_checked(FUNCTIONS_PREFIX.len() + name.len())
        .ok_or(RouteError::Nowhere)?;
    let rest = if rest.is_empty() { "/" } else { rest };
    Ok(RequestKind::Invoke(Target {
        project,
        prefix,
        rest,
        style: Style::Path,
    }))
}

/// Refuses what readers of a path disagree about.
fn check_path(path: &str) -> Result<(), BadPath> {
    // Almost every path is plain: one pass, nothing decoded, nothing allocated.
    let decoded = match path.contains('%') {
        true => decode(path)?,
        false => std::borrow::Cow::Borrowed(path),
    };
    for byte in decoded.bytes() {
        match byte {
            b'\\' => return Err(BadPath::Backslash),
            0..=0x1f | 0x7f => return Err(BadPath::Control),
            _ => {}
        }
    }
    // An escaped slash separates as well for this check: some guest will decode before it splits.
    if decoded
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(BadPath::DotSegment);
    }
    // Not for escaped slashes: `https:%2F%2Fexample.com` is an honest argument.
    if path.contains("//") {
        return Err(BadPath::EmptySegment);
    }
    Ok(())
}

/// Decodes once. What still looks escaped afterwards is text.
pub(super) fn decode(text: &str) -> Result<std::borrow::Cow<'_, str>, BadPath> {
    let escapes = text.split('%').skip(1);
    for escape in escapes {
        let digits = escape.as_bytes().get(..2).ok_or(BadPath::Escape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadPath::Escape);
        }
    }
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| BadPath::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(host: &str, path: &str, expected: Result<(&str, &str, &str), RouteError>) {
        let got = match route(&Method::GET, host, path, "localhost") {
            Ok(RequestKind::Invoke(target)) => Ok((
                target.project.as_str().to_owned(),
                target.prefix,
                target.rest,
            )),
            Ok(probe) => panic!("{path} is a {probe:?}"),
            Err(error) => Err(error),
        };
        let expected = expected.map(|(project, prefix, rest)| (project.to_owned(), prefix, rest));
        assert_eq!(got, expected, "{host} {path}");
    }

    #[test]
    fn a_project_is_named_by_path_or_by_host() {
        check(
            "127.0.0.1",
            "/f/demo/hello",
            Ok(("demo", "/f/demo", "/hello")),
        );
        check(
            "localhost",
            "/f/demo/hello/a/b/",
            Ok(("demo", "/f/demo", "/hello/a/b/")),
        );
        check("localhost", "/f/demo", Ok(("demo", "/f/demo", "/")));
        check("localhost", "/f/demo/", Ok(("demo", "/f/demo", "/")));
        check("demo.localhost", "/hello", Ok(("demo", "", "/hello")));
        check("demo.localhost", "/healthz", Ok(("demo", "", "/healthz")));
        check(
            "demo.localhost",
            "/f/other/x",
            Ok(("demo", "", "/f/other/x")),
        );
        check(
            "a.demo.localhost",
            "/f/demo/x",
            Ok(("demo", "/f/demo", "/x")),
        );
        check("demolocalhost", "/f/demo/x", Ok(("demo", "/f/demo", "/x")));
        check("x", "/", Err(RouteError::Nowhere));
        check("x", "/f", Err(RouteError::Nowhere));
        check("x", "/f/", Err(RouteError::Nowhere));
        check("x", "/F/demo/hello", Err(RouteError::Nowhere));
        check("x", "/f/Demo/hello", Err(RouteError::NoProject));
        check("x", "/f/de%6do/hello", Err(RouteError::NoProject));
        check("-a.localhost", "/", Err(RouteError::NoProject));
    }

    #[test]
    fn users_sign_in_below_auth_and_by_no_other_method() {
        let read = |method: Method, path| route(&method, "localhost", path, "localhost");
        let demo: ProjectName = "demo".parse().unwrap();
        let user = RequestKind::Account(demo.clone(), Action::User);
        assert_eq!(read(Method::GET, "/auth/demo/user"), Ok(user));
        let sign_in = RequestKind::Account(demo, Action::SignIn);
        assert_eq!(read(Method::POST, "/auth/demo/sign-in"), Ok(sign_in));
        let allowed = "POST";
        let get = read(Method::GET, "/auth/demo/sign-in");
        assert_eq!(get, Err(RouteError::Method { allowed }));
        for path in [
            "/auth",
            "/auth/",
            "/auth/demo",
            "/auth/demo/",
            "/auth/demo/user/x",
        ] {
            assert_eq!(read(Method::GET, path), Err(RouteError::Nowhere), "{path}");
        }
        let odd = read(Method::GET, "/auth/Demo/user");
        assert_eq!(odd, Err(RouteError::NoProject));
        check(
            "demo.localhost",
            "/auth/demo/user",
            Ok(("demo", "", "/auth/demo/user")),
        );
    }

    #[test]
    fn doubtful_paths_are_refused_with_the_reason() {
        use BadPath::*;
        for (path, why) in [
            ("/f/demo/hello/../other", DotSegment),
            ("/f/demo/..", DotSegment),
            ("/f/demo/./hello", DotSegment),
            ("/f/demo/%2e%2e/other", DotSegment),
            ("/f/demo/.%2E/other", DotSegment),
            ("/f/demo/hello/a%2f..%2fb", DotSegment),
            ("/f/demo/hello/..%2f", DotSegment),
            ("/f/demo//hello", EmptySegment),
            ("//f/demo/hello", EmptySegment),
            ("/f/demo/hello//", EmptySegment),
            ("/f/demo/a\\b", Backslash),
            ("/f/demo/a%5cb", Backslash),
            ("/f/demo/a%00", Control),
            ("/f/demo/a%0d%0ax", Control),
            ("/f/demo/a%7f", Control),
            ("/f/demo/%", Escape),
            ("/f/demo/%2", Escape),
            ("/f/demo/%zz", Escape),
            ("/f/demo/%é0", Escape),
            ("/f/demo/%ff", Encoding),
            ("/f/demo/%c0%ae%c0%ae/", Encoding),
        ] {
            check("x", path, Err(RouteError::BadPath(why)));
        }
        for fine in [
            "/a%20b",
            "/a%2Fb",
            "/%252e%252e",
            "/...",
            "/a..b",
            "/a%c3%a9",
            "/a@b:c;d=e",
        ] {
            let path = format!("/f/demo{fine}");
            check("x", &path, Ok(("demo", "/f/demo", fine)));
        }
    }

    #[test]
    fn probes_are_read_only() {
        for (path, kind) in [
            ("/healthz", RequestKind::Health),
            ("/readyz", RequestKind::Ready),
        ] {
            assert_eq!(route(&Method::GET, "x", path, "localhost"), Ok(kind));
            let refused = RouteError::Method {
                allowed: "GET, HEAD",
            };
            assert_eq!(route(&Method::POST, "x", path, "localhost"), Err(refused));
        }
    }

    proptest! {
        #[test]
        fn any_host_and_path_are_read_without_a_panic(host in ".{0,40}", path in "[/a-f.%0-9@\\\\é]{0,60}") {
            if let Ok(RequestKind::Invoke(target)) = route(&Method::GET, &host, &path, "localhost") {
                let decoded = decode(target.rest).unwrap();
                prop_assert!(!decoded.split('/').any(|s| s == ".." || s == "."));
                prop_assert!(path.starts_with(target.prefix));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(host in any::<String>(), path in any::<String>()) {
            let _ = route(&Method::GET, &host, &path, "localhost");
        }
    }
}
