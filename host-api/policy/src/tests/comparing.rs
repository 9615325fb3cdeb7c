//! What the evaluator says of values of each type, beside one another and beside NULL; and which type
//! values of several numbers have.

use super::fixtures::{filter, shape, sql};
use crate::*;

const ROW: &[(&str, &str)] = &[
    ("done", "true"),
    ("n", "2"),
    ("big", "2"),
    ("ratio", "1.5"),
    ("price", "1.50"),
    ("title", "b"),
    ("owner_id", "123e4567-e89b-12d3-a456-426614174000"),
    ("created_at", "2024-01-02T00:00:00Z"),
    ("day", "2024-01-02"),
    ("small", "2"),
    ("factor", "0.5"),
    ("opens", "10:00:00"),
];

fn row() -> Row {
    let shape = shape();
    let mut row: Row = ROW
        .iter()
        .map(|(name, text)| {
            let ty = shape.column(name).unwrap().ty;
            (name.parse().unwrap(), Value::parse(text, ty).unwrap())
        })
        .collect();
    let list = |items: Vec<Value>| Value::List(items);
    let text = |text: &str| Value::Text(text.to_owned());
    row.insert("tags".parse().unwrap(), list(vec![text("a"), Value::Null]));
    let counts = list(vec![Value::Integer(1), Value::Integer(2)]);
    row.insert("counts".parse().unwrap(), counts);
    row
}

fn asked(text: &str, row: &Row) -> Option<bool> {
    match filter(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Filter::When(expr) => evaluate(&expr, row),
        folded => panic!("{text}: {folded:?}"),
    }
}

#[test]
fn values_of_each_type_have_an_order() {
    let row = row();
    for (column, below, above) in [
        ("n", "1", "3"),
        ("small", "1", "3"),
        ("big", "1", "3"),
        ("ratio", "1.25", "1.75"),
        ("price", "1.49", "1.51"),
        ("factor", "0.25", "0.75"),
        ("title", "'a'", "'c'"),
        (
            "owner_id",
            "'023e4567-e89b-12d3-a456-426614174000'",
            "'223e4567-e89b-12d3-a456-426614174000'",
        ),
        (
            "created_at",
            "'2024-01-01T23:59:59Z'",
            "'2024-01-02T00:00:01Z'",
        ),
        ("day", "'2024-01-01'", "'2024-01-03'"),
        ("opens", "'09:59:59'", "'10:00:01'"),
    ] {
        for (op, other, expected) in [
            (">", below, true),
            ("<", below, false),
            ("=", below, false),
            ("<>", below, true),
            (">=", above, false),
            ("<=", above, true),
            ("is distinct from", above, true),
        ] {
            let text = format!("{column} {op} {other}");
            assert_eq!(asked(&text, &row), Some(expected), "{text}");
        }
        let nothing = Row::new();
        assert_eq!(asked(&format!("{column} = {below}"), &nothing), None);
        let distinct = format!("{column} is distinct from {below}");
        assert_eq!(asked(&distinct, &nothing), Some(true), "{distinct}");
    }
}

#[test]
fn numbers_of_different_types_compare() {
    let row = row();
    for (text, expected) in [
        ("n > ratio", true),
        ("ratio < big", true),
        ("ratio > n", false),
        ("factor < ratio", true),
        ("factor < small", true),
        ("small = n", true),
        ("n = big", true),
        ("price < n", true),
        ("big > price", true),
        ("price = 1.5", true),
        ("n between factor and ratio", false),
        ("coalesce(n, big) = 2", true),
    ] {
        assert_eq!(asked(text, &row), Some(expected), "{text}");
    }
    let nothing = Row::new();
    assert_eq!(asked("n is distinct from small", &nothing), Some(false));
    assert_eq!(asked("n is not distinct from small", &nothing), Some(true));
    assert_eq!(asked("n = small", &nothing), None);
}

#[test]
fn arrays_compare_item_by_item() {
    let row = row();
    for (text, expected) in [
        ("counts = array[1, 2]", Some(true)),
        ("counts = array[1]", Some(false)),
        ("counts = array[2, 1]", Some(false)),
        ("counts <> array[1, 3]", Some(true)),
        ("tags = array['a', null]", Some(true)),
        ("tags = array[null, 'a']", Some(false)),
        ("tags is distinct from array['a', 'b']", Some(true)),
        ("2 = any (counts)", Some(true)),
        ("3 = any (counts)", Some(false)),
        ("'b' = any (tags)", None),
    ] {
        assert_eq!(asked(text, &row), expected, "{text}");
    }
}

