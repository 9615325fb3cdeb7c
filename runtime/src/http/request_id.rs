//! The id of a request: the caller's own where it is a UUID, else a new one.
//!
//! An id is a name for logs and answers, never a proof of anything: a caller may repeat one.

use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use super::REQUEST_ID_HEADER;

/// The id that this request goes by. Anything but exactly one well-formed UUID is replaced, so
/// that a log line can never hold text of the caller's choosing.
pub fn of(headers: &HeaderMap) -> Uuid {
    let mut values = headers.get_all(REQUEST_ID_HEADER).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => parse(only).unwrap_or_else(Uuid::now_v7),
        _ => Uuid::now_v7(),
    }
}

/// The id as a header.
pub fn header_value(id: Uuid) -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    // Hexadecimal digits and hyphens are always a valid value.
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn parse(value: &HeaderValue) -> Option<Uuid> {
    let bytes = value.as_bytes();
    // The other spellings (braces, urn:, no hyphens) would come back to the caller changed.
    if bytes.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    Uuid::try_parse_ascii(bytes).ok().filter(|id| !id.is_nil())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sent: &[&'static str], kept: bool) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(REQUEST_ID_HEADER, HeaderValue::from_static(value));
        }
        let id = of(&headers);
        assert_eq!(
            sent.first().is_some_and(|first| id.to_string() == *first),
            kept,
            "{sent:?}"
        );
    }

    #[test]
    fn only_one_hyphenated_uuid_is_kept() {
        const GOOD: &str = "0190f5fe-7c00-7a00-8000-0123456789ab";
        check(&[GOOD], true);
        check(&[], false);
        check(&[GOOD, GOOD], false);
        check(&["{0190f5fe-7c00-7a00-8000-0123456789ab}"], false);
        check(&["0190f5fe7c007a0080000123456789ab"], false);
        check(&["00000000-0000-0000-0000-000000000000"], false);
        check(&["\"><script>alert(1)</script>........."], false);
        check(&[""], false);
    }
}
