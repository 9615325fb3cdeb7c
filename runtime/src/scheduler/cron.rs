//! Cron expressions: when is the next time? Pure; `now` is always an argument.
//!
//! The dialect is Vixie's with five fields (minute, hour, day of month, month, day of week) or six
//! (seconds first). Sunday is 0 or 7. Where both days are restricted either one is enough. `L`, `W`
//! and `#` are understood, as are month and day names and `@hourly`, `@daily`, `@weekly`,
//! `@monthly`, `@yearly`.
//!
//! Daylight saving, in the schedule's own zone: an expression with a fixed time (`30 2 * * *`) whose
//! hour is skipped fires at the first moment after the gap, and once where the hour comes twice. An
//! expression that repeats (`*/10 * * * *`) follows the clock on the wall: it skips what does not
//! exist and fires in both passes of what comes twice.

use std::fmt;
use std::str::FromStr as _;

use chrono::{DateTime, DurationRound as _, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// A schedule that fires at some time.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

/// Why an expression or a zone is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Neither five nor six fields.
    #[error(
        "found {found} fields; write five (minute, hour, day of month, month, day of week) or six \
         (second first)"
    )]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// One field makes no sense.
    #[error("{given:?} is not a {field}; write {expected}")]
    Field {
        /// Where the field begins, in characters from 1.
        column: u64,
        /// As written.
        given: String,
        /// Which field.
        field: Field,
        /// What would be right.
        expected: &'static str,
    },
    /// A word with `@` that is none of the five.
    #[error("{given:?} is not known; write @hourly, @daily, @weekly, @monthly or @yearly")]
    Nickname {
        /// As written.
        given: String,
    },
    /// No such day ever comes.
    #[error("it never fires: no such date exists; check the day of month and the month")]
    Never,
    /// Not a zone.
    #[error("{given:?} is not a time zone; write an IANA name such as UTC or Europe/Berlin")]
    Zone {
        /// As written.
        given: String,
    },
}

impl CronError {
    /// The manifest's field that is wrong.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Zone { .. } => "timezone",
            Self::Fields { .. } | Self::Field { .. } | Self::Nickname { .. } | Self::Never => {
                "cron"
            }
        }
    }

    /// Where in the expression, in characters from 1.
    #[must_use]
    pub fn column(&self) -> Option<u64> {
        match self {
            Self::Field { column, .. } => Some(*column),
            Self::Fields { .. } | Self::Nickname { .. } | Self::Never | Self::Zone { .. } => None,
        }
    }
}

/// The fields of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// 0–59.
    Second,
    /// 0–59.
    Minute,
    /// 0–23.
    Hour,
    /// 1–31.
    DayOfMonth,
    /// 1–12.
    Month,
    /// 0–7.
    DayOfWeek,
}

