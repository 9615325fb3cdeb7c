//! Rows as JSON text, straight from Postgres' binary form into one buffer.
//!
//! | column | JSON |
//! |---|---|
//! | `boolean` | `true`, `false` |
//! | `integer`, `bigint` | a number; beyond ±(2⁵³ − 1) a string, because JavaScript would round it |
//! | `double precision` | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `numeric` | a number with all its digits; the same three strings |
//! | `text`, `uuid` | a string |
//! | `timestamptz` | a string, RFC 3339 in UTC, or `"infinity"`, `"-infinity"` |
//! | `date` | a string, `YYYY-MM-DD`, or the same two |
//! | `jsonb` | the value itself, as Postgres prints it |
//! | NULL | `null` |
//!
//! No tree of values is built: measured, that costs more than the rest of a small select.

use std::error::Error as StdError;
use std::io::{self, Write};

use postgres_types::{FromSql, Type};
use tokio_postgres::{Column, Row};

use super::moments::{write_date, write_timestamptz};
use super::numeric::write_numeric;
use crate::error::HostError;

/// The largest integer that a double, and so JavaScript, holds with all its neighbours: 2⁵³ − 1.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Writes rows of one statement into a JSON array.
pub(crate) struct RowsWriter {
    out: Vec<u8>,
    columns: Vec<ColumnWriter>,
}

struct ColumnWriter {
    /// What stands before the value: `{"id":` for the first column, `,"title":` for the next.
    lead: Vec<u8>,
    ty: Type,
}

impl RowsWriter {
    /// A writer for rows with these columns.
    pub(crate) fn new(columns: &[Column]) -> RowsWriter {
        let columns = columns.iter().enumerate().map(|(index, column)| {
            let mut lead = vec![if index == 0 { b'{' } else { b',' }];
            write_text(column.name(), &mut lead);
            lead.push(b':');
            ColumnWriter {
                lead,
                ty: column.type_().clone(),
            }
        });
        RowsWriter {
            columns: columns.collect(),
            out: vec![b'['],
        }
    }

    /// Appends one row.
    ///
    /// # Errors
    /// Internal, when Postgres sends a type that no column of ours has.
    pub(crate) fn push(&mut self, row: &Row) -> Result<(), HostError> {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        for (index, column) in self.columns.iter().enumerate() {
            self.out.extend_from_slice(&column.lead);
            let Raw(value) = row.try_get(index).map_err(HostError::internal)?;
            match value {
                None => self.out.extend_from_slice(b"null"),
                Some(bytes) => write_value(&column.ty, bytes, &mut self.out).map_err(|error| {
                    HostError::internal(format!("a {} that does not read: {error}", column.ty))
                })?,
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The finished text.
    ///
    /// # Errors
    /// Internal, when a text column holds what is not UTF-8: the database has another encoding.
    pub(crate) fn finish(mut self) -> Result<String, HostError> {
        self.out.push(b']');
        String::from_utf8(self.out).map_err(HostError::internal)
    }
}

/// A value's bytes as Postgres sent them.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn write_value(ty: &Type, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match *ty {
        Type::BOOL => out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" }),
        Type::INT2 => write!(out, "{}", i16::from_be_bytes(fixed(bytes)?))?,
        Type::INT4 => write!(out, "{}", i32::from_be_bytes(fixed(bytes)?))?,
        Type::INT8 => write_bigint(i64::from_be_bytes(fixed(bytes)?), out)?,
        Type::FLOAT4 => write_float(f64::from(f32::from_be_bytes(fixed(bytes)?)), out)?,
        Type::FLOAT8 => write_float(f64::from_be_bytes(fixed(bytes)?), out)?,
        Type::NUMERIC => write_numeric(bytes, out)?,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => {
            let text = std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            write_text(text, out);
        }
        Type::UUID => write!(out, "\"{}\"", uuid::Uuid::from_bytes(fixed(bytes)?))?,
        Type::TIMESTAMPTZ => write_timestamptz(i64::from_be_bytes(fixed(bytes)?), out)?,
        Type::DATE => write_date(i32::from_be_bytes(fixed(bytes)?), out)?,
        // The first byte is the version; the rest is JSON that Postgres has parsed and prints.
        Type::JSONB => out.extend_from_slice(bytes.get(1..).ok_or(io::ErrorKind::InvalidData)?),
        _ => return Err(io::Error::other("no column of ours has this type")),
    }
    Ok(())
}

fn fixed<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

fn write_bigint(value: i64, out: &mut Vec<u8>) -> io::Result<()> {
    if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&value) {
        write!(out, "{value}")
    } else {
        write!(out, "\"{value}\"")
    }
}

fn write_float(value: f64, out: &mut Vec<u8>) -> io::Result<()> {
    if value.is_finite() {
        // Rust's debug form is the shortest that reads back, and always valid JSON.
        write!(out, "{value:?}")
    } else if value.is_nan() {
        out.write_all(b"\"NaN\"")
    } else if value > 0.0 {
        out.write_all(b"\"Infinity\"")
    } else {
        out.write_all(b"\"-Infinity\"")
    }
}

/// Writes a JSON string: whole runs that need no escape at once.
fn write_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|b| *b < 0x20 || *b == b'"' || *b == b'\\')
    {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                let digits = [other >> 4, other & 15];
                out.extend(digits.iter().filter_map(|d| HEX.get(usize::from(*d))));
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back_as_they_were() {
        for text in [
            "",
            "plain",
            "a\"b\\c",
            "\n\r\t\u{1}\u{1f}\u{7f}",
            "käse 🧀 \u{2028}",
        ] {
            let mut out = Vec::new();
            write_text(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn numbers_that_javascript_would_round_are_strings() {
        let check = |value: i64, expected: &str| {
            let mut out = Vec::new();
            write_bigint(value, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(9_007_199_254_740_991, "9007199254740991");
        check(9_007_199_254_740_992, "\"9007199254740992\"");
        check(i64::MIN, "\"-9223372036854775808\"");
    }

    #[test]
    fn floats_are_json_or_a_word() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            write_float(value, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(1.0, "1.0");
        check(1e-7, "1e-7");
        check(1e300, "1e300");
        check(f64::NAN, "\"NaN\"");
        check(f64::NEG_INFINITY, "\"-Infinity\"");
    }
}
