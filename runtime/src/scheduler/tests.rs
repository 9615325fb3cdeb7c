use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::cron::{CronError, Schedule};

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule::parse(cron, zone).unwrap_or_else(|error| panic!("{cron}: {error}"))
}

/// The firings after `now`.
fn check(cron: &str, zone: &str, now: &str, expected: &[&str]) {
    let schedule = schedule(cron, zone);
    let mut time = at(now);
    for (index, expected) in expected.iter().enumerate() {
        time = schedule.next_after(time).unwrap();
        assert_eq!(
            time,
            at(expected),
            "{cron} in {zone}, firing {index} after {now}"
        );
    }
}

#[test]
fn expressions_mean_what_vixie_cron_means() {
    let now = "2026-02-27T23:59:59Z"; // a Friday
    check(
        "* * * * *",
        "UTC",
        now,
        &["2026-02-28T00:00:00Z", "2026-02-28T00:01:00Z"],
    );
    check(
        "*/20 * * * * *",
        "UTC",
        now,
        &["2026-02-28T00:00:00Z", "2026-02-28T00:00:20Z"],
    );
    check("0 12 * * MON-FRI", "UTC", now, &["2026-03-02T12:00:00Z"]);
    check("0 0 * * 0", "UTC", now, &["2026-03-01T00:00:00Z"]);
    check("0 0 * * 7", "UTC", now, &["2026-03-01T00:00:00Z"]);
    check(
        "0 0 13 * 5",
        "UTC",
        now,
        &["2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"],
    );
    check(
        "0 0 31 * *",
        "UTC",
        now,
        &["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"],
    );
    check(
        "0 0 L * *",
        "UTC",
        now,
        &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"],
    );
    check(
        "0 0 29 2 *",
        "UTC",
        now,
        &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
    );
    check("0 0 * * 1#2", "UTC", now, &["2026-03-09T00:00:00Z"]);
    check("@monthly", "UTC", now, &["2026-03-01T00:00:00Z"]);
    check(
        "  0 9 1 jan *  ",
        "Europe/Berlin",
        now,
        &["2027-01-01T08:00:00Z"],
    );
}

/// What the dialect takes beyond numbers, and what each means: the first firing after a Thursday.
#[test]
fn the_dialect_is_the_documented_one() {
    let now = "2026-01-01T12:30:00Z";
    for (cron, first) in [
        ("*/20 * * * *", "2026-01-01T12:40:00Z"),
        ("5-59/20 * * * *", "2026-01-01T12:45:00Z"),
        ("10,50 * * * *", "2026-01-01T12:50:00Z"),
        ("0 22-23,1 * * *", "2026-01-01T22:00:00Z"),
        ("0 0 * feb *", "2026-02-01T00:00:00Z"),
        ("0 0 * FEB,Mar sun", "2026-02-01T00:00:00Z"),
        ("0 0 ? * MON", "2026-01-05T00:00:00Z"),
        ("0 0 * * sat,SUN", "2026-01-03T00:00:00Z"),
        ("0 0 L 2 *", "2026-02-28T00:00:00Z"),
        ("0 0 31W * *", "2026-01-30T00:00:00Z"),
        ("0 0 3W * *", "2026-01-02T00:00:00Z"),
        ("0 0 * * 4L", "2026-01-29T00:00:00Z"),
        ("0 0 * * THU#5", "2026-01-29T00:00:00Z"),
        ("0 0 1 1 *", "2027-01-01T00:00:00Z"),
        ("15 30 12 * * *", "2026-01-01T12:30:15Z"),
        ("@hourly", "2026-01-01T13:00:00Z"),
        ("@daily", "2026-01-02T00:00:00Z"),
        ("@weekly", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        check(cron, "UTC", now, &[first]);
    }
    for cron in [
        "*/0 * * * *",
        "1-2-3 * * * *",
        "-5 * * * *",
        "1,,2 * * * *",
        "a * * * *",
        "0 0 0 * *",
        "0 0 32W * *",
        "0 0 * 0 *",
        "0 0 * * 1#6",
        "0 0 * * 1#0",
    ] {
        assert!(Schedule::parse(cron, "UTC").is_err(), "{cron}");
    }
}

#[test]
fn a_time_that_is_a_firing_is_not_its_own_next() {
    check(
        "0 0 * * *",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-01-02T00:00:00Z"],
    );
    check(
        "0 0 * * *",
        "UTC",
        "2026-01-01T00:00:00.000001Z",
        &["2026-01-02T00:00:00Z"],
    );
    check(
        "0 0 * * *",
        "UTC",
        "2025-12-31T23:59:59.999999Z",
        &["2026-01-01T00:00:00Z"],
    );
}

#[test]
fn a_fixed_time_in_a_gap_fires_when_the_gap_ends() {
    // Berlin skips 02:00–03:00 on 2026-03-29.
    let now = "2026-03-28T12:00:00Z";
    check(
        "30 2 * * *",
        "Europe/Berlin",
        now,
        &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    );
}

#[test]
fn a_repeating_expression_skips_what_does_not_exist() {
    let now = "2026-03-29T00:30:00Z"; // 01:30 in Berlin
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        now,
        &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
    );
}

