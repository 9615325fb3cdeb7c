//! Times and dates from Postgres' binary form to RFC 3339 in UTC.
//!
//! Years outside 0001–9999, which RFC 3339 has no room for, are written with a sign and six digits
//! as ECMAScript does (year 0 is 1 BC). Infinity is the text `infinity`, as in Postgres.

use std::io::{self, Write};

use chrono::{Datelike, NaiveDate};

/// Days from 0001-01-01, chrono's day 1, to 2000-01-01, where Postgres counts from.
const DAYS_TO_2000: i64 = 730_120;
/// The Gregorian calendar repeats after 400 years.
const DAYS_PER_ERA: i64 = 146_097;
const YEARS_PER_ERA: i64 = 400;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Writes a `timestamptz` (microseconds since 2000-01-01T00:00Z) as a JSON string.
pub(crate) fn write_timestamptz(micros: i64, out: &mut Vec<u8>) -> io::Result<()> {
    match micros {
        i64::MAX => return out.write_all(b"\"infinity\""),
        i64::MIN => return out.write_all(b"\"-infinity\""),
        _ => {}
    }
    out.push(b'"');
    write_day(micros.div_euclid(MICROS_PER_DAY), out)?;
    out.push(b'T');
    write_of_day(micros.rem_euclid(MICROS_PER_DAY), out)?;
    out.write_all(b"Z\"")
}

/// Writes a `time` (microseconds since midnight) as a JSON string. The end of the day is 24:00:00.
pub(crate) fn write_time(micros: i64, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'"');
    write_of_day(micros, out)?;
    out.write_all(b"\"")
}

fn write_of_day(of_day: i64, out: &mut Vec<u8>) -> io::Result<()> {
    let (second, fraction) = (of_day / MICROS_PER_SECOND, of_day % MICROS_PER_SECOND);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(out, "{hour:02}:{minute:02}:{second:02}")?;
    match fraction {
        0 => Ok(()),
        _ => write!(out, ".{fraction:06}"),
    }
}

/// Writes a `date` (days since 2000-01-01) as a JSON string.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) -> io::Result<()> {
    match days {
        i32::MAX => return out.write_all(b"\"infinity\""),
        i32::MIN => return out.write_all(b"\"-infinity\""),
        _ => {}
    }
    out.push(b'"');
    write_day(i64::from(days), out)?;
    out.write_all(b"\"")
}

/// chrono ends 26 000 years before Postgres does, so the day is first moved into one era.
fn write_day(days: i64, out: &mut Vec<u8>) -> io::Result<()> {
    let since_start = days + DAYS_TO_2000 - 1;
    let (era, of_era) = (
        since_start.div_euclid(DAYS_PER_ERA),
        since_start.rem_euclid(DAYS_PER_ERA),
    );
    let date = i32::try_from(of_era + 1)
        .ok()
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .ok_or(io::ErrorKind::InvalidData)?;
    let year = i64::from(date.year()) + era * YEARS_PER_ERA;
    match year {
        1..=9999 => write!(out, "{year:04}")?,
        _ => write!(out, "{year:+07}")?,
    }
    write!(out, "-{:02}-{:02}", date.month(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_postgres_means_them() {
        let check = |days: i32, expected: &str| {
            let mut out = Vec::new();
            write_date(days, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{expected}\""));
        };
        check(0, "2000-01-01");
        check(-1, "1999-12-31");
        check(59, "2000-02-29");
        check(-10_957, "1970-01-01");
        check(-730_119, "0001-01-01");
        check(-730_120, "+000000-12-31");
        check(2_921_939, "9999-12-31");
        check(2_921_940, "+010000-01-01");
        check(i32::MAX, "infinity");
        check(i32::MIN, "-infinity");
        check(2_145_031_948, "+5874897-12-31");
    }

    #[test]
    fn times_have_microseconds_only_where_there_are_some() {
        let check = |micros: i64, expected: &str| {
            let mut out = Vec::new();
            write_timestamptz(micros, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{expected}\""));
        };
        check(0, "2000-01-01T00:00:00Z");
        check(-1, "1999-12-31T23:59:59.999999Z");
        check(3_723_000_500, "2000-01-01T01:02:03.000500Z");
        check(i64::MAX, "infinity");
        check(i64::MIN, "-infinity");
    }
}
