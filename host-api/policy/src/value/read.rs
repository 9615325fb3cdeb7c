//! Texts as values: what Postgres would read from a quoted literal, and nothing that it would not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Value, ValueError, arrays};
use crate::decimal::Decimal;
use crate::time::{Clock, Day, Timestamp};
use crate::types::ColumnType;

/// How many digits a number given as text may have. Postgres stops at 131 072 with an error; nobody
/// writes a thousand.
const NUMERIC_BYTES_MAX: usize = 1000;

pub(super) fn read(text: &str, ty: ColumnType) -> Result<Value, ValueError> {
    if text.contains('\0') {
        return Err(ValueError::NulCharacter);
    }
    let out_of_range = || ValueError::OutOfRange { expected: ty };
    let parsed = match ty {
        ColumnType::Text => Some(Value::Text(text.to_owned())),
        ColumnType::Boolean => match text {
            "true" | "t" => Some(Value::Boolean(true)),
            "false" | "f" => Some(Value::Boolean(false)),
            _ => None,
        },
        ColumnType::Smallint => text.parse::<i16>().ok().map(|i| Value::Integer(i.into())),
        ColumnType::Integer => text.parse::<i32>().ok().map(|i| Value::Integer(i.into())),
        ColumnType::Bigint => text.parse::<i64>().ok().map(Value::Integer),
        ColumnType::Real | ColumnType::Double => return float(text, ty),
        ColumnType::Numeric if text.len() > NUMERIC_BYTES_MAX => return Err(out_of_range()),
        ColumnType::Numeric => Decimal::parse(text).map(|_| Value::Numeric(text.to_owned())),
        ColumnType::Uuid => Uuid::try_parse(text).ok().map(Value::Uuid),
        ColumnType::Bytea => BASE64.decode(text).ok().map(Value::Bytes),
        ColumnType::Timestamptz => {
            Timestamp::parse(text).map(|time| Value::Timestamptz(time.to_string()))
        }
        ColumnType::Date => Day::parse(text).map(|day| Value::Date(day.to_string())),
        ColumnType::Time => Clock::parse(text).map(|clock| Value::Time(clock.to_string())),
        ColumnType::Json | ColumnType::Jsonb => match serde_json::from_str(text) {
            Ok(json) if json_has_nul(&json) => return Err(ValueError::NulCharacter),
            read => read.ok().map(Value::Json),
        },
        ColumnType::Array(item) => match arrays::items(text) {
            Some(items) => return Value::List(items).coerce(ColumnType::Array(item)),
            None => None,
        },
        // The extension's own text form is a JSON array of numbers.
        ColumnType::Vector(_) => match serde_json::from_str(text) {
            Ok(json @ Json::Array(_)) => return Value::from_json(json, ty),
            _ => None,
        },
    };
    parsed.ok_or(ValueError::Malformed {
        expected: ty,
        example: example(ty),
    })
}

/// Rust also reads "inf" and "nan"; Postgres' spellings are the ones in the example. What is too
/// large for the type is refused, where Rust would read infinity.
fn float(text: &str, ty: ColumnType) -> Result<Value, ValueError> {
    let Ok(value) = text.parse::<f64>() else {
        return Err(ValueError::Malformed {
            expected: ty,
            example: example(ty),
        });
    };
    let overflow = value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
    let read = match ty {
        _ if overflow => None,
        ColumnType::Real => real(value),
        _ => Some(Value::Float(value)),
    };
    read.ok_or(ValueError::OutOfRange { expected: ty })
}

/// The nearest number of 32 bits; none where that would be infinity.
pub(super) fn real(float: f64) -> Option<Value> {
    let narrow = f64::from(float as f32);
    (narrow.is_finite() || !float.is_finite()).then_some(Value::Float(narrow))
}

pub(super) fn json_has_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(json_has_nul),
        Json::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.contains('\0') || json_has_nul(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

fn example(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "true or false",
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => "42",
        ColumnType::Real | ColumnType::Double => "1.5",
        ColumnType::Numeric => "12.34",
        ColumnType::Text => "any text",
        ColumnType::Uuid => "123e4567-e89b-12d3-a456-426614174000",
        ColumnType::Bytea => "base64, as in aGVsbG8=",
        ColumnType::Timestamptz => "2024-05-31T13:45:00Z",
        ColumnType::Date => "2024-05-31",
        ColumnType::Time => "13:45:00",
        ColumnType::Json | ColumnType::Jsonb => "{\"key\": 1}",
        ColumnType::Array(_) => "{a,b}, or in SQL array['a', 'b']",
        ColumnType::Vector(_) => "[0.1, 0.2]",
    }
}