#[test]
fn a_number_of_several_columns_has_the_widest_type() {
    for (pair, ty) in [
        // Every whole number travels as the largest of its kind.
        ("small, n", "bigint"),
        ("big, n", "bigint"),
        ("big, price", "numeric"),
        ("price, small", "numeric"),
        ("factor, big", "real"),
        ("small, factor", "real"),
        ("factor, ratio", "double precision"),
        ("ratio, n", "double precision"),
    ] {
        let text = format!("coalesce({pair}) = $1");
        let (_, binds) = sql(&text, &[Value::Integer(1)]);
        assert_eq!(binds[0].1.to_string(), ty, "{text}");
    }
}

#[test]
fn numbers_become_those_of_their_column() {
    let check = |value: Value, ty: ColumnType, expected: Value| {
        assert_eq!(value.coerce(ty).unwrap(), expected);
    };
    let numeric = |text: &str| Value::Numeric(text.to_owned());
    check(Value::Integer(5), ColumnType::Numeric, numeric("5"));
    check(Value::Integer(5), ColumnType::Double, Value::Float(5.0));
    check(Value::Integer(5), ColumnType::Real, Value::Float(5.0));
    check(Value::Float(0.5), ColumnType::Numeric, numeric("0.5"));
    for (float, text) in [
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ] {
        check(Value::Float(float), ColumnType::Numeric, numeric(text));
    }
}

#[test]
fn zones_have_hours_and_minutes() {
    let at = |zone: &str| {
        Value::parse(
            &format!("2024-01-02T00:00:00{zone}"),
            ColumnType::Timestamptz,
        )
    };
    for zone in ["Z", "z", "+15", "-15:59", "+0530", "-00"] {
        assert!(at(zone).is_ok(), "{zone}");
    }
    for zone in ["+16", "-16:00", "+01:60", "+1", "", "+1:0", "*01"] {
        assert!(at(zone).is_err(), "{zone}");
    }
}

#[test]
fn a_condition_names_the_columns_of_its_row() {
    let Filter::When(expr) = filter("n = 1 or (title = 'a' and big in (2, 3))", &[]).unwrap()
    else {
        panic!("it was folded")
    };
    let names: Vec<_> = expr.columns().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["big", "n", "title"]);
}

/// NULL on one side is enough, and one of several says as much as all.
#[test]
fn what_is_null_is_folded() {
    let null = [Value::Null];
    for text in [
        "title like $1",
        "title ilike $1",
        "title = $1",
        "$1 < n",
        "$1 in (n, big)",
        "title = $1 and n = 1",
    ] {
        assert_eq!(filter(text, &null).unwrap(), Filter::Nothing, "{text}");
    }
    let (text, _) = sql("not (n = $1 or done)", &null);
    assert_eq!(text, "FALSE");
    let (text, _) = sql(
        "(done and (n = $1 or big = $1 or title = $1)) is null",
        &null,
    );
    assert_eq!(text.matches("NULL::boolean").count(), 1, "{text}");
}

#[test]
fn truth_values_compare_and_lists_of_columns_are_searched() {
    let row = row();
    for (text, expected) in [
        ("done = (n = 2)", Some(true)),
        ("done = (n = 1)", Some(false)),
        ("done <> (n = 1)", Some(true)),
        ("n in (1, big)", Some(true)),
        ("n in (1, small)", Some(true)),
        ("n in (5, ratio)", Some(false)),
    ] {
        assert_eq!(asked(text, &row), expected, "{text}");
    }
}

/// Among operands of several kinds of number the widest decides what a bare number is.
#[test]
fn a_bare_number_is_of_the_widest_type_beside_it() {
    for (text, ty) in [
        ("n in (ratio, 1.5)", "double precision"),
        ("ratio in (n, 1.5)", "double precision"),
        ("n in (factor, 1.5)", "double precision"),
        ("factor in (factor, 0.1)", "real"),
        ("price in (n, 1)", "numeric"),
    ] {
        let (_, binds) = sql(text, &[]);
        assert_eq!(binds[0].1.to_string(), ty, "{text}");
    }
}
