//! An e-mail address as people sign in with: bounded, one spelling, no judgement of whether it exists.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What SMTP can carry (RFC 5321, 4.5.3.1.3, without the brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// An address in lower case, so that each person has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Email(String);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an e-mail address such as ada@example.org, of at most 254 bytes and without spaces")]
pub struct EmailError;

impl Email {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let text = text.trim().to_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"');
        match local.is_empty()
            || domain.is_empty()
            || local.contains('@')
            || text.len() > EMAIL_BYTES_MAX
            || text.contains(odd)
        {
            true => Err(EmailError),
            false => Ok(Self(text)),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = text.parse::<Email>().ok();
        assert_eq!(read.as_ref().map(Email::as_str), expected, "{text:?}");
    }

    #[test]
    fn an_address_has_one_spelling_and_two_parts() {
        check("ada@example.org", Some("ada@example.org"));
        check(" Ada@Example.ORG ", Some("ada@example.org"));
        check("admin@localhost", Some("admin@localhost"));
        check("", None);
        check("ada", None);
        check("@example.org", None);
        check("ada@", None);
        check("a@b@c", None);
        check("a b@c", None);
        check("a@b\nc", None);
        check("<a@b>", None);
        check(&format!("{}@b", "a".repeat(254)), None);
        check(
            &format!("{}@b", "a".repeat(252)),
            Some(&format!("{}@b", "a".repeat(252))),
        );
    }
}
