//! Times, dates and times of day: what is read, and how it is written.

use super::*;
use proptest::prelude::*;

#[test]
fn times_are_read_and_written_in_utc() {
    let check = |text: &str, expected: &str| {
        let read = Timestamp::parse(text).map(|time| time.to_string());
        assert_eq!(read.as_deref(), Some(expected), "{text}");
    };
    check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
    check("2024-02-29 23:30:00.5+00", "2024-02-29T23:30:00.500000Z");
    check("2024-03-01T00:15:00+01:30", "2024-02-29T22:45:00Z");
    check(
        "1969-12-31T23:59:59.999999999Z",
        "1969-12-31T23:59:59.999999Z",
    );
    check("-infinity", "-infinity");
    check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
    check("0001-01-01T01:00:00+01", "0001-01-01T00:00:00Z");
    check("9999-12-31t23:59:59.999999z", "9999-12-31T23:59:59.999999Z");
}

#[test]
fn what_is_not_a_time_with_a_zone_is_refused() {
    for text in [
        "",
        "2024-01-01",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01",
        "0000-12-31T23:59:59.999999Z",
        "2024-01-01X00:00:00Z",
        "2024-01-01T00:00:00",
        "9999-12-31T23:59:59-01",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00+1",
        "ü024-01-01T00:00:00Z",
        "now",
    ] {
        assert_eq!(Timestamp::parse(text), None, "{text}");
    }
}

/// Day by day through more than one of the calendar's periods of 400 years.
#[test]
fn days_follow_one_another_as_in_the_calendar() {
    let first = days_from_civil(1, 1, 1);
    let mut expected = (1, 1, 1);
    for days in first..first + 146_097 + 800 {
        let (year, month, day) = expected;
        assert_eq!(civil_from_days(days), expected);
        assert_eq!(days_from_civil(year, month, day), days, "{expected:?}");
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        expected = match (month, day == last) {
            (12, true) => (year + 1, 1, 1),
            (_, true) => (year, month + 1, 1),
            (_, false) => (year, month, day + 1),
        };
    }
    assert_eq!(days_from_civil(1970, 1, 1), 0);
}

#[test]
fn each_month_has_its_days_and_the_first_year_is_one() {
    let read = |text: &str| Day::parse(text).map(|day| day.to_string());
    for (month, days) in [
        ("2023-01", 31),
        ("2023-02", 28),
        ("2024-02", 29),
        ("1900-02", 28),
        ("2000-02", 29),
        ("2023-03", 31),
        ("2023-04", 30),
        ("2023-06", 30),
        ("2023-09", 30),
        ("2023-11", 30),
        ("2023-12", 31),
    ] {
        let last = format!("{month}-{days}");
        assert_eq!(read(&last), Some(last.clone()));
        assert_eq!(read(&format!("{month}-{}", days + 1)), None, "{month}");
        assert_eq!(read(&format!("{month}-00")), None, "{month}");
    }
    for text in ["0001-01-01", "9999-12-31", "infinity", "-infinity"] {
        assert_eq!(read(text).as_deref(), Some(text));
    }
    for text in [
        "2024-00-01",
        "2024-13-01",
        "2024-1-01",
        "24-01-01",
        "2024-01",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn times_of_day_are_read_and_written() {
    let read = |text: &str| Clock::parse(text).map(|clock| clock.to_string());
    for (text, expected) in [
        ("00:00:00", "00:00:00"),
        ("09:05", "09:05:00"),
        ("23:59:59.999999", "23:59:59.999999"),
        ("01:02:03.5", "01:02:03.500000"),
        ("12:34:56.0000019", "12:34:56.000001"),
        ("24:00:00", "24:00:00"),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
    for text in [
        "24:00",
        "24:00:01",
        "12:60:00",
        "12:00:60",
        "12",
        "12:00:00.x",
        "1:00:00",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_moment_moves_and_an_infinity_does_not() {
    let at = Timestamp::from_unix_micros;
    assert_eq!(at(5).shifted(-7), at(-2));
    assert_eq!(at(i64::MAX).shifted(-1), at(i64::MAX));
    assert_eq!(at(i64::MIN).shifted(1), at(i64::MIN));
    assert_eq!(at(i64::MIN).to_string(), "-infinity");
    assert_eq!(at(i64::MAX).to_string(), "infinity");
    assert_eq!(at(-1).to_string(), "1969-12-31T23:59:59.999999Z");
    let second = std::time::Duration::from_secs(1);
    assert_eq!(
        Timestamp::from(UNIX_EPOCH + second).unix_micros(),
        1_000_000
    );
    assert_eq!(
        Timestamp::from(UNIX_EPOCH - second).unix_micros(),
        -1_000_000
    );
}

proptest! {
    #[test]
    fn a_written_time_reads_back_the_same(micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
        let time = Timestamp::from_unix_micros(micros);
        prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }

    #[test]
    fn reading_a_time_never_panics(text in ".*") {
        let _ = Timestamp::parse(&text);
        let _ = Day::parse(&text);
    }
}
