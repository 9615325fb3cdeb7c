//! When a schedule fires, against an oracle that shares nothing with the product: it walks through every
//! minute of a zone and asks the calendar whether the expression names it.
//!
//! By default the days around the transitions of the zones, and some others; with `ORACLE_DAYS=3653` all of
//! ten years.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone, Timelike,
    Utc, Weekday,
};
use chrono_tz::Tz;
use koyalite_runtime::scheduler::cron::Schedule;

use crate::support::Settings;

/// Gaps and repeated hours of one hour, half an hour and two; at midnight, at 22:00, at 02:00; some that
/// come and go with a decree or with Ramadan.
const ZONES: [Tz; 14] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::Europe__London,
    Tz::America__New_York,
    Tz::America__Los_Angeles,
    Tz::America__Havana,
    Tz::America__Santiago,
    Tz::America__Nuuk,
    Tz::Africa__Cairo,
    Tz::Africa__Casablanca,
    Tz::Asia__Beirut,
    Tz::Asia__Tehran,
    Tz::Australia__Lord_Howe,
    Tz::Antarctica__Troll,
];

const EXPRESSIONS: [&str; 24] = [
    "30 2 * * *",
    "0 0 * * *",
    "15 0 * * *",
    "30 1 * * *",
    "45 22 * * *",
    "0 3 * * 0",
    "0 1 * * 7",
    "5,35 1-3 * * *",
    "0,30 2 * * *",
    "*/7 * * * *",
    "3-59/13 * * * *",
    "0 */2 * * *",
    "* 2 * * *",
    "0 12 1 * *",
    "0 0 L * *",
    "30 2 15W * *",
    "0 9 1W * *",
    "0 9 * * 1#2",
    "45 23 * * 5L",
    "0 0 13 * 5",
    "0 0 1,15 * 3",
    "0 0 29 2 *",
    "10 2 * 3,11 *",
    "20 4 28-31 */2 MON-FRI",
];

/// The days that are walked through by default, at each place.
const USUAL_DAYS: u64 = 5;

const START: NaiveDate = NaiveDate::from_ymd_opt(2018, 1, 1).unwrap();
const TEN_YEARS: u64 = 3653;

/// An expression as the oracle understands it: five texts, looked at anew for every minute.
struct Oracle<'a>([&'a str; 5]);

impl<'a> Oracle<'a> {
    fn of(expression: &'a str) -> Oracle<'a> {
        let words: Vec<&str> = expression.split(' ').collect();
        Oracle(words.try_into().unwrap())
    }

    /// One hour and one minute: such an expression is a time of the day.
    fn is_fixed(&self) -> bool {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        plain(self.0[0]) && plain(self.0[1])
    }

    fn names_minute(&self, time: NaiveDateTime) -> bool {
        number(self.0[0], time.minute(), (0, 59)) && number(self.0[1], time.hour(), (0, 23))
    }

    fn names_day(&self, day: NaiveDate) -> bool {
        let [_, _, of_month, month, of_week] = self.0;
        let by_month = || of_month.split(',').any(|part| day_of_month(part, day));
        let by_week = || of_week.split(',').any(|part| day_of_week(part, day));
        number(month, day.month(), (1, 12))
            && match (of_month, of_week) {
                ("*", "*") => true,
                (_, "*") => by_month(),
                ("*", _) => by_week(),
                _ => by_month() || by_week(),
            }
    }
}

/// Whether one of the parts of a field names the number.
fn number(field: &str, value: u32, (least, most): (u32, u32)) -> bool {
    field.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (from.parse().unwrap(), to.parse().unwrap()),
            (one, None) => (one.parse().unwrap(), one.parse().unwrap()),
        };
        (from..=to).contains(&value) && (value - from).is_multiple_of(step.parse().unwrap())
    })
}

fn days_of(day: NaiveDate) -> Vec<NaiveDate> {
    let first = day.with_day(1).unwrap();
    first
        .iter_days()
        .take_while(|other| other.month() == day.month())
        .collect()
}

