//! Schedules of a manifest, and those that are made over the API: the same fields, read the same way.
//!
//! Pure. What the fields mean is in [`crate::scheduler::rules`] and [`crate::scheduler::cron`].

use std::collections::BTreeSet;

use koyalite_policy::FunctionName;
use serde_json::Value as Json;

use super::ScheduleSpec;
use super::fields::Fields;
use crate::registry::error::{Mistake, RegistryError, refuse_if_any};
use crate::scheduler::cron::Schedule;
use crate::scheduler::rules::{
    BACKOFF_S_MAX, CATCH_UP_WINDOW_S_MAX, CatchUp, JITTER_S_MAX, Overlap, RETRIES_MAX, Rules,
    TIMEOUT_S_MAX,
};

/// More belong into several functions: they share one log and one limit.
pub(crate) const SCHEDULES_MAX: usize = 50;

impl ScheduleSpec {
    /// Reads one schedule by itself.
    ///
    /// # Errors
    /// `Invalid` with every mistake, each with its field.
    pub fn parse(value: &Json) -> Result<Self, RegistryError> {
        let mut mistakes = Vec::new();
        let spec = Fields::of(value, "", &mut mistakes).and_then(|mut fields| one(&mut fields));
        refuse_if_any(mistakes)?;
        spec.ok_or_else(|| RegistryError::invalid("", "a schedule is an object of fields"))
    }
}

pub(super) fn list(fields: &mut Fields<'_>) -> Vec<ScheduleSpec> {
    let list = match fields.take("schedules") {
        None => return Vec::new(),
        Some(Json::Array(list)) => list,
        Some(_) => {
            fields.wrong("schedules", "write a list of tables: [[schedules]]");
            return Vec::new();
        }
    };
    if list.len() > SCHEDULES_MAX {
        fields.wrong(
            "schedules",
            format!("a function has at most {SCHEDULES_MAX} schedules"),
        );
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut schedules = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let field = format!("schedules[{index}]");
        let Some(mut inner) = Fields::of(value, &field, fields.mistakes) else {
            continue;
        };
        let Some(schedule) = one(&mut inner) else {
            continue;
        };
        if !names.insert(schedule.name.clone()) {
            inner.wrong("name", format!("a second schedule {:?}", schedule.name));
        }
        schedules.push(schedule);
    }
    schedules
}

fn one(fields: &mut Fields<'_>) -> Option<ScheduleSpec> {
    // The rule of a function's name: it appears in URLs and logs beside it.
    let name = match fields.text("name").map(str::parse::<FunctionName>) {
        Some(Ok(name)) => Some(name.to_string()),
        Some(Err(_)) => fields
            .wrong("name", "write lower-case letters, digits and dashes")
            .none(),
        None => fields.wrong("name", "write a name for the schedule").none(),
    };
    let timezone = fields.text("timezone").unwrap_or("UTC");
    let path = fields.path("path");
    let rules = rules(fields);
    let cron = match fields.text("cron") {
        None => fields
            .wrong("cron", "write a cron expression such as \"*/5 * * * *\"")
            .none(),
        Some(cron) => match Schedule::parse(cron, timezone) {
            Ok(_) => Some(cron.to_owned()),
            Err(error) => {
                let mut mistake = Mistake::new(fields.name(error.field()), &error);
                if let Some(column) = error.column() {
                    mistake = mistake.at(1, column);
                }
                fields.mistakes.push(mistake);
                None
            }
        },
    };
    fields.finish();
    Some(ScheduleSpec {
        name: name?,
        cron: cron?,
        timezone: timezone.to_owned(),
        path,
        rules,
    })
}

/// What the schedule says beside its times. Every field has a default.
fn rules(fields: &mut Fields<'_>) -> Rules {
    let usual = Rules::USUAL;
    let (overlap, catch_up) = (
        fields.word("overlap", Overlap::WORDS),
        fields.word("catch_up", CatchUp::WORDS),
    );
    let window = (
        "catch_up_window_s",
        usual.catch_up_window_s,
        CATCH_UP_WINDOW_S_MAX,
    );
    let backoff_s = fields.whole("backoff_s", usual.backoff_s, BACKOFF_S_MAX);
    let backoff_max_s = usual.backoff_max_s.max(backoff_s);
    let rules = Rules {
        overlap: overlap.unwrap_or_default(),
        catch_up: catch_up.unwrap_or_default(),
        catch_up_window_s: fields.whole(window.0, window.1, window.2),
        retries: fields.count("retries", RETRIES_MAX),
        backoff_s,
        backoff_max_s: fields.whole("backoff_max_s", backoff_max_s, BACKOFF_S_MAX),
        timeout_s: match fields.count("timeout_s", TIMEOUT_S_MAX) {
            0 => None,
            limit => Some(limit),
        },
        jitter_s: fields.count("jitter_s", JITTER_S_MAX),
    };
    if rules.backoff_max_s < rules.backoff_s {
        fields.wrong("backoff_max_s", "write at least as much as in `backoff_s`");
    }
    rules
}
