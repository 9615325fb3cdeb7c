//! The little of URLs that functions need: percent-decoding, queries, and splitting an address.

/// Decodes `%41` and, in queries, `+`. What is no valid escape stays as it is; bytes that are no
/// UTF-8 become replacement characters.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The pairs of a query, decoded, in order.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

/// The part of `path` below `base`, with its leading slash; all of it where it is not below.
pub(crate) fn below<'a>(path: &'a str, base: &str) -> &'a str {
    match path.strip_prefix(base.trim_end_matches('/')) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Scheme, authority, and path with query of an absolute `http` or `https` address.
pub(crate) fn split_address(address: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = address.split_once("://")?;
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    (!authority.is_empty()).then_some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_what_is_no_escape_stays() {
        let check = |text: &str, decoded: &str| assert_eq!(decode(text), decoded, "{text}");
        check("plain", "plain");
        check("a+b%20c", "a b c");
        check("%E2%82%AC", "€");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%ff", "\u{fffd}");
    }

    #[test]
    fn a_query_is_pairs_in_order() {
        let pairs: Vec<_> = query_pairs("a=1&&b&c=%26=").collect();
        let expected = [("a", "1"), ("b", ""), ("c", "&=")];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_path_is_seen_from_its_base() {
        let check =
            |path: &str, base: &str, seen: &str| assert_eq!(below(path, base), seen, "{path}");
        check("/f/demo/todo/7", "/f/demo/todo", "/7");
        check("/f/demo/todo", "/f/demo/todo", "/");
        check("/f/demo/todo/", "/f/demo/todo/", "/");
        check("/f/demo/todos", "/f/demo/todo", "/f/demo/todos");
        check("/x", "", "/x");
        check("/x", "/", "/x");
    }

    #[test]
    fn an_address_has_scheme_authority_and_path() {
        let check = |address: &str, parts: Option<(&str, &str, &str)>| {
            let parts = parts.map(|(scheme, host, path)| (scheme, host, path.to_owned()));
            assert_eq!(split_address(address), parts, "{address}");
        };
        check(
            "https://a.example/b?c#d",
            Some(("https", "a.example", "/b?c")),
        );
        check("http://a.example:80", Some(("http", "a.example:80", "/")));
        check("http://a.example?q", Some(("http", "a.example", "/?q")));
        check("http:///path", None);
        check("a.example", None);
    }
}