#[test]
fn a_fixed_time_that_comes_twice_fires_once() {
    // Berlin has 02:00–03:00 twice on 2026-10-25.
    let now = "2026-10-24T12:00:00Z";
    check(
        "30 2 * * *",
        "Europe/Berlin",
        now,
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
}

#[test]
fn a_repeating_expression_fires_in_both_passes() {
    let now = "2026-10-24T23:59:00Z"; // 01:59 in Berlin
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        now,
        &[
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ],
    );
}

#[test]
fn a_place_that_leaves_out_a_day_goes_on_afterwards() {
    // Samoa had no 30 December in 2011.
    let now = "2011-12-29T23:00:00Z"; // 13:00 on the 29th
    check(
        "0 12 * * *",
        "Pacific/Apia",
        now,
        &["2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"],
    );
    check(
        "0 */12 * * *",
        "Pacific/Apia",
        now,
        &["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"],
    );
}

#[test]
fn an_expression_is_said_in_plain_words() {
    let words = |cron: &str| schedule(cron, "Europe/Berlin").describe();
    for (cron, expected) in [
        ("0 3 * * *", "03:00"),
        ("0 9 * * MON", "Monday"),
        ("*/5 * * * *", "5"),
    ] {
        let said = words(cron);
        assert!(
            said.contains(expected) && said.ends_with("(Europe/Berlin)"),
            "{said}"
        );
    }
}

#[test]
fn a_refusal_says_where_and_what_would_be_right() {
    let column = |cron: &str| match Schedule::parse(cron, "UTC") {
        Err(error @ CronError::Field { .. }) => error.column().unwrap(),
        other => panic!("{cron}: {other:?}"),
    };
    assert_eq!(column("60 * * * *"), 1);
    assert_eq!(column("* 24 * * *"), 3);
    assert_eq!(column("  *  *   32 * *"), 10);
    assert_eq!(column("* * * 13 *"), 7);
    assert_eq!(column("* * * * 8"), 9);
    assert_eq!(column("60 * * * * *"), 1);
    assert_eq!(column("* * * * FRIDAYS"), 9);
    assert_eq!(column("5-1 * * * *"), 1);
    let text = Schedule::parse("* 24 * * *", "UTC")
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "\"24\" is not a hour; write `*`, 0-23, a list 6,18, a range 9-17 or a step */2"
    );
}

#[test]
fn what_is_no_schedule_is_refused() {
    let refused = |cron: &str, zone: &str| Schedule::parse(cron, zone).unwrap_err();
    for cron in ["", "*", "* * * *", "* * * * * * *", "0 0 0 1 1 * 2030"] {
        assert!(
            matches!(refused(cron, "UTC"), CronError::Fields { .. }),
            "{cron}"
        );
    }
    for cron in ["@reboot", "@every 5m", "@"] {
        assert!(
            matches!(refused(cron, "UTC"), CronError::Nickname { .. }),
            "{cron}"
        );
    }
    for cron in ["0 0 30 2 *", "0 0 31 2,4,6 *"] {
        assert_eq!(refused(cron, "UTC"), CronError::Never, "{cron}");
    }
    for zone in ["", "Mars/Olympus", "CEST", "+02:00"] {
        assert!(
            matches!(refused("* * * * *", zone), CronError::Zone { .. }),
            "{zone}"
        );
    }
}

fn field(max: u32, least: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => (least..=max).prop_map(|n| n.to_string()),
        1 => (1..=max).prop_map(|n| format!("*/{n}")),
        1 => (least..=max, least..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (least..=max, least..=max).prop_map(|(a, b)| format!("{a},{b}")),
    ]
}

pub(super) fn any_cron() -> impl Strategy<Value = String> {
    (
        field(59, 0),
        field(59, 0),
        field(23, 0),
        field(28, 1),
        field(12, 1),
        field(7, 0),
    )
        .prop_map(|(s, m, h, dom, mon, dow)| [s, m, h, dom, mon, dow].join(" "))
}

pub(super) const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];

proptest! {
    #[test]
    fn the_next_firing_is_later_and_nothing_is_between(
        cron in any_cron(),
        zone in proptest::sample::select(&ZONES),
        seconds in 946_684_800_i64..4_102_444_800,
    ) {
        let schedule = schedule(&cron, zone);
        let now = DateTime::from_timestamp(seconds, 0).unwrap();
        let next = schedule.next_after(now).unwrap();
        prop_assert!(next > now);
        // From anywhere before it, the same firing comes next.
        let between = now + (next - now) / 2;
        prop_assert_eq!(schedule.next_after(between), Some(next));
        prop_assert_eq!(schedule.next_after(next - TimeDelta::nanoseconds(1)), Some(next));
    }

    #[test]
    fn no_text_makes_the_reader_panic(cron in "[-*/,0-9A-Z#LW@? ]{0,24}", zone in "[A-Z/a-z]{0,8}") {
        drop(Schedule::parse(&cron, &zone));
        drop(Schedule::parse(&cron, "UTC"));
    }
}

/// Asks again and again until there is an answer; a clock that the test does not own has to move.
pub(super) async fn wait_until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}
