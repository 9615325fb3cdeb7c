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
    let nothing_in_none = [Value::Null, Value::List(Vec::new())];
    assert_eq!(
        filter("$1 = any ($2)", &nothing_in_none),
        Ok(Filter::Nothing)
    );
    assert_eq!(filter("$1 <> all ($2)", &nothing_in_none), Ok(Filter::All));
    assert_eq!(filter("n = any ($1)", &[Value::Null]), Ok(Filter::Nothing));
    assert_eq!(filter("n = $1", &[Value::Null]), Ok(Filter::Nothing));
    assert_eq!(
        filter("$1 = 'a'", &[Value::Text("a".into())]),
        Ok(Filter::All)
    );
    let (text, _) = sql("title like $1", &[Value::Text("a%".into())]);
    assert_eq!(text, r#"(t."title" LIKE $1::text)"#);
}

/// A filter without parameters, and a part of its refusal.
const REFUSALS: &str = r#"
password = 'x' ==> line 1, column 1: there is no column password
other.title = 'x' ==> other is not the table
old.title = 'x' ==> write the column alone
tags < array['a'] ==> arrays compare with = and <> only
tags = counts ==> text[] and integer[] do not compare
tags = 'a' ==> does not read as text[]
n = any (tags) ==> integer and text do not compare
n = any (n) ==> column 10: any needs a list, found integer
tags = array[title] ==> column 14: the items of an array are literals
raw = '{}' ==> JSON does not compare
bytes = 'aGk=' ==> bytea does not compare; write is null
spot = '[1,2,3]' ==> vector(3) does not compare
factor = price ==> the conversion could overflow
opens > '25:00' ==> write it as 13:45:00
opens = created_at ==> do not compare
title ==> a condition is needed here, found text
title and done ==> a condition is needed here
title = owner_id ==> uuid and text do not compare
owner_id = (auth.jwt() ->> 'org') ==> (auth.jwt() ->> 'claim')::uuid
price = ratio ==> the conversion could overflow
title > 1 ==> expected text, found an integer
meta = '{}' ==> JSON does not compare
auth.jwt() -> 'a' = 'x' ==> with ->>
(auth.jwt() -> 'a')::uuid = owner_id ==> as text with ->> first
n::text = 'x' ==> casts are for literals and claims
created_at > '2024-01-01' ==> write it as 2024-05-31T13:45:00Z
day < created_at ==> date and timestamptz do not compare
n like 'x' ==> like is for text, found integer
title like title ==> the pattern of like is a literal
title like 'x\' ==> nothing to escape
lower(n) = 'x' ==> lower is for text
n = 1e5 ==> write digits
owner_id = coalesce(owner_id, title) ==> uuid and text do not compare
lower(coalesce(title, owner_id)) = 'a' ==> do not compare
coalesce(n, 'x') = 1 ==> the text does not read as bigint
1 ==> expected boolean
"#;

#[test]
fn filters_outside_the_rules_are_refused() {
    for line in REFUSALS.trim().lines() {
        let (text, expected) = line.split_once(" ==> ").unwrap();
        let error = filter(text, &[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        let unknown = expected.contains("there is no column");
        assert_eq!(error.code() == "unknown_column", unknown, "{text}: {error}");
    }
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let check = |filter_text: &str, params: &[Value], expected: &str| {
        let error = filter(filter_text, params).unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "{filter_text}: {error}"
        );
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let long = Value::List(vec![Value::Integer(1); LIST_ITEMS_MAX + 1]);
    check(
        "ownr_id = $1",
        &[text("x")],
        "there is no column ownr_id; did you mean owner_id?",
    );
    check(
        "owner_id = $1",
        &[text("x")],
        "column 12: the text does not read as uuid",
    );
    check(
        "owner_id = $2",
        &[text("x")],
        "there is no parameter $2: 1 were given",
    );
    check(
        "n = 1",
        &[text("x")],
        "1 parameters for a text that mentions 0",
    );
    check("", &[text("x")], "1 parameters");
    check("title = $1", &[text("a\0")], "U+0000");
    let list = Value::List(vec![text("a")]);
    check(
        "title = $1",
        std::slice::from_ref(&list),
        "expected text, found a list",
    );
    check("title like $1", &[list], "expected text, found a list");
    check("title = 'a\0'", &[], "U+0000");
    check(
        "n = $1",
        &[Value::Boolean(true)],
        "expected bigint, found a boolean",
    );
    check(
        "title = $1",
        &[Value::Integer(1)],
        "expected text, found an integer",
    );
    check(
        "n = any ($1)",
        &[Value::Integer(1)],
        "parameter $1 is not a list",
    );
    let few = Value::List(vec![Value::Integer(1); LIST_ITEMS_MAX]);
    assert!(filter("n = any ($1)", std::slice::from_ref(&few)).is_ok());
    check(
        "n = any ($1) or n = any ($2)",
        &[few, long],
        "parameter $2 has 1001 items; send at most 1000",
    );
}

/// A name of a letter or two is not what any other was meant to be.
#[test]
fn only_a_name_that_is_near_is_suggested() {
    let said = |text: &str| filter(text, &[]).unwrap_err().to_string();
    let place = "filter: line 1, column 1";
    assert_eq!(said("x = 1"), format!("{place}: there is no column x"));
    let hint = format!("{place}: there is no column opsen; did you mean opens?");
    assert_eq!(said("opsen is null"), hint);
    assert_eq!(said("oxxns is null"), hint.replace("opsen", "oxxns"));
    assert_eq!(
        said("oxxxs is null"),
        format!("{place}: there is no column oxxxs")
    );
}
