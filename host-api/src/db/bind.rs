//! One bind of a statement, and how it travels.
//!
//! The type is ours to say, never inferred by Postgres, so a value can not change what a statement
//! means. Everything goes in binary form; `numeric`, times and dates are declared `text` and cast
//! in the statement, as [`koyalite_policy::SqlWriter`] does. A list is one bind, an array.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use koyalite_policy::{ColumnType, ScalarType, Value};
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};
use serde_json::value::RawValue;

/// First byte of binary `jsonb`: the version of the format.
const JSONB_VERSION: u8 = 1;

/// A value on its way to Postgres.
#[derive(Clone)]
pub(crate) enum Bind {
    /// A value in the form of its column's type; see [`Value::coerce`].
    Typed { value: Value, ty: ColumnType },
    /// JSON text for a `json` or `jsonb` column, as the guest wrote it: numbers keep all their
    /// digits.
    Json { text: Box<RawValue>, ty: ColumnType },
    /// The same for an array column; `ty` is the type of the items.
    JsonList {
        items: Vec<Option<Box<RawValue>>>,
        ty: ColumnType,
    },
}

/// Shows the type only: values are a user's data and do not belong into logs.
impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bind({})", self.pg_type())
    }
}

type Failure = Box<dyn Error + Sync + Send>;

impl Bind {
    /// The placeholder for this bind in a row, with the cast that its column needs.
    pub(crate) fn placeholder(&self, n: usize) -> String {
        match self {
            Bind::Typed { ty, .. } => match ty {
                ColumnType::Array(item) if item.travels_as_text() => {
                    format!("${n}::text[]::{ty}")
                }
                // The extension's own name for its type is not one that a project's role can look up. Into
                // a column of it an array of the same numbers is cast without one.
                ColumnType::Vector(_) => format!("${n}::text::real[]"),
                ty if ty.scalar().is_some_and(ScalarType::travels_as_text) => {
                    format!("${n}::text::{ty}")
                }
                _ => format!("${n}"),
            },
            Bind::Json { .. } | Bind::JsonList { .. } => format!("${n}"),
        }
    }

    /// What tells it from another of its place, for whoever counts kinds of statements. A user's data.
    pub(crate) fn value_shown(&self) -> String {
        match self {
            Bind::Typed { value, .. } => format!("{value:?}"),
            Bind::Json { text, .. } => text.get().to_owned(),
            Bind::JsonList { items, .. } => format!("{items:?}"),
        }
    }

    /// The type of its column; of a list, that of its items.
    pub(crate) fn ty(&self) -> ColumnType {
        match self {
            Bind::Typed { ty, .. } | Bind::Json { ty, .. } | Bind::JsonList { ty, .. } => *ty,
        }
    }

    /// The type that the statement declares for this bind.
    pub(crate) fn pg_type(&self) -> Type {
        match self {
            Bind::Json { ty, .. } => scalar_type(*ty),
            Bind::JsonList { ty, .. } => array_type(*ty),
            Bind::Typed {
                value: Value::List(_),
                ty,
            } => array_type(*ty),
            Bind::Typed { ty, .. } => scalar_type(*ty),
        }
    }

    fn write(&self, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Bind::Json { text, ty } => Ok(write_json(text.get(), *ty, out)),
            Bind::JsonList { items, ty } => {
                let items = items.iter().map(|item| {
                    item.as_ref().map(|text| {
                        let mut bytes = BytesMut::new();
                        write_json(text.get(), *ty, &mut bytes);
                        bytes
                    })
                });
                write_array(items.collect(), *ty, out)
            }
            Bind::Typed {
                value: Value::List(items),
                ty,
            } => write_list(items, *ty, out),
            Bind::Typed { value, ty } => write_scalar(value, *ty, out),
        }
    }
}

impl ToSql for Bind {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.write(out)
    }

    fn accepts(_: &Type) -> bool {
        // `pg_type` is what the statement was prepared with.
        true
    }

    to_sql_checked!();
}

fn scalar_type(ty: ColumnType) -> Type {
    match ty {
        ColumnType::Boolean => Type::BOOL,
        ColumnType::Smallint => Type::INT2,
        ColumnType::Integer => Type::INT4,
        ColumnType::Bigint => Type::INT8,
        ColumnType::Real => Type::FLOAT4,
        ColumnType::Double => Type::FLOAT8,
        ColumnType::Numeric
        | ColumnType::Text
        | ColumnType::Timestamptz
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Vector(_) => Type::TEXT,
        ColumnType::Uuid => Type::UUID,
        ColumnType::Bytea => Type::BYTEA,
        ColumnType::Json => Type::JSON,
        ColumnType::Jsonb => Type::JSONB,
        ColumnType::Array(_) => array_type(ty),
    }
}

