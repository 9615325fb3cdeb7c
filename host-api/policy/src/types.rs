//! The types of columns, their names in SQL and how their values travel.
//!
//! A closed list: what KoyaLite creates columns with. A column of another type in an imported
//! table is simply not listed. Which of them compare is for `check/types.rs` to say.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many dimensions a vector may have. The extension that stores them ends there.
pub const VECTOR_DIMENSIONS_MAX: u16 = 16_000;

/// How much of an unknown type's name an error repeats.
const ECHOED_CHARS_MAX: usize = 80;

macro_rules! types {
    ($($(#[$doc:meta])* $variant:ident = $sql:literal,)*) => {
        /// The type of a single value: a column's, or that of an array's items.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ScalarType {
            $($(#[$doc])* $variant,)*
        }

        /// The type of a column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ColumnType {
            $($(#[$doc])* $variant,)*
            /// Several values of one type, in one dimension: `text[]`.
            Array(ScalarType),
            /// `vector(n)`: that many numbers of 32 bits, for nearest neighbours.
            Vector(u16),
        }

        impl ScalarType {
            /// Every type, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The type's name in SQL.
            pub fn sql_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $sql,)*
                }
            }
        }

        impl ColumnType {
            /// The type as that of a single value; none for arrays and vectors.
            pub fn scalar(self) -> Option<ScalarType> {
                match self {
                    $(Self::$variant => Some(ScalarType::$variant),)*
                    Self::Array(_) | Self::Vector(_) => None,
                }
            }

            /// The type's name in SQL.
            pub fn sql_name(self) -> Cow<'static, str> {
                match self {
                    $(Self::$variant => Cow::Borrowed($sql),)*
                    Self::Array(item) => Cow::Owned(format!("{}[]", item.sql_name())),
                    Self::Vector(dimensions) => Cow::Owned(format!("vector({dimensions})")),
                }
            }
        }

        impl From<ScalarType> for ColumnType {
            fn from(ty: ScalarType) -> Self {
                match ty {
                    $(ScalarType::$variant => Self::$variant,)*
                }
            }
        }
    };
}

types! {
    /// `boolean`
    Boolean = "boolean",
    /// `smallint`: 16 bits.
    Smallint = "smallint",
    /// `integer`: 32 bits.
    Integer = "integer",
    /// `bigint`: 64 bits.
    Bigint = "bigint",
    /// `real`: 32 bits.
    Real = "real",
    /// `double precision`: 64 bits.
    Double = "double precision",
    /// `numeric`: exact decimals.
    Numeric = "numeric",
    /// `text`
    Text = "text",
    /// `uuid`
    Uuid = "uuid",
    /// `bytea`: bytes, in JSON as base64 text.
    Bytea = "bytea",
    /// `json`: kept as it was written.
    Json = "json",
    /// `jsonb`
    Jsonb = "jsonb",
    /// `date`
    Date = "date",
    /// `time`: a time of day, to the microsecond.
    Time = "time",
    /// `timestamptz`: a moment, to the microsecond.
    Timestamptz = "timestamptz",
}

impl ScalarType {
    /// Whether a bind of this type crosses to Postgres as text and is cast there: the driver would
    /// need a binary form for each, and the text of a canonical value casts the same everywhere.
    pub fn travels_as_text(self) -> bool {
        matches!(
            self,
            Self::Numeric | Self::Timestamptz | Self::Date | Self::Time
        )
    }
}

impl ColumnType {
    /// Whether the type is one of the kinds of number, which compare with one another.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Smallint
                | Self::Integer
                | Self::Bigint
                | Self::Real
                | Self::Double
                | Self::Numeric
        )
    }

    /// Whether its values stand in one order, in Postgres and out of it: what rows are sorted, paged
    /// and indexed by.
    pub fn has_order(self) -> bool {
        match self {
            Self::Boolean
            | Self::Smallint
            | Self::Integer
            | Self::Bigint
            | Self::Real
            | Self::Double
            | Self::Numeric
            | Self::Text
            | Self::Uuid
            | Self::Date
            | Self::Time
            | Self::Timestamptz => true,
            Self::Bytea | Self::Json | Self::Jsonb | Self::Array(_) | Self::Vector(_) => false,
        }
    }

    /// Whether the type is `json` or `jsonb`.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonb)
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql_name())
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql_name())
    }
}

/// A type name that KoyaLite does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown column type {given:?}: write boolean, smallint, integer, bigint, real, \
     double precision, numeric, text, uuid, bytea, json, jsonb, date, time or timestamptz, \
     one of these with [] for an array, or vector(n) with n up to {VECTOR_DIMENSIONS_MAX}"
)]
pub struct UnknownType {
    given: String,
}

