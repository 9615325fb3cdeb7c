//! Guest filters: parameters, and what is refused.

use super::fixtures::{filter, sql};
use crate::*;

#[test]
fn parameters_take_the_type_of_their_column() {
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    let (text, binds) = sql(
        "owner_id = $1 and n > $2",
        &[Value::Text(uuid.into()), Value::Integer(5)],
    );
    assert_eq!(
        text,
        r#"((t."owner_id" = $1::uuid) AND (t."n" > $2::bigint))"#
    );
    assert_eq!(
        binds[0],
        (Value::Uuid(uuid.parse().unwrap()), ColumnType::Uuid)
    );

    let list = Value::Json(serde_json::json!(["a", "b", null]));
    let (text, binds) = sql("title = any ($1)", &[list]);
    assert_eq!(text, r#"(t."title" = ANY ($1::text[]))"#);
    let items = vec![
        Value::Text("a".into()),
        Value::Text("b".into()),
        Value::Null,
    ];
    assert_eq!(binds, [(Value::List(items), ColumnType::Text)]);

    assert_eq!(
        filter("n = any ($1)", &[Value::List(Vec::new())]),
        Ok(Filter::Nothing)
    );
    assert_eq!(
        filter("n <> all ($1)", &[Value::List(Vec::new())]),
        Ok(Filter::All)
    );
    assert_eq!(filter("n = $1", &[Value::Null]), Ok(Filter::Nothing));
    assert_eq!(
        filter("$1 = 'a'", &[Value::Text("a".into())]),
        Ok(Filter::All)
    );
    let (text, _) = sql("title like $1", &[Value::Text("a%".into())]);
    assert_eq!(text, r#"(t."title" LIKE $1::text)"#);
}

#[test]
fn filters_outside_the_rules_are_refused() {
    let check = |text: &str, params: &[Value], code: &str, expected: &str| {
        let error = filter(text, params).unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
    };
    let text = |text: &str| Value::Text(text.to_owned());
    check(
        "ownr_id = $1",
        &[text("x")],
        "unknown_column",
        "there is no column ownr_id; did you mean owner_id?",
    );
    check(
        "password = 'x'",
        &[],
        "unknown_column",
        "line 1, column 1: there is no column password",
    );
    check(
        "other.title = 'x'",
        &[],
        "invalid_condition",
        "other is not the table",
    );
    check(
        "old.title = 'x'",
        &[],
        "invalid_condition",
        "write the column alone",
    );
    check(
        "owner_id = $1",
        &[text("x")],
        "invalid_condition",
        "column 12: the text does not read as uuid",
    );
    check(
        "owner_id = $2",
        &[text("x")],
        "invalid_condition",
        "there is no parameter $2: 1 were given",
    );
    check(
        "n = 1",
        &[text("x")],
        "invalid_filter",
        "1 parameters for a text that mentions 0",
    );
    check("", &[text("x")], "invalid_filter", "1 parameters");
    check("title = $1", &[text("a\0")], "invalid_condition", "U+0000");
    check("title = 'a\0'", &[], "invalid_condition", "U+0000");
    check(
        "n = $1",
        &[Value::Boolean(true)],
        "invalid_condition",
        "expected bigint, found a boolean",
    );
    check(
        "title = $1",
        &[Value::Integer(1)],
        "invalid_condition",
        "expected text, found an integer",
    );
    check(
        "n = any ($1)",
        &[Value::Integer(1)],
        "invalid_condition",
        "parameter $1 is not a list",
    );
    let long = Value::List(vec![Value::Integer(1); LIST_ITEMS_MAX + 1]);
    check(
        "n = any ($1)",
        &[long],
        "invalid_filter",
        "1001 items; send at most 1000",
    );
    check(
        "title",
        &[],
        "invalid_condition",
        "a condition is needed here, found text",
    );
    check(
        "title and done",
        &[],
        "invalid_condition",
        "a condition is needed here",
    );
    check(
        "title = owner_id",
        &[],
        "invalid_condition",
        "uuid and text do not compare",
    );
    check(
        "owner_id = (auth.jwt() ->> 'org')",
        &[],
        "invalid_condition",
        "(auth.jwt() ->> 'claim')::uuid",
    );
    check(
        "price = ratio",
        &[],
        "invalid_condition",
        "the conversion could overflow",
    );
    check(
        "title > 1",
        &[],
        "invalid_condition",
        "expected text, found an integer",
    );
    check(
        "meta = '{}'",
        &[],
        "invalid_condition",
        "JSON does not compare",
    );
    check(
        "auth.jwt() -> 'a' = 'x'",
        &[],
        "invalid_condition",
        "with ->>",
    );
    check(
        "(auth.jwt() -> 'a')::uuid = owner_id",
        &[],
        "invalid_condition",
        "as text with ->> first",
    );
    check(
        "n::text = 'x'",
        &[],
        "invalid_condition",
        "casts are for literals and claims",
    );
    check(
        "created_at > '2024-01-01'",
        &[],
        "invalid_condition",
        "write it as 2024-05-31T13:45:00Z",
    );
    check(
        "day < created_at",
        &[],
        "invalid_condition",
        "date and timestamptz do not compare",
    );
    check(
        "n like 'x'",
        &[],
        "invalid_condition",
        "like is for text, found integer",
    );
    check(
        "title like title",
        &[],
        "invalid_condition",
        "the pattern of like is a literal",
    );
    check(
        "title like 'x\\'",
        &[],
        "invalid_condition",
        "nothing to escape",
    );
    check(
        "lower(n) = 'x'",
        &[],
        "invalid_condition",
        "lower is for text",
    );
    check("n = 1e5", &[], "invalid_condition", "write digits");
    check(
        "coalesce(n, 'x') = 1",
        &[],
        "invalid_condition",
        "the text does not read as bigint",
    );
    check("1", &[], "invalid_condition", "expected boolean");
}