fn works(day: &NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn day_of_month(part: &str, day: NaiveDate) -> bool {
    let month = days_of(day);
    match (part, part.strip_suffix('W')) {
        ("L", _) => month.last() == Some(&day),
        (_, Some(near)) => {
            let near: u32 = near.parse().unwrap();
            let away = |other: &&NaiveDate| other.day().abs_diff(near);
            month.iter().filter(|other| works(other)).min_by_key(away) == Some(&day)
        }
        (plain, None) => number(plain, day.day(), (1, 31)),
    }
}

fn day_of_week(part: &str, day: NaiveDate) -> bool {
    if part == "MON-FRI" {
        return works(&day);
    }
    let of_week =
        |text: &str| text.parse::<u32>().unwrap() % 7 == day.weekday().num_days_from_sunday();
    let same = days_of(day)
        .into_iter()
        .filter(|other| other.weekday() == day.weekday());
    match (part.split_once('#'), part.strip_suffix('L')) {
        (Some((which, nth)), _) => {
            of_week(which) && same.clone().nth(nth.parse::<usize>().unwrap() - 1) == Some(day)
        }
        (None, Some(which)) => of_week(which) && same.max() == Some(day),
        (None, None) => of_week(part),
    }
}

/// What the clock on the wall says.
fn wall(zone: Tz, time: DateTime<Utc>) -> NaiveDateTime {
    time.naive_utc() + TimeDelta::seconds(offset(zone, time))
}

fn offset(zone: Tz, time: DateTime<Utc>) -> i64 {
    let offset = zone.offset_from_utc_datetime(&time.naive_utc()).fix();
    offset.local_minus_utc().into()
}

/// One minute, and what the clock on the wall shows in it.
struct Minute {
    at: DateTime<Utc>,
    wall: NaiveDateTime,
    /// It was shown before.
    again: bool,
    /// What the clock has just left out.
    left_out: Vec<NaiveDateTime>,
}

type Range = (DateTime<Utc>, DateTime<Utc>);

fn minutes(zone: Tz, (from, to): Range) -> Vec<Minute> {
    let minute = TimeDelta::minutes(1);
    let mut minutes = Vec::new();
    // Half a day before, so that a repeated hour at the beginning is known as one.
    let mut at = from - TimeDelta::hours(12);
    let mut before = wall(zone, at - minute);
    let mut latest = NaiveDateTime::MIN;
    while at < to {
        let wall = wall(zone, at);
        let left_out = std::iter::successors(Some(before + minute), |t| Some(*t + minute));
        if at >= from {
            minutes.push(Minute {
                at,
                wall,
                again: wall <= latest,
                left_out: left_out.take_while(|t| *t < wall).collect(),
            });
        }
        (latest, before) = (latest.max(wall), wall);
        at += minute;
    }
    minutes
}

/// The firings, one minute after the other.
fn walk(oracle: &Oracle<'_>, minutes: &[Minute]) -> Vec<DateTime<Utc>> {
    let mut days: BTreeMap<NaiveDate, bool> = BTreeMap::new();
    let mut names_day = |day| *days.entry(day).or_insert_with(|| oracle.names_day(day));
    let of_day: Vec<bool> = (0..1440)
        .map(|minute| {
            oracle.names_minute(
                NaiveDateTime::MIN
                    .with_hour(minute / 60)
                    .unwrap()
                    .with_minute(minute % 60)
                    .unwrap(),
            )
        })
        .collect();
    let names_minute = |time: NaiveDateTime| of_day[(time.hour() * 60 + time.minute()) as usize];
    let fixed = oracle.is_fixed();
    let fires = |minute: &&Minute| {
        let named = names_minute(minute.wall);
        match fixed {
            false => named && names_day(minute.wall.date()),
            true if minute.again => false,
            true => {
                let mut skipped = minute.left_out.iter();
                (named || skipped.any(|t| names_minute(*t) && names_day(t.date())))
                    && names_day(minute.wall.date())
            }
        }
    };
    minutes
        .iter()
        .filter(fires)
        .map(|minute| minute.at)
        .collect()
}

fn midnight(days: u64) -> DateTime<Utc> {
    (START + Days::new(days))
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
}

/// Which days of the ten years to walk through: all, or those around a transition and a few more.
fn ranges(zone: Tz, days: u64) -> Vec<Range> {
    if days >= TEN_YEARS {
        let years = (0..TEN_YEARS).step_by(400);
        return years
            .map(|day| (midnight(day), midnight(TEN_YEARS.min(day + 400))))
            .collect();
    }
    let changes = |day: &u64| offset(zone, midnight(*day)) != offset(zone, midnight(day + 1));
    // Of many transitions some each time; and leap days, ends of months, the turn of a year.
    let mut starts: Vec<u64> = (0..TEN_YEARS).filter(changes).collect();
    let every = starts.len() / 6 + 1;
    starts = starts.into_iter().step_by(every).collect();
    starts.extend([787, 1_090, 1_824]);
    let range = |start: u64| {
        (
            midnight(start.saturating_sub(days / 2)),
            midnight(start + days - days / 2),
        )
    };
    starts.into_iter().map(range).collect()
}

/// What differs, where something does.
fn compare(expression: &str, (zone, range): (Tz, Range), minutes: &[Minute]) -> Option<String> {
    let expected = walk(&Oracle::of(expression), minutes);
    let schedule = Schedule::parse(expression, zone.name()).unwrap();
    let fired: Vec<_> = schedule
        .after(range.0 - TimeDelta::nanoseconds(1))
        .take_while(|time| *time < range.1)
        .collect();
    if fired == expected {
        return None;
    }
    let mut text = format!("{expression} in {zone}, {}:", range.0);
    let odd = |ours: &[DateTime<Utc>], theirs: &[DateTime<Utc>]| {
        let only: Vec<_> = ours
            .iter()
            .filter(|time| !theirs.contains(time))
            .take(3)
            .copied()
            .collect();
        only.into_iter()
            .map(|time| format!(" {time} ({})", wall(zone, time)))
            .collect::<String>()
    };
    let _ = write!(text, " only fired{}", odd(&fired, &expected));
    let _ = write!(text, "; only expected{}", odd(&expected, &fired));
    Some(text)
}

#[test]
fn every_schedule_fires_exactly_when_a_walk_through_all_minutes_says() {
    let days = Settings::number("ORACLE_DAYS").unwrap_or(USUAL_DAYS);
    let mut wrong = Vec::new();
    for zone in ZONES {
        for range in ranges(zone, days) {
            let minutes = minutes(zone, range);
            wrong.extend(
                EXPRESSIONS
                    .iter()
                    .filter_map(|it| compare(it, (zone, range), &minutes)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
