//! Validated names: projects, functions, tables, columns.
//!
//! A value of these types has passed its rule, so nothing downstream checks it again. The rules
//! keep every name safe in a URL, a file name and a Postgres identifier (63 bytes at most); SQL
//! still quotes them in one place, [`crate::quote_ident`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Postgres cuts identifiers after 63 bytes; a longer name would silently become another one.
pub const NAME_BYTES_MAX: usize = 63;

/// How much of a refused name is repeated in the error, so that a huge input stays a short message.
const ECHOED_CHARS_MAX: usize = 80;

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {noun} name: {rule}")]
pub struct NameError {
    noun: &'static str,
    given: String,
    rule: &'static str,
}

const DASHED_RULE: &str = "write a lower-case letter, then up to 62 lower-case letters, digits \
                           or dashes, not ending in a dash";
const SNAKE_RULE: &str = "write a lower-case letter or underscore, then up to 62 lower-case letters, digits or underscores";

// The same two rules as readers of the OpenAPI document understand them.
#[cfg(feature = "openapi")]
const DASHED_PATTERN: &str = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";
#[cfg(feature = "openapi")]
const SNAKE_PATTERN: &str = "^[a-z_][a-z0-9_]{0,62}$";

fn is_dashed(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.ends_with('-')
        && text.len() <= NAME_BYTES_MAX
}

fn is_snake(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && text.len() <= NAME_BYTES_MAX
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $noun:literal, $accepts:path, $rule:path, $pattern:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name of the host's own, which is written to pass the rule.
            #[allow(dead_code, reason = "not every kind of name is one of the host's")]
            pub(crate) fn of_host(name: &'static str) -> Self {
                debug_assert!(name.parse::<Self>().is_ok(), "{name} is no name");
                Self(name.to_owned())
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $accepts(text) {
                    return Ok(Self(text.to_owned()));
                }
                let given = text.chars().take(ECHOED_CHARS_MAX).collect();
                Err(NameError { noun: $noun, given, rule: $rule })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                use utoipa::openapi::schema::{Object, Type};
                let text = Object::builder().schema_type(Type::String);
                text.pattern(Some($pattern)).description(Some($rule)).into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $type {}
    };
}

name_type!(
    /// The name of a project: `[a-z][a-z0-9-]{0,62}`, no trailing dash.
    ProjectName, "project", is_dashed, DASHED_RULE, DASHED_PATTERN
);
name_type!(
    /// The name of a function: `[a-z][a-z0-9-]{0,62}`, no trailing dash.
    FunctionName, "function", is_dashed, DASHED_RULE, DASHED_PATTERN
);
name_type!(
    /// The name of a table: `[a-z_][a-z0-9_]{0,62}`.
    TableName, "table", is_snake, SNAKE_RULE, SNAKE_PATTERN
);
name_type!(
    /// The name of a column: `[a-z_][a-z0-9_]{0,62}`.
    ColumnName, "column", is_snake, SNAKE_RULE, SNAKE_PATTERN
);
name_type!(
    /// The name of an index: `[a-z_][a-z0-9_]{0,62}`.
    IndexName, "index", is_snake, SNAKE_RULE, SNAKE_PATTERN
);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn names_follow_their_rules() {
        let (at_limit, over) = ("a".repeat(63), "a".repeat(64));
        let bad = [
            "", "A", "1a", "a b", "a\0", "ä", "a\"", "a.b", "../a", &over,
        ];
        check::<ProjectName>(&["a", "my-app", "a1", &at_limit], &bad);
        check::<FunctionName>(&["hello", "hello-02"], &["a-", "-a", "a_b"]);
        check::<TableName>(&["_", "todos", "a_1", &at_limit], &bad);
        check::<ColumnName>(&["owner_id"], &["owner-id", "Owner", "1"]);
        check::<IndexName>(&["todos_at_idx", &at_limit], &bad);
    }

    #[test]
    fn deserialising_checks_the_rule_and_says_it() {
        assert!(serde_json::from_str::<TableName>("\"todos\"").is_ok());
        let error = serde_json::from_str::<TableName>("\"To Dos\"").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\"To Dos\" is not a table name: write")
        );
    }
}
