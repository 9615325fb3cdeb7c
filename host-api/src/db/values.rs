//! JSON rows from a guest to binds, column by column.
//!
//! A row is read token by token, never through a tree: numbers for `numeric` and `jsonb` columns
//! keep the digits that the guest wrote. Errors name the row and the column and say what would have
//! been right; they never repeat the value.

use std::fmt;

use koyalite_policy::{ColumnShape, ColumnType, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bind::Bind;
use crate::error::{HostError, echo};
use crate::limits::{INSERT_ROWS, ROWS_BYTES};

/// One row as the guest wrote it: names and JSON texts, in order, repeated names included.
#[derive(Debug)]
pub(crate) struct JsonRow(pub(crate) Vec<(String, Box<RawValue>)>);

/// Reads an insert's rows: a JSON array of objects.
pub(crate) fn parse_rows(text: &str) -> Result<Vec<JsonRow>, HostError> {
    check_size(text)?;
    let rows: Vec<JsonRow> = serde_json::from_str(text).map_err(|error| {
        HostError::invalid_rows(format!("rows must be a JSON array of objects: {error}"))
    })?;
    match rows.len() {
        0..=INSERT_ROWS => Ok(rows),
        _ => Err(HostError::too_much(
            "too_many_rows",
            "rows in one insert",
            INSERT_ROWS,
        )),
    }
}

/// Reads an update's changes: one JSON object.
pub(crate) fn parse_changes(text: &str) -> Result<JsonRow, HostError> {
    check_size(text)?;
    serde_json::from_str(text)
        .map_err(|error| HostError::invalid_rows(format!("changes must be a JSON object: {error}")))
}

fn check_size(text: &str) -> Result<(), HostError> {
    match text.len() {
        0..=ROWS_BYTES => Ok(()),
        _ => Err(HostError::too_much(
            "rows_too_large",
            "bytes of rows",
            ROWS_BYTES,
        )),
    }
}

/// Where a value stands in a request, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Counted from 1, as people do.
    Row(usize, &'a ColumnShape),
    Changes(&'a ColumnShape),
}

impl Place<'_> {
    fn column(&self) -> &ColumnShape {
        match self {
            Place::Row(_, column) | Place::Changes(column) => column,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Row(row, column) => {
                write!(f, "row {row}, column {}", echo(column.name.as_str()))
            }
            Place::Changes(column) => write!(f, "column {}", echo(column.name.as_str())),
        }
    }
}

/// One JSON value as a bind for its column.
pub(crate) fn bind_json(raw: &RawValue, place: Place<'_>) -> Result<Bind, HostError> {
    let column = place.column();
    let (text, ty) = (raw.get(), column.ty);
    if text == "null" {
        return match column.nullable {
            true => Ok(Bind::Typed {
                value: Value::Null,
                ty,
            }),
            false => Err(HostError::missing_value(Some(column.name.as_str()))),
        };
    }
    // Postgres has no text with U+0000; reading the tree tells it from an escaped backslash.
    if ty.is_json() && !text.contains("\\u0000") {
        let text = raw.to_owned();
        return Ok(Bind::Json { text, ty });
    }
    if let ColumnType::Array(item) = ty
        && ColumnType::from(item).is_json()
        && !text.contains("\\u0000")
        && let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(text)
    {
        let item_or_null = |item: Box<RawValue>| (item.get() != "null").then_some(item);
        return Ok(Bind::JsonList {
            items: items.into_iter().map(item_or_null).collect(),
            ty: item.into(),
        });
    }
    let value = read(text, ty).and_then(|value| among(value, column.values.as_deref()));
    value
        .map(|value| Bind::Typed { value, ty })
        .map_err(|reason| HostError::invalid_value(place, reason))
}

fn read(text: &str, ty: ColumnType) -> Result<Value, String> {
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match ty {
        // The exact digits; a number with an exponent goes the other way.
        ColumnType::Numeric if is_number => Value::parse(text, ty).or_else(|_| from_tree(text, ty)),
        ColumnType::Real | ColumnType::Double if is_number => exact_float(text, ty),
        ColumnType::Array(item) if text.starts_with('[') => {
            let items: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|error| format!("not read as JSON: {error}"))?;
            let items = items.into_iter().map(|raw| match raw.get() {
                "null" => Ok(Value::Null),
                text => read(text, item.into()),
            });
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        _ => from_tree(text, ty),
    }
}

/// The values of a column may be listed; the list is part of the table's shape, so no secret.
fn among(value: Value, values: Option<&[String]>) -> Result<Value, String> {
    match (&value, values) {
        (Value::Text(text), Some(values)) if !values.contains(text) => {
            Err(format!("write one of {}", values.join(", ")))
        }
        _ => Ok(value),
    }
}

/// JSON's own reader may be off in the last bit.
fn exact_float(text: &str, ty: ColumnType) -> Result<Value, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Value::Float(value)
            .coerce(ty)
            .map_err(|error| error.to_string()),
        Ok(_) | Err(_) => Err(format!("the number does not fit {ty}")),
    }
}

fn from_tree(text: &str, ty: ColumnType) -> Result<Value, String> {
    let json = serde_json::from_str(text).map_err(|error| format!("not read as JSON: {error}"))?;
    Value::from_json(json, ty).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for JsonRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonRow, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = JsonRow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a value per column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRow, A::Error> {
        let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(8));
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(JsonRow(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(ty: ColumnType) -> ColumnShape {
        ColumnShape {
            name: "price".parse().unwrap(),
            ty,
            nullable: false,
            has_default: false,
            primary_key: false,
            unique: false,
            values: None,
        }
    }

    fn read(json: &str, ty: ColumnType) -> Result<Bind, HostError> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        bind_json(&raw, Place::Row(3, &column(ty)))
    }

    #[test]
    fn a_number_for_a_numeric_column_keeps_its_digits() {
        let bind = read("12345678901234567890.0123456789", ColumnType::Numeric).unwrap();
        let Bind::Typed { value, .. } = bind else {
            panic!("{bind:?}")
        };
        assert_eq!(
            value,
            Value::Numeric("12345678901234567890.0123456789".to_owned())
        );
    }

    #[test]
    fn json_keeps_the_text_that_the_guest_wrote() {
        let bind = read(r#"{"a": 0.10000000000000000001}"#, ColumnType::Jsonb).unwrap();
        let Bind::Json { text, .. } = bind else {
            panic!("{bind:?}")
        };
        assert_eq!(text.get(), r#"{"a": 0.10000000000000000001}"#);
    }

    #[test]
    fn errors_name_the_column_and_never_the_value() {
        let check = |json: &str, ty, code: &str| {
            let error = read(json, ty).unwrap_err();
            assert_eq!(error.code(), code, "{json}");
            assert!(error.message().contains("\"price\""), "{}", error.message());
            assert!(!error.message().contains("secret"), "{}", error.message());
        };
        check("null", ColumnType::Text, "missing_value");
        check("\"secret\"", ColumnType::Integer, "invalid_value");
        check("{\"secret\": 1}", ColumnType::Boolean, "invalid_value");
        check("\"secret\\u0000\"", ColumnType::Jsonb, "invalid_value");
        check("1e400", ColumnType::Double, "invalid_value");
    }

    #[test]
    fn rows_that_are_no_objects_are_refused() {
        for text in ["", "1", "{}", "[1]", "[{}", "[{]", "[{\"a\":}]", "[null]"] {
            assert_eq!(
                parse_rows(text).unwrap_err().code(),
                "invalid_rows",
                "{text}"
            );
        }
        assert_eq!(parse_changes("[]").unwrap_err().code(), "invalid_rows");
    }
}
