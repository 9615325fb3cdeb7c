//! A `bigint` of a row, with all its digits.

use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

use super::Value;

/// The largest whole number that JavaScript holds exactly, 2⁵³ − 1. Beyond it rows hold texts.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A value of a `bigint` column: an `i64` that reads and writes both forms it has in a row, a number
/// and, beyond ±(2⁵³ − 1), a text.
///
/// ```
/// use koyalite::tables::Int8;
///
/// let ranks: Vec<Int8> = serde_json::from_str(r#"[7, "9007199254740993"]"#)?;
/// assert_eq!(*ranks[0] + 1, 8);
/// assert_eq!(i64::from(ranks[1]), 9_007_199_254_740_993);
/// assert_eq!(serde_json::to_string(&ranks)?, r#"[7,"9007199254740993"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Whatever is no whole number of 64 bits is refused:
///
/// ```
/// # use koyalite::tables::Int8;
/// for json in ["9223372036854775808", "1.5", "\"seven\"", "null"] {
///     assert!(serde_json::from_str::<Int8>(json).is_err());
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int8(pub i64);

impl Deref for Int8 {
    type Target = i64;

    fn deref(&self) -> &i64 {
        &self.0
    }
}

impl fmt::Display for Int8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq<i64> for Int8 {
    fn eq(&self, other: &i64) -> bool {
        self.0 == *other
    }
}

impl From<i64> for Int8 {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

impl From<Int8> for i64 {
    fn from(value: Int8) -> Self {
        value.0
    }
}

impl From<Int8> for Value {
    fn from(value: Int8) -> Self {
        Self::Integer(value.0)
    }
}

impl Serialize for Int8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.unsigned_abs() {
            0..=EXACT_MAX => serializer.serialize_i64(self.0),
            _ => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Int8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = Int8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits, or one as text")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Int8, E> {
        Ok(Int8(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Int8, E> {
        i64::try_from(value)
            .map(Int8)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Int8, E> {
        text.parse()
            .map(Int8)
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}
