//! Values: what columns hold, what filters are given, what claims are read as.
//!
//! A value does not know its column; [`Value::coerce`] is the door where the two meet, and it
//! refuses what Postgres would refuse later with a worse message. Texts are read in `value/read.rs`.
//! See [`crate::SqlWriter`] for how values travel to the database.

mod arrays;
mod read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::types::ColumnType;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL, of any type.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `smallint`, `integer` and `bigint`
    Integer(i64),
    /// `real` and `double precision`
    Float(f64),
    /// `numeric`, as decimal digits without an exponent, or `NaN`, `Infinity`, `-Infinity`.
    Numeric(String),
    /// `text`
    Text(String),
    /// `uuid`
    Uuid(Uuid),
    /// `bytea`
    Bytes(Vec<u8>),
    /// `timestamptz`: RFC 3339, or `infinity`, `-infinity`.
    Timestamptz(String),
    /// `date`: `YYYY-MM-DD`, or `infinity`, `-infinity`.
    Date(String),
    /// `time`: `HH:MM:SS`, with microseconds where there are some.
    Time(String),
    /// `json` and `jsonb`
    Json(Json),
    /// Several values of one type: what an array column holds, or the right side of `= ANY($1)`.
    List(Vec<Value>),
    /// `vector(n)`
    Vector(Vec<f32>),
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
    /// A vector of another length.
    #[error("expected {expected}, found {found} numbers")]
    Dimensions {
        /// The column's type.
        expected: ColumnType,
        /// How many numbers were given.
        found: usize,
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
        let value = match (json, ty) {
            (Json::Null, _) => return Ok(Self::Null),
            (json, ColumnType::Json | ColumnType::Jsonb) => Self::Json(json),
            (Json::Array(items), ColumnType::Array(item)) => {
                let items = items
                    .into_iter()
                    .map(|json| Self::from_json(json, item.into()));
                return Ok(Self::List(items.collect::<Result<_, _>>()?));
            }
            (Json::Array(items), ColumnType::Vector(_)) => {
                let items = items
                    .into_iter()
                    .map(|json| Self::from_json(json, ColumnType::Real));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            (Json::Bool(value), _) => Self::Boolean(value),
            (Json::Number(number), _) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, _) if number.is_u64() => Self::Numeric(number.to_string()),
                (None, Some(float)) => Self::Float(float),
                (None, None) => return Err(ValueError::OutOfRange { expected: ty }),
            },
            (Json::String(text), _) => Self::Text(text),
            (json @ (Json::Array(_) | Json::Object(_)), _) => Self::Json(json),
        };
        value.coerce(ty)
    }

    /// The value as JSON. NaN and the infinities, which JSON has no number for, become text; so do
    /// bytes, in base64.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::from(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Float(value) => match serde_json::Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None => Json::from(float_text(*value)),
            },
            Self::Numeric(text)
            | Self::Text(text)
            | Self::Timestamptz(text)
            | Self::Date(text)
            | Self::Time(text) => Json::from(text.as_str()),
            Self::Uuid(uuid) => Json::from(uuid.to_string()),
            Self::Bytes(bytes) => Json::from(BASE64.encode(bytes)),
            Self::Json(json) => json.clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Vector(numbers) => numbers.iter().copied().collect(),
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
            (Self::List(items), ColumnType::Vector(dimensions)) => vector(items, dimensions),
            (Self::List(items), _) => {
                let item_type = match ty {
                    ColumnType::Array(item) => item.into(),
                    ty => ty,
                };
                let items = items.into_iter().map(|item| match item {
                    // An array in an array would be a second dimension.
                    Self::List(_) => Err(mismatch.clone()),
                    item => item.coerce(item_type),
                });
                Ok(Self::List(items.collect::<Result<_, _>>()?))
            }
            (Self::Text(text), _) => Self::parse(&text, ty),
            (Self::Timestamptz(text), ColumnType::Timestamptz)
            | (Self::Date(text), ColumnType::Date)
            | (Self::Time(text), ColumnType::Time)
            | (Self::Numeric(text), ColumnType::Numeric | ColumnType::Double | ColumnType::Real) => {
                Self::parse(&text, ty)
            }
            (
                Self::Numeric(text),
                ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint,
            ) => Self::parse(&text, ty).map_err(|_| ValueError::OutOfRange { expected: ty }),
            (Self::Integer(integer), _) if ty.is_number() => integer_as(integer, ty),
            (Self::Float(float), _) if ty.is_number() => float_as(float, ty),
            (value @ Self::Boolean(_), ColumnType::Boolean)
            | (value @ Self::Bytes(_), ColumnType::Bytea)
            | (value @ Self::Uuid(_), ColumnType::Uuid) => Ok(value),
            (Self::Vector(numbers), ColumnType::Vector(dimensions)) => sized(numbers, dimensions),
            (Self::Json(json), ColumnType::Json | ColumnType::Jsonb) => {
                if read::json_has_nul(&json) {
                    Err(ValueError::NulCharacter)
                } else {
                    Ok(Self::Json(json))
                }
            }
            (Self::Json(json @ Json::Array(_)), ColumnType::Array(_) | ColumnType::Vector(_)) => {
                Self::from_json(json, ty)
            }
            _ => Err(mismatch),
        }
    }

    /// Reads a text as a value of type `ty`, as Postgres reads a quoted literal; times need a
    /// zone, bytes are base64.
    ///
    /// # Errors
    /// [`ValueError`] where it does not read.
    pub fn parse(text: &str, ty: ColumnType) -> Result<Self, ValueError> {
        read::read(text, ty)
    }

    /// The type that a value has on its own, where nothing beside it says otherwise. Of a list it
    /// is that of its items.
    pub(crate) fn natural_type(&self) -> ColumnType {
        match self {
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Integer(_) => ColumnType::Bigint,
            Self::Float(_) => ColumnType::Double,
            Self::Numeric(_) => ColumnType::Numeric,
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Bytes(_) => ColumnType::Bytea,
            Self::Timestamptz(_) => ColumnType::Timestamptz,
            Self::Date(_) => ColumnType::Date,
            Self::Time(_) => ColumnType::Time,
            Self::Json(_) => ColumnType::Jsonb,
            Self::Null | Self::Text(_) => ColumnType::Text,
            Self::List(items) => items
                .iter()
                .find(|item| **item != Self::Null)
                .map_or(ColumnType::Text, Self::natural_type),
            Self::Vector(numbers) => {
                ColumnType::Vector(u16::try_from(numbers.len()).unwrap_or(u16::MAX))
            }
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a floating-point number",
            Self::Numeric(_) => "a number",
            Self::Text(_) => "text",
            Self::Uuid(_) => "a uuid",
            Self::Bytes(_) => "bytes",
            Self::Timestamptz(_) => "a moment",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time of day",
            Self::Json(_) => "JSON",
            Self::List(_) => "a list",
            Self::Vector(_) => "a vector",
        }
    }
}

