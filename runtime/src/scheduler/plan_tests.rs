use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::plan::{CATCH_UP_ROWS_MAX, LATE_AFTER, Plan, When, plan};
use super::rules::{CatchUp, Rules};
use super::tests::{any_cron, at, schedule};

fn rules(catch_up: CatchUp) -> Rules {
    Rules {
        catch_up,
        ..Rules::USUAL
    }
}

/// What becomes of an hourly task that is due since midnight, as words: the hour, and `run`, `late`
/// (with how many it stands for) or `missed`.
fn check(rules: &Rules, now: &str, expected: &[&str]) {
    let hourly = schedule("0 * * * *", "UTC");
    let plan = plan(&hourly, rules, at("2026-01-01T00:00:00Z"), at(now));
    let mut said: Vec<(DateTime<Utc>, String)> = Vec::new();
    said.extend(
        plan.missed
            .iter()
            .map(|(time, _)| (*time, "missed".to_owned())),
    );
    said.extend(plan.fire.iter().map(|firing| {
        let word = match firing.when {
            When::OnTime => format!("run {}", firing.missed),
            When::Late => format!("late {}", firing.missed),
        };
        (firing.due, word)
    }));
    said.sort();
    let said: Vec<String> = said
        .into_iter()
        .map(|(time, word)| format!("{} {word}", time.format("%d-%H")))
        .collect();
    assert_eq!(said, expected, "{rules:?} at {now}");
    assert_eq!(plan.next, hourly.next_after(at(now)));
}

#[test]
fn each_way_of_catching_up_does_what_it_says() {
    let latest = &rules(CatchUp::Latest);
    let all = &rules(CatchUp::All);
    let none = &rules(CatchUp::None);
    for usual in [latest, all, none] {
        check(usual, "2026-01-01T00:00:59Z", &["01-00 run 0"]);
    }
    let soon = "2026-01-01T00:10:00Z";
    check(latest, soon, &["01-00 late 0"]);
    check(all, soon, &["01-00 late 0"]);
    check(none, soon, &["01-00 missed"]);
    let later = "2026-01-01T02:10:00Z";
    check(
        latest,
        later,
        &["01-00 missed", "01-01 missed", "01-02 late 2"],
    );
    check(
        all,
        later,
        &["01-00 late 0", "01-01 late 0", "01-02 late 0"],
    );
    check(
        none,
        later,
        &["01-00 missed", "01-01 missed", "01-02 missed"],
    );
    // The last one is on time, whatever came before it.
    let just = "2026-01-01T02:00:30Z";
    check(
        latest,
        just,
        &["01-00 missed", "01-01 missed", "01-02 run 2"],
    );
    check(all, just, &["01-00 late 0", "01-01 late 0", "01-02 run 0"]);
    check(none, just, &["01-00 missed", "01-01 missed", "01-02 run 2"]);
}

#[test]
fn what_is_older_than_the_window_is_missed() {
    let short = |catch_up| Rules {
        catch_up_window_s: 3600,
        ..rules(catch_up)
    };
    let later = "2026-01-01T02:10:00Z";
    check(
        &short(CatchUp::All),
        later,
        &["01-00 missed", "01-01 missed", "01-02 late 2"],
    );
    let shorter = Rules {
        catch_up_window_s: 60,
        ..short(CatchUp::Latest)
    };
    check(
        &shorter,
        later,
        &["01-00 missed", "01-01 missed", "01-02 missed"],
    );
}

#[test]
fn a_late_firing_says_so_and_one_on_time_says_nothing() {
    let hourly = schedule("0 * * * *", "UTC");
    let due = at("2026-01-01T00:00:00Z");
    let said = |now| {
        plan(&hourly, &Rules::USUAL, due, at(now))
            .fire
            .remove(0)
            .reason
    };
    assert_eq!(said("2026-01-01T00:00:01Z"), None);
    assert_eq!(said("2026-01-01T00:10:00Z").unwrap(), "caught up late");
    let text = "caught up late, for 3 earlier firings too";
    assert_eq!(said("2026-01-01T03:10:00Z").unwrap(), text);
}

#[test]
fn a_year_of_seconds_is_not_walked_through() {
    let every_second = schedule("* * * * * *", "UTC");
    let now = at("2027-01-01T00:00:00.5Z");
    let start = at("2026-01-01T00:00:00Z");
    let latest = plan(&every_second, &Rules::USUAL, start, now);
    assert_eq!(latest.fire[0].due, at("2027-01-01T00:00:00Z"));
    assert_eq!(latest.missed.len(), CATCH_UP_ROWS_MAX);
    assert!(
        latest.missed[0].1.contains("not listed") && !latest.missed[1].1.contains("not listed")
    );
    let all = plan(&every_second, &rules(CatchUp::All), start, now);
    assert_eq!(all.fire.len(), CATCH_UP_ROWS_MAX);
    assert_eq!((all.missed.len(), all.fire[0].missed), (1, 1));
}

