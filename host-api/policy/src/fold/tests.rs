//! Folding never changes a result. Conditions are made as text, so that the parser and the checker
//! are part of what is tested.

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::check::{Checker, OldRow, Project};
use crate::identity::User;
use crate::parse;
use crate::policy::Claims;
use crate::shape::{ColumnShape, TableShape};
use crate::types::ColumnType;

const IDS: [&str; 2] = [
    "123e4567-e89b-12d3-a456-426614174000",
    "00000000-0000-4000-8000-000000000001",
];

fn shape() -> TableShape {
    let columns = [
        ("b", ColumnType::Boolean),
        ("n", ColumnType::Integer),
        ("f", ColumnType::Double),
        ("p", ColumnType::Numeric),
        ("s", ColumnType::Text),
        ("u", ColumnType::Uuid),
        ("t", ColumnType::Timestamptz),
    ];
    let column = |(name, ty): (&str, ColumnType)| ColumnShape {
        name: name.parse().unwrap(),
        ty,
        nullable: true,
        has_default: false,
        primary_key: false,
        unique: false,
        values: None,
    };
    TableShape {
        name: "x".parse().unwrap(),
        columns: columns.map(column).to_vec(),
        unique_together: Vec::new(),
    }
}

fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(texts).prop_map(str::to_owned).boxed()
}

/// Operands that compare with one another.
fn operand() -> impl Strategy<Value = (String, String)> {
    let numbers = one_of(&[
        "n",
        "1",
        "0",
        "-2",
        "null",
        "(auth.jwt() ->> 'level')::int",
        "length(s)",
    ]);
    let floats = one_of(&[
        "f",
        "1.5",
        "2",
        "'NaN'::double precision",
        "'-Infinity'::float8",
        "coalesce(f, 0)",
    ]);
    let decimals = one_of(&[
        "p",
        "1.50",
        "-3",
        "(auth.jwt() ->> 'ratio')::numeric",
        "'NaN'::numeric",
        "n",
    ]);
    let texts = one_of(&[
        "s",
        "'a'",
        "'B'",
        "''",
        "null",
        "auth.role()",
        "auth.jwt() ->> 'name'",
        "lower(s)",
        "auth.uid()",
        "auth.jwt() ->> 'missing'",
        "coalesce(s, auth.jwt() ->> 'name')",
        "upper(coalesce(null, s))",
    ]);
    let uuids = one_of(&[
        "u",
        "auth.uid()",
        "coalesce((select auth.uid()), u)",
        "(auth.jwt() ->> 'team')::uuid",
        "'00000000-0000-4000-8000-000000000001'::uuid",
    ]);
    let times = one_of(&[
        "t",
        "now()",
        "timestamptz '2024-01-01T00:00:00Z'",
        "'infinity'::timestamptz",
    ]);
    let booleans = one_of(&[
        "b",
        "true",
        "null",
        "(auth.jwt() -> 'staff')::boolean",
        "coalesce(b, false)",
    ]);
    let pair = |side: BoxedStrategy<String>| (side.clone(), side);
    prop_oneof![
        pair(numbers),
        pair(floats),
        pair(decimals),
        pair(texts),
        pair(uuids),
        pair(times),
        pair(booleans)
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let operators = one_of(&[
        "=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "is distinct from",
        "is not distinct from",
    ]);
    let leaf = prop_oneof![
        6 => (operand(), operators).prop_map(|((a, b), op)| format!("{a} {op} {b}")),
        1 => operand().prop_map(|(a, b)| format!("{a} in ({b}, {a}, {b})")),
        1 => operand().prop_map(|(a, b)| format!("{a} not between {b} and {a}")),
        1 => operand().prop_map(|(a, _)| format!("{a} is null")),
        1 => one_of(&["s like 'a%'", "s not ilike '%B_'", "auth.jwt() ->> 'name' like '_%'", "b", "null"]),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(") and ("))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(") or ("))),
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            inner
                .clone()
                .prop_map(|inner| format!("({inner}) is not true")),
            inner
                .clone()
                .prop_map(|inner| format!("({inner}) is unknown")),
            inner.prop_map(|inner| format!("coalesce(({inner}), b, false)")),
        ]
    })
}