fn integer_as(integer: i64, ty: ColumnType) -> Result<Value, ValueError> {
    let fits = match ty {
        ColumnType::Smallint => i16::try_from(integer).is_ok(),
        ColumnType::Integer => i32::try_from(integer).is_ok(),
        _ => true,
    };
    match ty {
        _ if !fits => Err(ValueError::OutOfRange { expected: ty }),
        ColumnType::Real => Ok(Value::Float(f64::from(integer as f32))),
        ColumnType::Double => Ok(Value::Float(integer as f64)),
        ColumnType::Numeric => Ok(Value::Numeric(integer.to_string())),
        _ => Ok(Value::Integer(integer)),
    }
}

fn float_as(float: f64, ty: ColumnType) -> Result<Value, ValueError> {
    match ty {
        ColumnType::Double => Ok(Value::Float(float)),
        ColumnType::Real => read::real(float).ok_or(ValueError::OutOfRange { expected: ty }),
        ColumnType::Numeric => Ok(Value::Numeric(float_text(float))),
        // JSON writers may print 3 as 3.0. The bound is 2^63, which i64 does not reach.
        _ if float.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(&float) => {
            integer_as(float as i64, ty)
        }
        _ => Err(ValueError::OutOfRange { expected: ty }),
    }
}

fn vector(items: Vec<Value>, dimensions: u16) -> Result<Value, ValueError> {
    let number = |item: Value| match item.coerce(ColumnType::Real)? {
        Value::Float(number) => Ok(number as f32),
        other => Err(ValueError::Mismatch {
            expected: ColumnType::Vector(dimensions),
            found: other.kind(),
        }),
    };
    let numbers: Vec<f32> = items.into_iter().map(number).collect::<Result<_, _>>()?;
    sized(numbers, dimensions)
}

/// A vector has no place for what is not a number.
fn sized(numbers: Vec<f32>, dimensions: u16) -> Result<Value, ValueError> {
    let expected = ColumnType::Vector(dimensions);
    if numbers.len() != usize::from(dimensions) {
        let found = numbers.len();
        return Err(ValueError::Dimensions { expected, found });
    }
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(ValueError::OutOfRange { expected });
    }
    Ok(Value::Vector(numbers))
}

/// A float in Postgres' spelling: never with an exponent.
pub(crate) fn float_text(float: f64) -> String {
    match float {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        // What is not a number is written "NaN" there and here.
        float => float.to_string(),
    }
}

#[cfg(test)]
mod tests;
