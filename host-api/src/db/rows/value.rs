//! One value from Postgres' binary form to JSON.
//!
//! | column | JSON |
//! |---|---|
//! | `boolean` | `true`, `false` |
//! | `smallint`, `integer`, `bigint` | a number; beyond ±(2⁵³ − 1) a string, because JavaScript would round it |
//! | `real`, `double precision` | a number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `numeric` | a number with all its digits; the same three strings |
//! | `text`, `uuid` | a string |
//! | `bytea` | a string, base64 with padding |
//! | `timestamptz` | a string, RFC 3339 in UTC, or `"infinity"`, `"-infinity"` |
//! | `date` | a string, `YYYY-MM-DD`, or the same two |
//! | `time` | a string, `hh:mm:ss`, with six digits more where there are some |
//! | `json`, `jsonb` | the value itself, as Postgres prints it |
//! | an array of these, `vector` | an array |
//! | NULL | `null` |

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use postgres_types::{Kind, Type};

use super::super::moments::{write_date, write_time, write_timestamptz};
use super::super::numeric::write_numeric;
use super::nested::write_array;

/// The largest integer that a double, and so JavaScript, holds with all its neighbours: 2⁵³ − 1.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Writes one value that is not NULL.
pub(super) fn write_value(ty: &Type, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match *ty {
        Type::BOOL => out.extend_from_slice(if bytes == [0] { b"false" } else { b"true" }),
        Type::INT2 => write!(out, "{}", i16::from_be_bytes(fixed(bytes)?))?,
        Type::INT4 => write!(out, "{}", i32::from_be_bytes(fixed(bytes)?))?,
        Type::INT8 => write_bigint(i64::from_be_bytes(fixed(bytes)?), out)?,
        Type::FLOAT4 => write_real(f32::from_be_bytes(fixed(bytes)?), out)?,
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
        Type::JSON => out.extend_from_slice(bytes),
        Type::TIME => write_time(i64::from_be_bytes(fixed(bytes)?), out)?,
        Type::BYTEA => write!(out, "\"{}\"", STANDARD.encode(bytes))?,
        _ if matches!(ty.kind(), Kind::Array(_)) => write_array(bytes, out)?,
        _ => return Err(io::Error::other("no column of ours has this type")),
    }
    Ok(())
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
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

/// As [`write_float`], with the digits that a `real` has.
fn write_real(value: f32, out: &mut Vec<u8>) -> io::Result<()> {
    match value.is_finite() {
        true => write!(out, "{value:?}"),
        false => write_float(value.into(), out),
    }
}

/// Writes a JSON string: whole runs that need no escape at once.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
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
