//! Which types go together, and constants in the form that goes with a type.
//!
//! Nothing here may let a conversion through that could fail on some row: the error would tell
//! about a row that its reader may not see.

use std::cmp::Ordering;

use super::Checked;
use crate::expr::{CompareOp, Node};
use crate::parse::{ParseError, Position};
use crate::types::ColumnType;
use crate::value::{Value, ValueError};

pub(super) fn claim_casts(from: ColumnType, to: ColumnType) -> bool {
    match from {
        ColumnType::Text => true,
        ColumnType::Jsonb => to.is_number() || to == ColumnType::Boolean,
        _ => false,
    }
}

pub(super) fn number(at: Position, digits: &str) -> Result<Value, ParseError> {
    digits
        .parse()
        .map(Value::Integer)
        .or_else(|_| Value::parse(digits, ColumnType::Numeric))
        .map_err(|_| {
            ParseError::new(at, "this number is not in the policy language")
                .instead("write digits, as in 12.34")
        })
}

/// A constant in the form that goes with `hint`.
pub(super) fn constant(at: Position, value: Value, hint: Option<ColumnType>) -> Checked {
    let natural = value.natural_type();
    if let (Value::List(_), Some(expected)) = (&value, hint.and_then(ColumnType::scalar)) {
        let expected = expected.into();
        let found = value.kind();
        return Err(misfit(at, &ValueError::Mismatch { expected, found }));
    }
    let ty = match (&value, hint.unwrap_or(natural)) {
        (Value::Null, ty) => ty,
        // A literal may lie outside a narrow column's range and still be compared with it.
        (_, ColumnType::Smallint | ColumnType::Integer) => ColumnType::Bigint,
        (value, ColumnType::Real) if !is_real(value) => ColumnType::Double,
        (_, ty) => ty,
    };
    if let (Value::Numeric(_) | Value::Float(_), ColumnType::Bigint) = (&value, ty) {
        // 1.5 beside an integer stays what it is: Postgres compares the two exactly.
        return Ok(match value.clone().coerce(ty) {
            Ok(value) => Node::Constant { value, ty },
            Err(_) => Node::Constant { value, ty: natural },
        });
    }
    let value = value.coerce(ty).map_err(|error| misfit(at, &error))?;
    Ok(Node::Constant { value, ty })
}

/// Whether a number beside a `real` column is one of 32 bits: as near as such a number is to what
/// was written, or exactly that for a whole number.
fn is_real(value: &Value) -> bool {
    let narrow = value.clone().coerce(ColumnType::Real);
    match (value, narrow) {
        (Value::Integer(integer), Ok(Value::Float(narrow))) => {
            narrow as i128 == i128::from(*integer)
        }
        (_, narrow) => narrow.is_ok(),
    }
}

pub(super) fn misfit(at: Position, error: &ValueError) -> ParseError {
    ParseError::new(at, error.to_string())
}

pub(super) fn json_items(
    at: Position,
    items: &[serde_json::Value],
) -> Result<Vec<Value>, ParseError> {
    let read = |item: &serde_json::Value| match item {
        serde_json::Value::Null => Ok(Value::Null),
        serde_json::Value::Bool(value) => Ok(Value::Boolean(*value)),
        serde_json::Value::String(text) => Ok(Value::Text(text.clone())),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Value::Integer(integer)),
            (None, Some(float)) => Ok(Value::Float(float)),
            (None, None) => Err(ParseError::new(at, "a number of the list is out of range")),
        },
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(ParseError::new(at, "the list holds lists or objects").instead("send plain values"))
        }
    };
    items.iter().map(read).collect()
}

pub(super) fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    let rank = |ty| match ty {
        ColumnType::Double => 5,
        ColumnType::Real => 4,
        ColumnType::Numeric => 3,
        ColumnType::Bigint => 2,
        ColumnType::Integer => 1,
        _ => 0,
    };
    match rank(a).cmp(&rank(b)) {
        Ordering::Less => b,
        Ordering::Equal | Ordering::Greater => a,
    }
}

/// Whether two types compare, without a conversion that could fail.
pub(super) fn comparable(at: Position, a: ColumnType, b: ColumnType) -> Result<(), ParseError> {
    let refused = |reason: String, instead: &str| Err(ParseError::new(at, reason).instead(instead));
    match (a, b) {
        (json, _) | (_, json) if json.is_json() => refused(
            "JSON does not compare".to_owned(),
            "read a claim as text with ->>; give what a policy needs a column of its own",
        ),
        (opaque @ (ColumnType::Bytea | ColumnType::Vector(_)), _)
        | (_, opaque @ (ColumnType::Bytea | ColumnType::Vector(_))) => refused(
            format!("{opaque} does not compare"),
            "write is null or is not null",
        ),
        (ColumnType::Array(item), ColumnType::Array(other)) if item == other => {
            comparable(at, item.into(), item.into())
        }
        (ColumnType::Array(_), _) | (_, ColumnType::Array(_)) => refused(
            format!("{a} and {b} do not compare"),
            "write x = any (column), or compare with array[…] of the same type",
        ),
        (ColumnType::Numeric, float @ (ColumnType::Real | ColumnType::Double))
        | (float @ (ColumnType::Real | ColumnType::Double), ColumnType::Numeric) => refused(
            format!("numeric and {float} do not compare: the conversion could overflow"),
            "give the columns one type",
        ),
        (a, b) if a == b || (a.is_number() && b.is_number()) => Ok(()),
        (ColumnType::Uuid, ColumnType::Text) | (ColumnType::Text, ColumnType::Uuid) => refused(
            "uuid and text do not compare".to_owned(),
            "cast the claim, as in (auth.jwt() ->> 'claim')::uuid",
        ),
        (a, b) => refused(
            format!("{a} and {b} do not compare"),
            "give both sides one type, as in '…'::date",
        ),
    }
}

/// Whether the operator goes with the type: arrays are equal or not, but none is the larger.
pub(super) fn ordered(at: Position, op: CompareOp, ty: ColumnType) -> Result<(), ParseError> {
    match (ty, op) {
        (ColumnType::Array(_), CompareOp::Equal | CompareOp::NotEqual) => Ok(()),
        (ColumnType::Array(_), _) => {
            Err(ParseError::new(at, "arrays compare with = and <> only").instead("write = or <>"))
        }
        _ => Ok(()),
    }
}