fn cell(values: Vec<Value>) -> impl Strategy<Value = Value> {
    prop_oneof![1 => Just(Value::Null), 4 => prop::sample::select(values)]
}

fn row() -> impl Strategy<Value = Row> {
    let text = |text: &str| Value::Text(text.to_owned());
    let numeric = |text: &str| Value::Numeric(text.to_owned());
    let time = |text: &str| Value::Timestamptz(text.to_owned());
    let columns = (
        cell(vec![Value::Boolean(true), Value::Boolean(false)]),
        cell((-2..4).map(Value::Integer).collect()),
        cell(
            [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                0.0,
                1.5,
                2.0,
            ]
            .map(Value::Float)
            .to_vec(),
        ),
        cell(["NaN", "1.5", "1.50", "-3", "0"].map(numeric).to_vec()),
        cell(
            ["", "a", "A", "ab", "b", "é", "authenticated"]
                .map(text)
                .to_vec(),
        ),
        cell(
            IDS.map(|id| Value::Uuid(id.parse::<Uuid>().unwrap()))
                .to_vec(),
        ),
        cell(
            [
                "1970-01-01T00:00:00Z",
                "2024-01-01 00:00:00+00",
                "infinity",
                "-infinity",
            ]
            .map(time)
            .to_vec(),
        ),
    );
    columns.prop_map(|(b, n, f, p, s, u, t)| {
        let cells = [
            ("b", b),
            ("n", n),
            ("f", f),
            ("p", p),
            ("s", s),
            ("u", u),
            ("t", t),
        ];
        cells
            .map(|(name, value)| (name.parse().unwrap(), value))
            .into()
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    let claims = prop::sample::select(vec![
        json!({}),
        json!({"level": 1, "name": "a", "staff": true, "team": IDS[0], "ratio": 1.5}),
        json!({"level": "2", "name": "", "staff": "no", "team": "none", "ratio": "x"}),
        json!({"level": null, "name": ["a"], "staff": false, "team": IDS[1]}),
    ]);
    let subject = prop::sample::select(vec![IDS[0], IDS[1], "bob", ""]);
    let user = (subject, claims).prop_map(|(subject, claims)| {
        let claims = claims.as_object().cloned().unwrap_or_default();
        Identity::User(User::new(subject.to_owned(), claims))
    });
    prop_oneof![1 => Just(Identity::Anonymous), 4 => user]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn folding_never_changes_a_result(text in condition(), row in row(), identity in identity()) {
        let syntax = parse::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        let claims = Claims::default();
        let project = Project { tables: &[], claims: &claims };
        let checked = Checker::for_policy(&shape(), project, OldRow::IsUsing).check(&syntax);
        let node = checked.map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?.0;
        let caller = Caller { identity: &identity, now: Timestamp::from_unix_micros(0), schema: None };
        let before = Scene { row: &row, old: None, caller: Some(caller) }.truth(&node);

        let folded = fold(node.clone(), caller);
        let scene = Scene { row: &row, old: None, caller: None };
        prop_assert_eq!(scene.truth(&folded), before, "{} became {:?}", text, folded);
        folded.visit(&mut |node| assert!(!matches!(node, Node::Claim { .. }), "{folded:?}"));

        // What is printed reads back, and means the same.
        let printed = crate::print::policy_text(&node, "x");
        let again = parse::parse(&printed).and_then(|syntax| {
            Checker::for_policy(&shape(), project, OldRow::IsUsing).check(&syntax)
        });
        let again = again.map_err(|e| TestCaseError::fail(format!("{text} as {printed}: {e}")))?.0;
        let reread = Scene { row: &row, old: None, caller: Some(caller) }.truth(&again);
        prop_assert_eq!(reread, before, "{} as {}", text, printed);

        for unknown in [Unknown::IsFalse, Unknown::IsTrue] {
            let settled = fold_under(node.clone(), caller, unknown);
            let counts_as = |truth: Option<bool>| truth.unwrap_or(unknown == Unknown::IsTrue);
            prop_assert_eq!(counts_as(scene.truth(&settled)), counts_as(before), "{} became {:?}", text, settled);
        }
    }
}
