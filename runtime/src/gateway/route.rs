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

/// Where files are: `/files/{project}/{path}`, or `/files/{path}` at the project's host.
const FILES_PREFIX: &str = "/files/";

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
    /// A file of this project, at a path as it stands in the URL; without one, the list of them.
    Files(ProjectName, &'a str),
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
        "functions are at /f/<project>/<function>, files at /files/<project>/<path>, and users sign in at \
         /auth/<project>/sign-in"
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
    /// `%2f` in the path of a file.
    #[error("the path has an escaped slash (%2f); write a slash")]
    EscapedSlash,
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
        if let Some(path) = path.strip_prefix(FILES_PREFIX) {
            return file_of(project, path);
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
        _ if path.starts_with(FILES_PREFIX) => file(path),
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

/// `/files/{project}/{path}`
fn file(path: &str) -> Result<RequestKind<'_>, RouteError> {
    let after = path.strip_prefix(FILES_PREFIX).unwrap_or_default();
    let (project, path) = after.split_once('/').ok_or(RouteError::Nowhere)?;
    let project = project.parse().map_err(|_| RouteError::NoProject)?;
    file_of(project, path)
}

fn file_of(project: ProjectName, path: &str) -> Result<RequestKind<'_>, RouteError> {
    // A name that holds a slash would be two to whoever decodes first.
    match path.to_ascii_lowercase().contains("%2f") {
        true => Err(BadPath::EscapedSlash.into()),
        false => Ok(RequestKind::Files(project, path)),
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
mod tests;
