//! Values: what columns hold, what filters are given, what claims are read as.
//!
//! A value does not know its column; [`Value::coerce`] is the door where the two meet, and it
//! refuses what Postgres would refuse later with a worse message. See [`crate::SqlWriter`] for how
//! values travel to the database.

use serde_json::Value as Json;
use uuid::Uuid;

use crate::decimal::Decimal;
use crate::shape::ColumnType;
use crate::time::{Day, Timestamp};

/// How many digits a number given as text may have. Postgres stops at 131 072 with an error; nobody
/// writes a thousand.
const NUMERIC_BYTES_MAX: usize = 1000;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL, of any type.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `integer` and `bigint`
    Integer(i64),
    /// `double precision`
    Float(f64),
    /// `numeric`, as decimal digits without an exponent, or `NaN`, `Infinity`, `-Infinity`.
    Numeric(String),
    /// `text`
    Text(String),
    /// `uuid`
    Uuid(Uuid),
    /// `timestamptz`: RFC 3339, or `infinity`, `-infinity`.
    Timestamptz(String),
    /// `date`: `YYYY-MM-DD`, or `infinity`, `-infinity`.
    Date(String),
    /// `jsonb`
    Json(Json),
    /// Several values of one type: the right side of `= ANY($1)`.
    List(Vec<Value>),
}

/// Why a value does not fit a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Another kind of value.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// The column's type.
        expected: ColumnType,
        /// What was given instead, in words.
        found: &'static str,
    },
    /// A text that does not read as the type.
    #[error("the text does not read as {expected}: write it as {example}")]
    Malformed {
        /// The column's type.
        expected: ColumnType,
        /// A text that would read.
        example: &'static str,
    },
    /// A number that the type cannot hold.
    #[error("the number does not fit {expected}")]
    OutOfRange {
        /// The column's type.
        expected: ColumnType,
    },
    /// Postgres has no text with this character.
    #[error("text may not hold the character U+0000")]
    NulCharacter,
}

