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

const NOW: Timestamp = Timestamp::from_unix_micros(0);

fn ask(identity: &Identity, command: Command, row: Option<&Row>) -> Question {
    Question {
        identity: identity.clone(),
        command,
        table: table(),
        row: row.cloned(),
        set: Row::new(),
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
    let (schema, alice) = (team(), user(json!({})));
    let found = explain(&schema, &ask(&alice, Command::Select, None), NOW);
    assert_eq!(found.verdict, Verdict::Depends);
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
    let sql = found.sql.unwrap();
    let using = sql.using.unwrap();
    assert!(using.contains(r#"t."owner_id" = $1::uuid"#), "{using}");
    assert!(using.ends_with(r#"AND (NOT t."hold"))"#), "{using}");
    assert_eq!(sql.binds[0], json!(ALICE));
}

#[test]
fn the_first_failing_test_is_named_with_its_place() {
    let (schema, alice) = (team(), user(json!({})));
    let check = |cells: Json, verdict: Verdict, failing: Option<(&str, &str, u64, u64)>| {
        let row = row(cells.clone());
        let found = explain(&schema, &ask(&alice, Command::Select, Some(&row)), NOW);
        assert_eq!(found.verdict, verdict, "{cells}");
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
    check(
        json!({"owner_id": ALICE, "hold": false}),
        Verdict::Allowed,
        None,
    );
    check(
        json!({"owner_id": other, "hold": false}),
        Verdict::Denied,
        Some(("own", "owner_id = auth.uid()", 1, 1)),
    );
    check(
        json!({"owner_id": ALICE, "status": "closed", "hold": false}),
        Verdict::Denied,
        Some(("own", "status is null", 2, 8)),
    );
    check(
        json!({"owner_id": ALICE, "hold": true}),
        Verdict::Denied,
        Some(("held", "hold", 1, 1)),
    );
    check(
        json!({"owner_id": ALICE, "hold": null}),
        Verdict::Denied,
        Some(("held", "hold", 1, 1)),
    );
}

#[test]
fn an_update_is_explained_by_both_rows() {
    let (schema, alice) = (team(), user(json!({})));
    let old = row(json!({"owner_id": ALICE, "hold": false}));
    let question = Question {
        set: row(json!({"owner_id": "00000000-0000-0000-0000-000000000001"})),
        ..ask(&alice, Command::Update, Some(&old))
    };
    let found = explain(&schema, &question, NOW);
    assert_eq!(found.verdict, Verdict::Denied);
    assert_eq!(found.reason.unwrap().code, "row_denied");
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
    let schema = team();
    let nightly = service(&["todos"]);
    let check = |identity: &Identity, command, verdict, code: Option<&str>| {
        let found = explain(&schema, &ask(identity, command, None), NOW);
        assert_eq!(found.verdict, verdict, "{command}");
        assert_eq!(found.reason.map(|reason| reason.code), code, "{command}");
    };
    let nobody = &Identity::Anonymous;
    check(
        nobody,
        Command::Select,
        Verdict::Denied,
        Some("denied_by_claims"),
    );
    check(nobody, Command::Delete, Verdict::Denied, Some("no_policy"));
    check(&nightly, Command::Delete, Verdict::Allowed, None);
    let question = Question {
        table: "nowhere".parse().unwrap(),
        ..ask(&nightly, Command::Select, None)
    };
    let found = explain(&schema, &question, NOW);
    assert_eq!(found.reason.unwrap().code, "unknown_table");
}

#[test]
fn a_mask_that_does_not_cover_the_request_is_said() {
    let schema = schema(&[
        json!({"name": "public", "commands": ["select"], "using": "true", "read": ["id"]}),
        json!({"name": "own", "commands": ["select"], "using": "owner_id = auth.uid()"}),
    ]);
    let alice = user(json!({}));
    let title: ColumnName = "title".parse().unwrap();
    let question = Question {
        columns: ([title].into(), Default::default()),
        ..ask(&alice, Command::Select, None)
    };
    let found = explain(&schema, &question, NOW);
    let why_not = found.policies[0].why_not.as_deref();
    assert_eq!(why_not, Some("it does not cover the column title"));
    let using = found.sql.unwrap().using.unwrap();
    assert_eq!(using, r#"(t."owner_id" = $1::uuid)"#);
}

#[test]
fn subqueries_say_whose_policies_apply_inside() {
    let inside = "exists (select 1 from todos x where x.id = 1)";
    let schema = schema(&[
        json!({"name": "write", "commands": ["insert"], "check": inside}),
        json!({"name": "read", "commands": ["select"], "using": "true"}),
    ]);
    let alice = user(json!({}));
    let new = row(json!({"id": 2}));
    let found = explain(&schema, &ask(&alice, Command::Insert, Some(&new)), NOW);
    // The rows of the subquery's table are not known here.
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(found.subqueries[0].policies, ["read"]);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["subqueries"][0]["table"], "todos");
    assert_eq!(json["policies"][0]["effect"], "allow");
    assert_eq!(json["subqueries"][0]["policy_readable"], false);
    let policies = schema.table(&table()).unwrap().policies();
    let sources = policies.iter().map(|policy| policy.source().clone());
    let readable = [table()].into();
    let reading = Schema::build_reading(
        vec![todos()],
        sources.collect(),
        Claims::default(),
        &readable,
    );
    let found = explain(
        &reading.unwrap(),
        &ask(&alice, Command::Insert, Some(&new)),
        NOW,
    );
    assert!(found.subqueries[0].policy_readable && found.subqueries[0].policies.is_empty());
}

#[test]
fn coverage_tells_the_tests_that_were_never_seen_both_ways() {
    let (schema, alice) = (team(), user(json!({})));
    let mut coverage = Coverage::of(&schema);
    for cells in [
        json!({"owner_id": ALICE, "hold": false}),
        json!({"owner_id": ALICE, "status": "closed", "hold": false}),
    ] {
        let row = row(cells);
        coverage.see(&schema, &ask(&alice, Command::Select, Some(&row)), NOW);
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
    let found = explain(
        &schema,
        &ask(&Identity::Anonymous, Command::Insert, None),
        NOW,
    );
    assert_eq!(found.sql.unwrap().check.unwrap(), "TRUE");
    assert_eq!(found.verdict, Verdict::Allowed);
}
