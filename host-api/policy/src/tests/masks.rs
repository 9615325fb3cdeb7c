//! Masks against their definition, on random policies.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::columns::{name, set};
use super::decisions::{ask, schema};
use crate::*;

/// A policy for select on rows by their `hold` and `title`, with some mask.
fn some_policy() -> impl Strategy<Value = Json> {
    let using = [
        "hold",
        "not hold",
        "title = 'a'",
        "title <> 'a' or hold",
        "true",
        "null",
        "auth.role() = 'anon'",
    ];
    let masks = [
        json!(null),
        json!(["id"]),
        json!(["id", "title"]),
        json!(["title", "hold"]),
    ];
    let denies = prop::sample::select(using.to_vec());
    let allows = (denies.clone(), prop::sample::select(masks.to_vec()));
    prop_oneof![
        3 => allows.prop_map(|(using, read)| json!({"commands": ["select"], "using": using, "read": read})),
        1 => denies.prop_map(|using| json!({"commands": ["select"], "using": using, "effect": "deny"})),
    ]
}

/// By the definition: some allowing policy covers the columns and holds, and no denying one may.
fn passes(policies: &[Json], read: &BTreeSet<ColumnName>, row: &Row) -> bool {
    let holds = |policy: &&Json| {
        let using = policy["using"].as_str().unwrap();
        let open = schema(&[json!({"commands": ["select"], "using": "true"})]);
        let permit = ask(&open, &Identity::Anonymous, Command::Select).unwrap();
        match using {
            "null" => None,
            using => match parse_filter(using, &[], &permit).unwrap() {
                Filter::All => Some(true),
                Filter::Nothing => Some(false),
                Filter::When(expr) => evaluate(&expr, row),
            },
        }
    };
    let is_deny = |policy: &&Json| policy["effect"] == "deny";
    let covers = |policy: &&Json| match policy["read"].as_array() {
        None => true,
        Some(mask) => read
            .iter()
            .all(|column| mask.contains(&json!(column.as_str()))),
    };
    let mut allows = policies
        .iter()
        .filter(|policy| !is_deny(policy))
        .filter(covers);
    let mut denies = policies.iter().filter(is_deny);
    allows.any(|policy| holds(&policy) == Some(true))
        && denies.all(|policy| holds(&policy) == Some(false))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn masks_mean_what_they_are_defined_to_mean(
        policies in prop::collection::vec(some_policy(), 1..5),
        read in prop::sample::subsequence(vec!["id", "title", "hold"], 0..=3),
        hold in prop::sample::select(vec![Value::Null, Value::Boolean(true), Value::Boolean(false)]),
        title in prop::sample::select(vec!["a", "b"]),
    ) {
        let read = set(&read.join(" "));
        let row = Row::from([(name("hold"), hold), (name("title"), Value::Text(title.to_owned()))]);
        let permit = ask(&schema(&policies), &Identity::Anonymous, Command::Select);
        let narrowed = permit.as_ref().map_err(Clone::clone);
        let narrowed = narrowed.and_then(|permit| permit.for_columns(&read, &set("")));
        let found = match &narrowed {
            Err(_) => false,
            Ok(permit) => match permit.using() {
                Residual::True => true,
                Residual::When(expr) => evaluate(expr, &row) == Some(true),
            },
        };
        prop_assert_eq!(found, passes(&policies, &read, &row), "{:?} {:?}", policies, read);
    }
}
