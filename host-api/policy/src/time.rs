//! Moments and dates, in the forms that Postgres and RFC 3339 share.
//!
//! A [`Timestamp`] counts microseconds, as Postgres does, so comparing two of them here and there
//! gives the same answer. The clock is never read: `now` is always an argument.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
const YEARS_1_TO_9999: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Microseconds since 1970-01-01T00:00:00Z. `i64::MIN` and `i64::MAX` are Postgres' two infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Days since 1970-01-01, with the same two infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i64);

/// A time of day: microseconds since midnight, with Postgres' `24:00:00` as the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clock(i64);

impl Timestamp {
    /// A moment from microseconds since the Unix epoch.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// The moment that many microseconds later, or earlier; the infinities stay where they are.
    pub(crate) fn shifted(self, micros: i64) -> Self {
        match self.0 {
            i64::MIN | i64::MAX => self,
            start => Self(start.saturating_add(micros)),
        }
    }

    /// Reads an RFC 3339 time (a space may stand for the `T`), or `infinity` or `-infinity`.
    /// Digits beyond the microsecond are cut. None if the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(micros) = parse_infinity(text) {
            return Some(Self(micros));
        }
        let day = parse_day(text.get(..10)?)?;
        let rest = text.get(10..)?;
        if !matches!(rest.as_bytes().first(), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let clock = rest.get(1..)?;
        let split = clock.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = clock.split_at_checked(split)?;
        let seconds = day * SECONDS_PER_DAY - parse_zone(zone)?;
        // The offset may carry a time out of the years that RFC 3339 and Postgres both write.
        let micros = seconds * MICROS_PER_SECOND + parse_clock(time)?;
        YEARS_1_TO_9999.contains(&micros).then_some(Self(micros))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
        };
        Self(micros)
    }
}

/// RFC 3339 in UTC, with microseconds only where there are some.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MIN => return f.write_str("-infinity"),
            i64::MAX => return f.write_str("infinity"),
            _ => {}
        }
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let (day, second) = (
            seconds.div_euclid(SECONDS_PER_DAY),
            seconds.rem_euclid(SECONDS_PER_DAY),
        );
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}", Day(day))?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("Z")
    }
}

impl Day {
    /// Reads `YYYY-MM-DD`, `infinity` or `-infinity`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_infinity(text).or_else(|| parse_day(text)).map(Self)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MIN => f.write_str("-infinity"),
            i64::MAX => f.write_str("infinity"),
            days => {
                let (year, month, day) = civil_from_days(days);
                write!(f, "{year:04}-{month:02}-{day:02}")
            }
        }
    }
}

impl Clock {
    /// Reads `HH:MM[:SS[.fraction]]` without a zone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match (text, text.len()) {
            ("24:00:00", _) => Some(Self(SECONDS_PER_DAY * MICROS_PER_SECOND)),
            (text, 5) => parse_clock(&format!("{text}:00")).map(Self),
            (text, _) => parse_clock(text).map(Self),
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (second, micros) = (self.0 / MICROS_PER_SECOND, self.0 % MICROS_PER_SECOND);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        Ok(())
    }
}

fn parse_infinity(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => None,
    }
}

/// A run of exactly `width` ASCII digits.
fn digits(text: &str, width: usize) -> Option<i64> {
    let all_digits = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    // Postgres has no year zero.
    (year >= 1 && (1..=length).contains(&day)).then(|| days_from_civil(year, month, day))
}

/// `HH:MM:SS[.fraction]` as microseconds. A leap second is refused: Postgres would move it.
fn parse_clock(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = digits(parts.next()?, 2).filter(|second| *second < 60)?;
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(seconds * MICROS_PER_SECOND + digits(&micros, 6)?)
}

/// `Z`, `+HH`, `+HH:MM` or `+HHMM` as seconds east of UTC. Postgres itself prints the short form.
fn parse_zone(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let offset = text.get(1..)?;
    let (hours, minutes) = match offset.split_once(':') {
        Some(parts) => parts,
        None if offset.len() == 2 => (offset, "00"),
        None => offset.split_at_checked(2)?,
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 16 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
}

/// Days since the epoch of a proleptic Gregorian date. Years are counted from March, so that the
/// leap day is the last of its year and months need no table.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
