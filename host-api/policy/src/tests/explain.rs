//! Explanations, and which tests of policies were seen.

use serde_json::{Value as Json, json};

use super::decisions::{ALICE, policy, schema, service, todos, user};
use crate::*;

fn table() -> TableName {
    "todos".parse().unwrap()
}

fn row(cells: Json) -> Row {
    let shape = todos();
    let cells = cells.as_object().unwrap().iter();
    cells
        .map(|(name, json)| {
            let column = shape.column(name).unwrap();
            let value = Value::from_json(json.clone(), column.ty).unwrap();
            (column.name.clone(), value)
        })
        .collect()
}

fn ask<'a>(
    identity: &'a Identity,
    command: Command,
    table: &'a TableName,
    row: Option<&'a Row>,
) -> Question<'a> {
    Question {
        identity,
        command,
        table,
        now: Timestamp::from_unix_micros(0),
        row,
        old: None,
        columns: Default::default(),
    }
}

fn team() -> Schema {
    schema(&[
        json!({"name": "own", "commands": ["select", "update"], "roles": ["authenticated"],
               "using": "owner_id = auth.uid()\n  and (status is null or status <> 'closed')",
               "check": "owner_id = old.owner_id"}),
        json!({"name": "staff", "commands": ["select"], "roles": ["staff"], "using": "true"}),
        json!({"name": "paid", "commands": ["select"], "using": "auth.jwt() ->> 'plan' = 'pro'"}),
        json!({"name": "held", "commands": ["select", "update"], "effect": "deny", "using": "hold", "check": "hold"}),
    ])
}

#[test]
fn an_explanation_names_what_applied_and_what_not() {
    let (schema, alice, todos) = (team(), user(json!({})), table());
    let found = explain(&schema, &ask(&alice, Command::Select, &todos, None));
    assert_eq!(
        (found.allowed, found.role, found.uid.as_deref()),
        (Some(true), "authenticated", Some(ALICE))
    );
    let applied: Vec<_> = found
        .policies
        .iter()
        .map(|p| (p.name.as_str(), p.applies))
        .collect();
    assert_eq!(
        applied,
        [
            ("own", true),
            ("staff", false),
            ("paid", false),
            ("held", true)
        ]
    );
    let why_not = |index: usize| found.policies[index].why_not.as_deref();
    assert_eq!(
        why_not(1),
        Some("it is for staff; the caller is authenticated")
    );
    assert_eq!(
        why_not(2),
        Some("with the caller's claims it holds for no row")
    );
    assert_eq!(
        found.policies[0].folded,
        format!("owner_id = '{ALICE}'::uuid and (status is null or status <> 'closed')")
    );
    assert_eq!(found.conditions.len(), 1);
    assert!(
        found.conditions[0].text.ends_with("and not hold"),
        "{}",
        found.conditions[0].text
    );
    assert!(
        found.conditions[0]
            .sql
            .contains(r#"t."owner_id" = $1::uuid"#)
    );
}

#[test]
fn the_first_failing_test_is_named_with_its_place() {
    let (schema, alice, todos) = (team(), user(json!({})), table());
    let check = |cells: Json, allowed: bool, failing: Option<(&str, &str, u64, u64)>| {
        let row = row(cells.clone());
        let found = explain(&schema, &ask(&alice, Command::Select, &todos, Some(&row)));
        assert_eq!(found.allowed, Some(allowed), "{cells}");
        let named = found.policies.iter().find_map(|policy| {
            let atom = policy.failing.as_ref()?;
            Some((
                policy.name.as_str(),
                atom.text.as_str(),
                atom.line,
                atom.column,
            ))
        });
        assert_eq!(named, failing, "{cells}");
    };
    let other = "00000000-0000-0000-0000-000000000001";
    check(json!({"owner_id": ALICE, "hold": false}), true, None);
    check(
        json!({"owner_id": other, "hold": false}),
        false,
        Some(("own", "owner_id = auth.uid()", 1, 1)),
    );
    check(
        json!({"owner_id": ALICE, "status": "closed", "hold": false}),
        false,
        Some(("own", "status is null", 2, 8)),
    );
    check(
        json!({"owner_id": ALICE, "hold": true}),
        false,
        Some(("held", "hold", 1, 1)),
    );
    check(
        json!({"owner_id": ALICE, "hold": null}),
        false,
        Some(("held", "hold", 1, 1)),
    );
}

#[test]
fn an_update_is_explained_by_both_rows() {
    let (schema, alice, todos) = (team(), user(json!({})), table());
    let (old, new) = (
        row(json!({"owner_id": ALICE, "hold": false})),
        row(json!({"owner_id": "00000000-0000-0000-0000-000000000001", "hold": false})),
    );
    let question = Question {
        old: Some(&old),
        ..ask(&alice, Command::Update, &todos, Some(&new))
    };
    let found = explain(&schema, &question);
    assert_eq!(found.allowed, Some(false));
    let passes: Vec<_> = found.conditions.iter().map(|c| (c.on, c.passes)).collect();
    assert_eq!(passes, [("using", Some(true)), ("check", Some(false))]);
    let check = found
        .policies
        .iter()
        .find(|p| p.clause == Clause::Check)
        .unwrap();
    assert_eq!(
        check.failing.as_ref().unwrap().text,
        "owner_id = old.owner_id"
    );
}

#[test]
fn denials_and_bypasses_are_said() {
    let (schema, todos) = (team(), table());
    let found = explain(
        &schema,
        &ask(&Identity::Anonymous, Command::Select, &todos, None),
    );
    assert_eq!(found.allowed, Some(false));
    assert_eq!(found.denied.unwrap().code, "denied_by_claims");
    let found = explain(
        &schema,
        &ask(&Identity::Anonymous, Command::Delete, &todos, None),
    );
    assert_eq!(found.denied.unwrap().code, "no_policy");
    let nightly = service(&["todos"]);
    let found = explain(&schema, &ask(&nightly, Command::Delete, &todos, None));
    assert_eq!((found.allowed, found.bypassed), (Some(true), true));
    let nowhere = "nowhere".parse().unwrap();
    let found = explain(&schema, &ask(&nightly, Command::Select, &nowhere, None));
    assert_eq!(found.denied.unwrap().code, "unknown_table");
}

#[test]
fn a_mask_that_does_not_cover_the_request_is_said() {
    let schema = schema(&[
        json!({"name": "public", "commands": ["select"], "using": "true", "read": ["id"]}),
        json!({"name": "own", "commands": ["select"], "using": "owner_id = auth.uid()"}),
    ]);
    let (alice, todos) = (user(json!({})), table());
    let title: ColumnName = "title".parse().unwrap();
    let question = Question {
        columns: ([title].into(), Default::default()),
        ..ask(&alice, Command::Select, &todos, None)
    };
    let found = explain(&schema, &question);
    let why_not = found.policies[0].why_not.as_deref();
    assert_eq!(why_not, Some("it does not cover the column title"));
    assert_eq!(
        found.conditions[0].text,
        format!("owner_id = '{ALICE}'::uuid")
    );
}

#[test]
fn subqueries_say_whose_policies_apply_inside() {
    let inside = "exists (select 1 from todos x where x.id = 1)";
    let schema = schema(&[
        json!({"name": "write", "commands": ["insert"], "check": inside}),
        json!({"name": "read", "commands": ["select"], "using": "true"}),
    ]);
    let (alice, todos) = (user(json!({})), table());
    let new = row(json!({"id": 2}));
    let found = explain(&schema, &ask(&alice, Command::Insert, &todos, Some(&new)));
    // The rows of the subquery's table are not known here.
    assert_eq!(found.allowed, None);
    assert_eq!(found.subqueries[0].policies, ["read"]);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["subqueries"][0]["table"], "todos");
    assert_eq!(json["policies"][0]["effect"], "allow");
}