impl Value {
    /// Reads a JSON value as a column of type `ty`. JSON null is NULL, also for `jsonb`.
    ///
    /// # Errors
    /// [`ValueError`] where the JSON value is of another kind, malformed or out of range.
    pub fn from_json(json: Json, ty: ColumnType) -> Result<Self, ValueError> {
        let value = match json {
            Json::Null => return Ok(Self::Null),
            json if ty == ColumnType::Jsonb => Self::Json(json),
            Json::Bool(value) => Self::Boolean(value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, _) if number.is_u64() => Self::Numeric(number.to_string()),
                (None, Some(float)) => Self::Float(float),
                (None, None) => return Err(ValueError::OutOfRange { expected: ty }),
            },
            Json::String(text) => Self::Text(text),
            json @ (Json::Array(_) | Json::Object(_)) => Self::Json(json),
        };
        value.coerce(ty)
    }

    /// The value as JSON. NaN and the infinities, which JSON has no number for, become text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::from(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Float(value) => match serde_json::Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None => Json::from(float_text(*value)),
            },
            Self::Numeric(text) | Self::Text(text) | Self::Timestamptz(text) | Self::Date(text) => {
                Json::from(text.as_str())
            }
            Self::Uuid(uuid) => Json::from(uuid.to_string()),
            Self::Json(json) => json.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }

    /// The same value in the form that a column of type `ty` holds: text is parsed, numbers are
    /// widened, ranges are checked. Items of a list are coerced one by one.
    ///
    /// # Errors
    /// [`ValueError`] where the value does not fit.
    pub fn coerce(self, ty: ColumnType) -> Result<Self, ValueError> {
        let found = self.kind();
        let mismatch = ValueError::Mismatch {
            expected: ty,
            found,
        };
        match (self, ty) {
            (Self::Null, _) => Ok(Self::Null),
            (Self::List(items), _) => {
                let items: Result<_, _> = items.into_iter().map(|item| item.coerce(ty)).collect();
                Ok(Self::List(items?))
            }
            (Self::Text(text), _) => Self::parse(&text, ty),
            (Self::Timestamptz(text), ColumnType::Timestamptz)
            | (Self::Date(text), ColumnType::Date)
            | (Self::Numeric(text), ColumnType::Numeric | ColumnType::Double) => {
                Self::parse(&text, ty)
            }
            (Self::Numeric(text), ColumnType::Integer | ColumnType::Bigint) => {
                Self::parse(&text, ty).map_err(|_| ValueError::OutOfRange { expected: ty })
            }
            (Self::Integer(integer), _) if ty.is_number() => integer_as(integer, ty),
            (Self::Float(float), _) if ty.is_number() => float_as(float, ty),
            (value @ Self::Boolean(_), ColumnType::Boolean)
            | (value @ Self::Uuid(_), ColumnType::Uuid) => Ok(value),
            (Self::Json(json), ColumnType::Jsonb) => {
                if json_has_nul(&json) {
                    Err(ValueError::NulCharacter)
                } else {
                    Ok(Self::Json(json))
                }
            }
            _ => Err(mismatch),
        }
    }

    /// Reads a text as a value of type `ty`, as Postgres reads a quoted literal; times need a zone.
    ///
    /// # Errors
    /// [`ValueError`] where it does not read.
    pub fn parse(text: &str, ty: ColumnType) -> Result<Self, ValueError> {
        if text.contains('\0') {
            return Err(ValueError::NulCharacter);
        }
        let parsed = match ty {
            ColumnType::Text => Some(Self::Text(text.to_owned())),
            ColumnType::Boolean => match text {
                "true" | "t" => Some(Self::Boolean(true)),
                "false" | "f" => Some(Self::Boolean(false)),
                _ => None,
            },
            ColumnType::Integer => text.parse::<i32>().ok().map(|i| Self::Integer(i.into())),
            ColumnType::Bigint => text.parse::<i64>().ok().map(Self::Integer),
            // Rust also reads "inf" and "nan"; Postgres' spellings are the ones in the example.
            ColumnType::Double => text.parse::<f64>().ok().map(Self::Float),
            ColumnType::Numeric if text.len() > NUMERIC_BYTES_MAX => {
                return Err(ValueError::OutOfRange { expected: ty });
            }
            ColumnType::Numeric => Decimal::parse(text).map(|_| Self::Numeric(text.to_owned())),
            ColumnType::Uuid => Uuid::try_parse(text).ok().map(Self::Uuid),
            ColumnType::Timestamptz => {
                Timestamp::parse(text).map(|time| Self::Timestamptz(time.to_string()))
            }
            ColumnType::Date => Day::parse(text).map(|day| Self::Date(day.to_string())),
            ColumnType::Jsonb => match serde_json::from_str(text) {
                Ok(json) if json_has_nul(&json) => return Err(ValueError::NulCharacter),
                read => read.ok().map(Self::Json),
            },
        };
        parsed.ok_or(ValueError::Malformed {
            expected: ty,
            example: example(ty),
        })
    }

    /// The type that a value has on its own, where nothing beside it says otherwise.
    pub(crate) fn natural_type(&self) -> ColumnType {
        match self {
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Integer(_) => ColumnType::Bigint,
            Self::Float(_) => ColumnType::Double,
            Self::Numeric(_) => ColumnType::Numeric,
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Timestamptz(_) => ColumnType::Timestamptz,
            Self::Date(_) => ColumnType::Date,
            Self::Json(_) => ColumnType::Jsonb,
            Self::Null | Self::Text(_) => ColumnType::Text,
            Self::List(items) => items
                .iter()
                .find(|item| **item != Self::Null)
                .map_or(ColumnType::Text, Self::natural_type),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a floating-point number",
            Self::Numeric(_) => "a number",
            Self::Text(_) => "text",
            Self::Uuid(_) => "a uuid",
            Self::Timestamptz(_) => "a time",
            Self::Date(_) => "a date",
            Self::Json(_) => "JSON",
            Self::List(_) => "a list",
        }
    }
}