/// The type of a list of values of this type, or of the values of an array.
fn array_type(ty: ColumnType) -> Type {
    match item_type(ty) {
        ColumnType::Boolean => Type::BOOL_ARRAY,
        ColumnType::Smallint => Type::INT2_ARRAY,
        ColumnType::Integer => Type::INT4_ARRAY,
        ColumnType::Bigint => Type::INT8_ARRAY,
        ColumnType::Real => Type::FLOAT4_ARRAY,
        ColumnType::Double => Type::FLOAT8_ARRAY,
        ColumnType::Uuid => Type::UUID_ARRAY,
        ColumnType::Bytea => Type::BYTEA_ARRAY,
        ColumnType::Json => Type::JSON_ARRAY,
        ColumnType::Jsonb => Type::JSONB_ARRAY,
        ColumnType::Numeric
        | ColumnType::Text
        | ColumnType::Timestamptz
        | ColumnType::Date
        | ColumnType::Time
        | ColumnType::Vector(_)
        | ColumnType::Array(_) => Type::TEXT_ARRAY,
    }
}

fn item_type(ty: ColumnType) -> ColumnType {
    match ty {
        ColumnType::Array(item) => item.into(),
        ty => ty,
    }
}

fn write_scalar(value: &Value, ty: ColumnType, out: &mut BytesMut) -> Result<IsNull, Failure> {
    match (value, ty) {
        (Value::Null, _) => return Ok(IsNull::Yes),
        (Value::Boolean(value), ColumnType::Boolean) => out.put_u8(u8::from(*value)),
        (Value::Integer(value), ColumnType::Smallint) => out.put_i16(i16::try_from(*value)?),
        (Value::Integer(value), ColumnType::Integer) => out.put_i32(i32::try_from(*value)?),
        (Value::Integer(value), ColumnType::Bigint) => out.put_i64(*value),
        (Value::Float(value), ColumnType::Real) => out.put_f32(*value as f32),
        (Value::Float(value), ColumnType::Double) => out.put_f64(*value),
        (Value::Text(text), ColumnType::Text)
        | (Value::Numeric(text), ColumnType::Numeric)
        | (Value::Timestamptz(text), ColumnType::Timestamptz)
        | (Value::Date(text), ColumnType::Date)
        | (Value::Time(text), ColumnType::Time) => out.put_slice(text.as_bytes()),
        (Value::Uuid(uuid), ColumnType::Uuid) => out.put_slice(uuid.as_bytes()),
        (Value::Bytes(bytes), ColumnType::Bytea) => out.put_slice(bytes),
        (Value::Vector(_), ColumnType::Vector(_)) => {
            let json = value.to_json().to_string();
            let numbers = json.trim_start_matches('[').trim_end_matches(']');
            out.put_slice(format!("{{{numbers}}}").as_bytes());
        }
        (Value::Json(json), ColumnType::Json | ColumnType::Jsonb) => {
            return Ok(write_json(&json.to_string(), ty, out));
        }
        _ => return Err(format!("a bind of type {ty} was not coerced").into()),
    }
    Ok(IsNull::No)
}

fn write_json(text: &str, ty: ColumnType, out: &mut BytesMut) -> IsNull {
    if ty == ColumnType::Jsonb {
        out.put_u8(JSONB_VERSION);
    }
    out.put_slice(text.as_bytes());
    IsNull::No
}

fn write_list(items: &[Value], ty: ColumnType, out: &mut BytesMut) -> Result<IsNull, Failure> {
    let ty = item_type(ty);
    // One `BytesMut` per item keeps the encoding of scalars in one place; lists are short.
    let mut encoded = Vec::with_capacity(items.len());
    for item in items {
        let mut bytes = BytesMut::new();
        encoded.push(match write_scalar(item, ty, &mut bytes)? {
            IsNull::Yes => None,
            IsNull::No => Some(bytes),
        });
    }
    write_array(encoded, ty, out)
}

/// An array of items that are encoded as `ty`; none is NULL.
fn write_array(
    items: Vec<Option<BytesMut>>,
    ty: ColumnType,
    out: &mut BytesMut,
) -> Result<IsNull, Failure> {
    postgres_protocol::types::array_to_sql(
        [postgres_protocol::types::ArrayDimension {
            len: i32::try_from(items.len())?,
            lower_bound: 1,
        }],
        scalar_type(ty).oid(),
        items,
        |item, buf| {
            Ok(match item {
                Some(bytes) => {
                    buf.put_slice(&bytes);
                    postgres_protocol::IsNull::No
                }
                None => postgres_protocol::IsNull::Yes,
            })
        },
        out,
    )?;
    Ok(IsNull::No)
}