#[test]
fn jitter_is_the_same_for_one_task_and_spread_over_many() {
    let rules = Rules {
        jitter_s: 10,
        ..Rules::USUAL
    };
    let tasks: Vec<Uuid> = (0..200).map(|_| Uuid::new_v4()).collect();
    let starts: Vec<TimeDelta> = tasks.iter().map(|task| rules.jitter(*task)).collect();
    assert_eq!(
        starts,
        tasks.iter().map(|t| rules.jitter(*t)).collect::<Vec<_>>()
    );
    assert!(
        starts
            .iter()
            .all(|start| (0..10).contains(&start.num_seconds()))
    );
    let early = starts
        .iter()
        .filter(|start| start.num_seconds() < 5)
        .count();
    assert!(
        (50..150).contains(&early),
        "{early} of 200 in the first half"
    );
    assert_eq!(Rules::USUAL.jitter(tasks[0]), TimeDelta::zero());
}

/// Nodes come and go while a simulated clock runs: looks at random moments, each of which handles all
/// that is due. Answers every time that was handled, in the order of handling, and how.
fn simulate(
    rules: &Rules,
    cron: &str,
    start: DateTime<Utc>,
    looks: &[i64],
) -> Vec<(DateTime<Utc>, bool)> {
    let schedule = schedule(cron, "Europe/Berlin");
    let (mut now, mut handled) = (start, Vec::new());
    let mut next = schedule.next_after(start);
    for pause in looks {
        now += TimeDelta::seconds(*pause);
        let Some(due) = next.filter(|due| *due <= now) else {
            continue;
        };
        let Plan {
            missed,
            fire,
            last,
            next: later,
        } = plan(&schedule, rules, due, now);
        let mut all: Vec<_> = missed.into_iter().map(|(time, _)| (time, false)).collect();
        all.extend(fire.into_iter().map(|firing| (firing.due, true)));
        all.sort();
        assert_eq!(all.last().unwrap().0, last);
        handled.extend(all);
        next = later;
    }
    handled
}

fn any_catch_up() -> impl Strategy<Value = CatchUp> {
    prop_oneof![
        Just(CatchUp::Latest),
        Just(CatchUp::All),
        Just(CatchUp::None)
    ]
}

proptest! {
    #[test]
    fn no_due_time_is_lost_and_none_is_handled_twice(
        catch_up in any_catch_up(),
        minutes in 1_u32..50,
        seconds in 1_700_000_000_i64..1_800_000_000,
        looks in proptest::collection::vec(1_i64..5_000, 1..40),
    ) {
        let cron = format!("*/{minutes} * * * *");
        let start = DateTime::from_timestamp(seconds, 0).unwrap();
        let handled = simulate(&rules(catch_up), &cron, start, &looks);
        let times: Vec<_> = handled.iter().map(|(time, _)| *time).collect();
        // Exactly the firings of the schedule, one after the other, up to the last look that saw one.
        let expected: Vec<_> = schedule(&cron, "Europe/Berlin").after(start).take(times.len()).collect();
        prop_assert_eq!(times, expected);
    }

    #[test]
    fn a_plan_goes_on_after_the_latest(
        catch_up in any_catch_up(),
        cron in any_cron(),
        seconds in 1_700_000_000_i64..1_800_000_000,
        away in 0_i64..4_000_000,
    ) {
        let schedule = schedule(&cron, "Europe/Berlin");
        let due = schedule.next_after(DateTime::from_timestamp(seconds, 0).unwrap()).unwrap();
        let now = due + TimeDelta::seconds(away);
        let plan = plan(&schedule, &rules(catch_up), due, now);
        prop_assert!(due <= plan.last && plan.last <= now);
        prop_assert!(plan.missed.len() + plan.fire.len() <= CATCH_UP_ROWS_MAX + 1);
        prop_assert!(plan.fire.is_sorted_by(|a, b| a.due < b.due));
        prop_assert!(plan.missed.is_sorted_by(|(a, _), (b, _)| a < b));
        prop_assert_eq!(schedule.next_after(plan.last), plan.next);
        prop_assert!(plan.next.is_none_or(|next| next > now));
        if catch_up == CatchUp::None {
            prop_assert!(plan.fire.iter().all(|firing| now - firing.due <= LATE_AFTER));
        }
    }
}
