//! The credential in an `Authorization` header. Reading it decides nothing about who is calling.

use http::HeaderValue;

use super::token::{TOKEN_BYTES_MAX, TokenError};

/// The token of a `Bearer` credential; `None` where the header speaks of another scheme, which is
/// not ours to judge.
///
/// # Errors
/// [`TokenError::Malformed`] where a bearer credential is announced and none can be read. It is an
/// error and not `None`, or a broken client would be served as an anonymous one.
pub fn bearer(header: &HeaderValue) -> Result<Option<&str>, TokenError> {
    let text = header
        .to_str()
        .map_err(|_| TokenError::Malformed("the header must be ASCII"))?;
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    let token = rest.trim();
    if token.is_empty() || !token.bytes().all(is_token_byte) {
        return Err(TokenError::Malformed(
            "write `Authorization: Bearer <token>`",
        ));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TOO_LONG);
    }
    Ok(Some(token))
}

/// The characters that RFC 6750 gives to a bearer token.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Option<String>, TokenError> {
        bearer(&HeaderValue::from_bytes(text).unwrap()).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn a_bearer_credential_is_read_in_any_case_and_others_are_left_alone() {
        for (text, token) in [
            (&b"Bearer a.b.c"[..], Some("a.b.c")),
            (b"bearer a.b.c", Some("a.b.c")),
            (b"BEARER   a.b.c ", Some("a.b.c")),
            (b"Basic dXNlcjpwYXNz", None),
            (b"", None),
            (b"a.b.c", None),
            (b"Bearerx a", None),
        ] {
            assert_eq!(read(text).unwrap().as_deref(), token, "{text:?}");
        }
    }

    #[test]
    fn a_bearer_credential_that_cannot_be_read_is_an_error() {
        let long = [b"Bearer ".as_slice(), &[b'a'; TOKEN_BYTES_MAX + 1]].concat();
        for text in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer \xe9",
            &long,
        ] {
            assert_eq!(
                read(text).unwrap_err().code(),
                "token_malformed",
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes)
                && let Ok(Some(token)) = bearer(&value)
            {
                prop_assert!(!token.is_empty() && token.bytes().all(is_token_byte));
            }
        }

        #[test]
        fn a_token_survives_its_header(token in "[A-Za-z0-9._~+/=-]{1,100}", spaces in " {1,3}") {
            prop_assert_eq!(read(format!("Bearer{spaces}{token}").as_bytes()).unwrap(), Some(token));
        }
    }
}