impl Field {
    const ALL: [Self; 6] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::DayOfMonth,
        Self::Month,
        Self::DayOfWeek,
    ];

    fn expected(self) -> &'static str {
        match self {
            Self::Second | Self::Minute => "`*`, 0-59, a list 0,30, a range 10-20 or a step */5",
            Self::Hour => "`*`, 0-23, a list 6,18, a range 9-17 or a step */2",
            Self::DayOfMonth => "`*`, 1-31, a list, a range, a step, L (last) or 15W (weekday)",
            Self::Month => "`*`, 1-12 or JAN-DEC, a list, a range or a step",
            Self::DayOfWeek => {
                "`*`, 0-7 or SUN-SAT (Sunday is 0 and 7), a list, a range, 5L (last) or 1#2 (second)"
            }
        }
    }

    /// An expression that restricts this field alone.
    fn alone(self, text: &str) -> String {
        let field = |other: Self| if other == self { text } else { "*" };
        Self::ALL.map(field).join(" ")
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

const NICKNAMES: [&str; 6] = [
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
];

/// Where the search for a first firing starts when an expression is checked. Any moment will do:
/// without a year field, what ever fires does so within 28 years.
const SOME_MOMENT_S: i64 = 1_700_000_000;

/// The longest gap that the search of the library gets over.
const LONG_GAP_S: i64 = 2 * 3600;

/// How far ahead a longer one is looked for.
const LONG_GAP_SEARCH_H: i64 = 400 * 24;

impl Schedule {
    /// Reads an expression and a zone.
    ///
    /// # Errors
    /// What is wrong, where, and what would be right. An expression that never fires is refused.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, CronError> {
        let zone = Tz::from_str(zone).map_err(|_| CronError::Zone { given: short(zone) })?;
        let trimmed = expression.trim();
        if trimmed.starts_with('@') {
            let known = NICKNAMES
                .iter()
                .any(|name| name.eq_ignore_ascii_case(trimmed));
            known.then_some(()).ok_or_else(|| CronError::Nickname {
                given: short(trimmed),
            })?;
        } else {
            check_fields(expression)?;
        }
        let cron = parser().parse(trimmed).map_err(|_| CronError::Never)?;
        let schedule = Self { cron, zone };
        let some_moment = DateTime::from_timestamp(SOME_MOMENT_S, 0).unwrap_or_default();
        schedule.next_after(some_moment).ok_or(CronError::Never)?;
        Ok(schedule)
    }

    /// The first firing strictly after `now`. None where the calendar ends first.
    #[must_use]
    pub fn next_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = |time: DateTime<Utc>| self.zone.from_utc_datetime(&time.naive_utc());
        let next = match self.cron.find_next_occurrence(&local(now), false) {
            Ok(next) => Some(next),
            Err(_) => {
                let after = local(self.end_of_long_gap(now)?);
                self.cron.find_next_occurrence(&after, true).ok()
            }
        };
        next.map(|next| next.to_utc())
            // A scheduler that was told a time that is not later would fire for ever.
            .filter(|next| *next > now)
    }

    /// The end of a gap of more than two hours: a place that moves over the date line leaves
    /// out a day, and the search gives up there. Without this, its schedules would stop for ever.
    fn end_of_long_gap(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let at = |hours: i64| now.checked_add_signed(TimeDelta::hours(hours));
        let offset = |time: DateTime<Utc>| {
            let offset = self.zone.offset_from_utc_datetime(&time.naive_utc()).fix();
            i64::from(offset.local_minus_utc())
        };
        let jumps = |hour: &i64| {
            let (before, after) = (at(*hour - 1), at(*hour));
            before
                .zip(after)
                .is_some_and(|(a, b)| offset(b) - offset(a) > LONG_GAP_S)
        };
        let hour = (1..=LONG_GAP_SEARCH_H).find(jumps)?;
        let before = at(hour - 1)?;
        let minutes = (1..=60).map(|minutes| before + TimeDelta::minutes(minutes));
        let mut after = minutes.filter(|time| offset(*time) - offset(before) > LONG_GAP_S);
        after.next()?.duration_trunc(TimeDelta::minutes(1)).ok()
    }
}

impl Schedule {
    /// The firings strictly after `now`, in their order.
    pub fn after(&self, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next_after(now), |last| self.next_after(*last))
    }

    /// What it means, in plain words.
    #[must_use]
    pub fn describe(&self) -> String {
        let words = self.cron.describe();
        format!("{} ({})", words.trim_end_matches('.'), self.zone)
    }
}

fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
}

/// Finds the first field that makes no sense, by trying each one alone.
fn check_fields(expression: &str) -> Result<(), CronError> {
    let words: Vec<(u64, &str)> = words(expression).collect();
    let fields = match words.len() {
        5 => Field::ALL.get(1..).unwrap_or_default(),
        6 => &Field::ALL,
        found => return Err(CronError::Fields { found }),
    };
    for (field, (column, word)) in fields.iter().zip(words) {
        // The library overlooks that something was forgotten between two commas.
        let forgotten = word.split(',').any(str::is_empty);
        if forgotten || parser().parse(&field.alone(word)).is_err() {
            return Err(CronError::Field {
                column,
                given: short(word),
                field: *field,
                expected: field.expected(),
            });
        }
    }
    Ok(())
}

/// The words of a text, each with the column where it begins.
fn words(text: &str) -> impl Iterator<Item = (u64, &str)> {
    text.split_whitespace().map(move |word| {
        let bytes = word.as_ptr() as usize - text.as_ptr() as usize;
        let before = text.get(..bytes).unwrap_or_default();
        (before.chars().count() as u64 + 1, word)
    })
}

/// Enough of a refused text to recognise it.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
