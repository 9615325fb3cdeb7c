//! Which function a path belongs to: the longest declared path that is a prefix at a segment
//! boundary, and the version that an `@n` behind it asks for. Pure.

use std::borrow::Cow;

use super::route::decode;

/// A function's place in a path.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a, F> {
    /// The function.
    pub function: F,
    /// The matched part of the path as the caller wrote it, `@n` included, without a final slash.
    pub matched: &'a str,
    /// The version that the path asks for.
    pub version: Option<Wish>,
}

/// A version as a caller names it, by `@n` or by header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A number that may be a version's.
    Number(u32),
    /// No version is called that.
    Never,
}

impl Wish {
    /// Reads a version number: decimal digits, no sign, no leading zero.
    pub fn parse(text: &str) -> Wish {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        match text.parse() {
            Ok(number) if plain => Wish::Number(number),
            _ => Wish::Never,
        }
    }
}

/// Finds the function for `rest` among `functions`, which come with their declared paths, the
/// longest first.
pub fn find<'a, 'f, F>(
    functions: impl Iterator<Item = (&'f str, F)>,
    rest: &'a str,
) -> Option<Found<'a, F>> {
    for (declared, function) in functions {
        if let Some((matched, version)) = match_prefix(declared, rest) {
            return Some(Found {
                function,
                matched,
                version,
            });
        }
    }
    None
}

/// Compares segment by segment, so that `/hello` never matches `/hello-world`.
fn match_prefix<'a>(declared: &str, rest: &'a str) -> Option<(&'a str, Option<Wish>)> {
    let mut wanted = declared
        .split('/')
        .filter(|segment| !segment.is_empty())
        .peekable();
    let mut end = 0;
    let mut version = None;
    while let Some(want) = wanted.next() {
        let after = rest.get(end..)?.strip_prefix('/')?;
        let written = after.split('/').next().unwrap_or_default();
        let segment = decoded(written);
        match segment.strip_prefix(want) {
            Some("") => {}
            Some(suffix) if wanted.peek().is_none() => {
                version = Some(Wish::parse(suffix.strip_prefix('@')?));
            }
            _ => return None,
        }
        end += 1 + written.len();
    }
    Some((rest.get(..end)?, version))
}

/// A segment as text. Routing has refused broken escapes before.
fn decoded(segment: &str) -> Cow<'_, str> {
    match segment.contains('%') {
        true => decode(segment).unwrap_or(Cow::Borrowed(segment)),
        false => Cow::Borrowed(segment),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECLARED: [&str; 5] = ["/api/v1/users", "/api/v1", "/hello-world", "/hello", "/"];

    fn check(declared: &[&'static str], rest: &str, expected: Option<(&str, &str, Option<Wish>)>) {
        let found = find(declared.iter().map(|path| (*path, *path)), rest);
        let got = found.map(|found| (found.function, found.matched, found.version));
        assert_eq!(got, expected, "{rest}");
    }

    #[test]
    fn the_longest_path_wins_at_a_segment_boundary() {
        check(&DECLARED, "/hello", Some(("/hello", "/hello", None)));
        check(&DECLARED, "/hello/", Some(("/hello", "/hello", None)));
        check(&DECLARED, "/hello/a/b", Some(("/hello", "/hello", None)));
        check(
            &DECLARED,
            "/hello-world/a",
            Some(("/hello-world", "/hello-world", None)),
        );
        check(&DECLARED, "/hello-worlds", Some(("/", "", None)));
        check(
            &DECLARED,
            "/api/v1/users/7",
            Some(("/api/v1/users", "/api/v1/users", None)),
        );
        check(
            &DECLARED,
            "/api/v1/user",
            Some(("/api/v1", "/api/v1", None)),
        );
        check(&DECLARED, "/api/v12", Some(("/", "", None)));
        check(&DECLARED, "/h%65llo/a", Some(("/hello", "/h%65llo", None)));
        check(&DECLARED, "/hello%2Fa", Some(("/", "", None)));
        check(&["/hello"], "/", None);
        check(&["/hello"], "/Hello", None);
        check(&[], "/", None);
    }

    #[test]
    fn a_version_may_follow_the_last_segment_of_a_function() {
        let one = Some(Wish::Number(1));
        check(&DECLARED, "/hello@1", Some(("/hello", "/hello@1", one)));
        check(&DECLARED, "/hello@1/a", Some(("/hello", "/hello@1", one)));
        check(
            &DECLARED,
            "/api/v1@1/users",
            Some(("/api/v1", "/api/v1@1", one)),
        );
        check(
            &DECLARED,
            "/api/v1/users@1",
            Some(("/api/v1/users", "/api/v1/users@1", one)),
        );
        check(&DECLARED, "/api@1/v1", Some(("/", "", None)));
        check(&DECLARED, "/hello/x@1", Some(("/hello", "/hello", None)));
        for strange in ["@", "@0", "@01", "@x", "@-1", "@+1", "@99999999999"] {
            let rest = format!("/hello{strange}");
            check(&DECLARED, &rest, Some(("/hello", &rest, Some(Wish::Never))));
        }
    }

    proptest! {
        #[test]
        fn what_matched_is_always_the_beginning_of_the_path(rest in "[/a-z0-9@%]{0,40}") {
            if let Some(found) = find(DECLARED.iter().map(|path| (*path, ())), &rest) {
                prop_assert!(rest.starts_with(found.matched));
            }
        }
    }
}