#[test]
fn coverage_tells_the_tests_that_were_never_seen_both_ways() {
    let (schema, alice, todos) = (team(), user(json!({})), table());
    let mut coverage = Coverage::of(&schema);
    for cells in [
        json!({"owner_id": ALICE, "hold": false}),
        json!({"owner_id": ALICE, "status": "closed", "hold": false}),
    ] {
        let row = row(cells);
        coverage.see(&schema, &ask(&alice, Command::Select, &todos, Some(&row)));
    }
    let seen: Vec<_> = coverage
        .report()
        .into_iter()
        .map(|atom| (atom.text, atom.clause, atom.seen_true, atom.seen_false))
        .collect();
    let expect = |text: &str, clause, holds, fails| (text.to_owned(), clause, holds, fails);
    assert_eq!(
        seen,
        [
            expect("owner_id = auth.uid()", Clause::Using, true, false),
            expect("status is null", Clause::Using, true, true),
            expect("status <> 'closed'", Clause::Using, false, true),
            expect("owner_id = old.owner_id", Clause::Check, false, false),
            expect("true", Clause::Using, false, false),
            expect(
                "(auth.jwt() ->> 'plan') = 'pro'",
                Clause::Using,
                false,
                true
            ),
            expect("hold", Clause::Using, false, true),
            expect("hold", Clause::Check, false, false),
        ]
    );
}

#[test]
fn every_policy_of_the_schema_is_explained_without_a_row() {
    let shape = todos();
    let policies = vec![policy(json!({"commands": ["insert"], "check": "true"}))];
    let schema = Schema::build(vec![shape], policies).unwrap();
    let todos = table();
    let found = explain(
        &schema,
        &ask(&Identity::Anonymous, Command::Insert, &todos, None),
    );
    assert_eq!(found.conditions[0].text, "true");
    assert_eq!(found.allowed, Some(true));
}