impl FromStr for ColumnType {
    type Err = UnknownType;

    /// Reads a type name in any letter case, with the aliases that Postgres itself accepts.
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let name = text.trim().to_ascii_lowercase();
        let found = match name.strip_suffix("[]") {
            Some(item) => scalar(item).map(Self::Array),
            None => scalar(&name)
                .map(Self::from)
                .or_else(|| dimensions(&name).map(Self::Vector)),
        };
        found.ok_or_else(|| UnknownType {
            given: text.chars().take(ECHOED_CHARS_MAX).collect(),
        })
    }
}

fn scalar(name: &str) -> Option<ScalarType> {
    Some(match name {
        "bool" => ScalarType::Boolean,
        "int2" => ScalarType::Smallint,
        "int" | "int4" => ScalarType::Integer,
        "int8" => ScalarType::Bigint,
        "float4" => ScalarType::Real,
        "double" | "float8" | "float" => ScalarType::Double,
        "decimal" => ScalarType::Numeric,
        "timestamp with time zone" => ScalarType::Timestamptz,
        "time without time zone" => ScalarType::Time,
        name => *ScalarType::ALL.iter().find(|ty| ty.sql_name() == name)?,
    })
}

fn dimensions(name: &str) -> Option<u16> {
    let digits = name.strip_prefix("vector(")?.strip_suffix(')')?;
    let dimensions = digits.trim().parse().ok()?;
    (1..=VECTOR_DIMENSIONS_MAX)
        .contains(&dimensions)
        .then_some(dimensions)
}

/// As its name in SQL.
impl Serialize for ColumnType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sql_name())
    }
}

impl<'de> Deserialize<'de> for ColumnType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_its_sql_name() {
        let arrays = ScalarType::ALL.iter().copied().map(ColumnType::Array);
        let scalars = ScalarType::ALL.iter().copied().map(ColumnType::from);
        for ty in scalars.chain(arrays).chain([ColumnType::Vector(384)]) {
            assert_eq!(ty.sql_name().to_uppercase().parse(), Ok(ty));
            let json = serde_json::to_string(&ty).unwrap();
            assert_eq!(serde_json::from_str::<ColumnType>(&json).unwrap(), ty);
        }
    }

    #[test]
    fn names_that_postgres_takes_too_are_read() {
        for (names, expected) in [
            ("bool", "boolean"),
            ("int2", "smallint"),
            ("int int4 INTEGER", "integer"),
            ("int8", "bigint"),
            ("float4", "real"),
            ("double float8 float", "double precision"),
            ("decimal", "numeric"),
            ("int4[]", "integer[]"),
            ("VECTOR(1)", "vector(1)"),
            ("vector(16000)", "vector(16000)"),
        ] {
            for name in names.split(' ') {
                let ty: ColumnType = name.parse().unwrap();
                assert_eq!(ty.to_string(), expected, "{name}");
            }
        }
        for (name, expected) in [
            ("timestamp with time zone", ColumnType::Timestamptz),
            ("time without time zone", ColumnType::Time),
        ] {
            assert_eq!(name.parse(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn each_kind_of_type_is_known_for_what_it_does() {
        let check = |kind: &str, is: &dyn Fn(ScalarType) -> bool| {
            let found: Vec<_> = ScalarType::ALL.iter().filter(|ty| is(**ty)).collect();
            let named: Vec<_> = kind.split(", ").map(|name| scalar(name).unwrap()).collect();
            assert_eq!(found, named.iter().collect::<Vec<_>>());
        };
        let numbers = "smallint, integer, bigint, real, double precision, numeric";
        check(numbers, &|ty| ColumnType::from(ty).is_number());
        check("json, jsonb", &|ty| ColumnType::from(ty).is_json());
        check("bytea, json, jsonb", &|ty| {
            !ColumnType::from(ty).has_order()
        });
        check("numeric, date, time, timestamptz", &|ty| {
            ty.travels_as_text()
        });
        for ty in [ColumnType::Array(ScalarType::Text), ColumnType::Vector(3)] {
            assert!(!ty.has_order() && !ty.is_number() && !ty.is_json(), "{ty}");
            assert_eq!(ty.scalar(), None);
        }
        assert_eq!(ScalarType::Double.to_string(), "double precision");
    }

    #[test]
    fn other_types_are_refused_with_the_list() {
        for text in [
            "varchar(10)",
            "text[][]",
            "vector",
            "vector(0)",
            "vector(16001)",
            "vector(3)[]",
            "[]",
            "money",
        ] {
            let error = text.parse::<ColumnType>().unwrap_err().to_string();
            assert!(error.contains("write boolean, smallint"), "{error}");
        }
    }
}