fn example(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "true or false",
        ColumnType::Integer | ColumnType::Bigint => "42",
        ColumnType::Double => "1.5",
        ColumnType::Numeric => "12.34",
        ColumnType::Text => "any text",
        ColumnType::Uuid => "123e4567-e89b-12d3-a456-426614174000",
        ColumnType::Timestamptz => "2024-05-31T13:45:00Z",
        ColumnType::Date => "2024-05-31",
        ColumnType::Jsonb => "{\"key\": 1}",
    }
}

fn integer_as(integer: i64, ty: ColumnType) -> Result<Value, ValueError> {
    match ty {
        ColumnType::Integer if i32::try_from(integer).is_err() => {
            Err(ValueError::OutOfRange { expected: ty })
        }
        ColumnType::Double => Ok(Value::Float(integer as f64)),
        ColumnType::Numeric => Ok(Value::Numeric(integer.to_string())),
        _ => Ok(Value::Integer(integer)),
    }
}

fn float_as(float: f64, ty: ColumnType) -> Result<Value, ValueError> {
    match ty {
        ColumnType::Double => Ok(Value::Float(float)),
        ColumnType::Numeric => Ok(Value::Numeric(float_text(float))),
        // JSON writers may print 3 as 3.0. The bound is 2^63, which i64 does not reach.
        _ if float.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(&float) => {
            integer_as(float as i64, ty)
        }
        _ => Err(ValueError::OutOfRange { expected: ty }),
    }
}

/// A float in Postgres' spelling: never with an exponent.
fn float_text(float: f64) -> String {
    if float.is_nan() {
        "NaN".to_owned()
    } else if float.is_infinite() {
        if float > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        }
    } else {
        float.to_string()
    }
}

fn json_has_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(json_has_nul),
        Json::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || json_has_nul(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_reads_as_the_type_of_its_column() {
        let check = |json: Json, ty, expected| assert_eq!(Value::from_json(json, ty), Ok(expected));
        check(json!(null), ColumnType::Jsonb, Value::Null);
        check(json!(3.0), ColumnType::Integer, Value::Integer(3));
        check(json!(3), ColumnType::Double, Value::Float(3.0));
        check(
            json!(0.1),
            ColumnType::Numeric,
            Value::Numeric("0.1".into()),
        );
        check(
            json!(u64::MAX),
            ColumnType::Numeric,
            Value::Numeric(u64::MAX.to_string()),
        );
        check(
            json!("9007199254740993"),
            ColumnType::Bigint,
            Value::Integer(9_007_199_254_740_993),
        );
        check(
            json!("2024-01-01 02:00:00.1234567+02:00"),
            ColumnType::Timestamptz,
            Value::Timestamptz("2024-01-01T00:00:00.123456Z".into()),
        );
        check(json!([1]), ColumnType::Jsonb, Value::Json(json!([1])));
    }

    #[test]
    fn json_that_does_not_fit_is_refused_before_postgres_sees_it() {
        let check =
            |json: Json, ty| assert!(Value::from_json(json.clone(), ty).is_err(), "{json} {ty}");
        check(json!(2_147_483_648_i64), ColumnType::Integer);
        check(json!(u64::MAX), ColumnType::Bigint);
        check(json!(1.5), ColumnType::Bigint);
        check(json!(1e300), ColumnType::Integer);
        check(json!(1), ColumnType::Text);
        check(json!("a\0"), ColumnType::Text);
        check(json!({"a": ["\0"]}), ColumnType::Jsonb);
        check(json!("2024-01-01"), ColumnType::Timestamptz);
        check(json!([1]), ColumnType::Integer);
        check(json!("yes"), ColumnType::Boolean);
    }
}
