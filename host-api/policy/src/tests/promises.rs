//! Small promises that nothing else here would notice broken: names of fields, whose a row is, how far
//! policies reach, what row security is told.

use serde_json::json;

use super::decisions::{policy, schema, todos, user};
use crate::native::{read_by_policies, visible};
use crate::*;

const ROW: &str = r#""todos"."#;

#[test]
fn each_fault_names_its_field() {
    let check = |fields: serde_json::Value, field: &str| {
        let errors = Schema::build(vec![todos()], vec![policy(fields)]).unwrap_err();
        assert_eq!(errors[0].fault.field(), field, "{errors:?}");
    };
    check(
        json!({"table": "nothing", "commands": ["select"], "using": "true"}),
        "table",
    );
    check(json!({"commands": [], "using": "true"}), "commands");
    check(json!({"commands": ["select"]}), "using");
    check(json!({"commands": ["insert"]}), "check");
    check(
        json!({"commands": ["insert"], "using": "true", "check": "true"}),
        "using",
    );
    check(
        json!({"commands": ["select"], "using": "true", "check": "true"}),
        "check",
    );
    check(
        json!({"commands": ["select"], "using": "true", "roles": [""]}),
        "roles",
    );
    check(json!({"commands": ["select"], "using": "nope"}), "using");
    check(json!({"commands": ["insert"], "check": "nope"}), "check");
    check(
        json!({"commands": ["select"], "using": "true", "read": []}),
        "read",
    );
    check(
        json!({"commands": ["select"], "using": "true", "read": ["nope"]}),
        "read",
    );
    check(
        json!({"commands": ["insert"], "check": "true", "set": {"title": "nope()"}}),
        "set",
    );
}

#[test]
fn a_mistake_in_a_text_has_its_place() {
    let places = |fields: serde_json::Value| {
        let errors = Schema::build(vec![todos()], vec![policy(fields)]).unwrap_err();
        let columns = errors[0].fault.place().map(|error| error.position.column);
        let clause = errors[0]
            .place()
            .map(|(clause, error)| (clause, error.position.column));
        (columns, clause)
    };
    let using = json!({"commands": ["select"], "using": "true and nope"});
    assert_eq!(places(using), (Some(10), Some((Clause::Using, 10))));
    let set = json!({"commands": ["insert"], "check": "true", "set": {"title": "lower(nope)"}});
    assert_eq!(places(set), (Some(7), None));
    assert_eq!(places(json!({"commands": []})), (None, None));
}

#[test]
fn columns_that_are_compared_with_the_subject_say_whose_a_row_is() {
    let owners = |using: &str| {
        let schema = schema(&[json!({"commands": ["select"], "using": using})]);
        let rules = schema.table(&todos().name).unwrap();
        let names = rules.owner_columns();
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(owners("owner_id = auth.uid()"), ["owner_id"]);
    assert_eq!(owners("auth.uid() = owner_id"), ["owner_id"]);
    assert_eq!(
        owners("owner_id is not distinct from auth.uid()"),
        ["owner_id"]
    );
    assert!(owners("title = auth.role()").is_empty());
    assert!(owners("auth.role() = 'authenticated'").is_empty());
}

#[test]
fn what_row_security_shows_is_any_allow_and_no_deny() {
    let shown =
        |policies: &[serde_json::Value]| visible(&schema(policies), &todos().name, "p_1").unwrap();
    assert_eq!(shown(&[]), "false");
    let hold = json!({"commands": ["select"], "using": "hold"});
    let titled = json!({"commands": ["select"], "using": "title = 'a'"});
    let denied = json!({"commands": ["select"], "using": "hold", "effect": "deny"});
    let written = json!({"commands": ["insert"], "check": "hold"});
    assert_eq!(
        shown(&[hold.clone(), written]),
        format!(r#"(({ROW}"hold"))"#)
    );
    let both = shown(&[hold.clone(), titled, denied]);
    let title = format!(r#"({ROW}"title" = (E'a'::text COLLATE "C"))"#);
    assert_eq!(
        both,
        format!(r#"(({ROW}"hold") or {title}) and (not {ROW}"hold")"#)
    );
    let schema = schema(&[hold]);
    assert!(read_by_policies(&schema, &todos().name).is_empty());
}

#[test]
fn claims_are_read_only_where_they_are_of_the_right_kind() {
    let using = "(auth.jwt() ->> 'level')::int > 1 or (auth.jwt() -> 'staff')::boolean";
    let schema = schema(&[json!({"commands": ["select"], "using": using})]);
    let text = visible(&schema, &todos().name, "p_1").unwrap();
    for part in [
        "CASE WHEN jsonb_typeof(j.v) IN ('string', 'number', 'boolean') THEN",
        "CASE WHEN jsonb_typeof(j.v) IN ('number', 'boolean') THEN",
        "BETWEEN -2147483648 AND 2147483647",
        "IN ('true', 't') THEN true",
        "-> E'level'",
        "-> E'staff'",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// An update is seen by its own check, not by the condition on the row before.
#[test]
fn coverage_sees_the_check_of_an_update() {
    let schema = schema(&[
        json!({"name": "all", "commands": ["select"], "using": "true"}),
        json!({"name": "some", "commands": ["update"], "using": "hold", "check": "title = 'a'"}),
    ]);
    let mut coverage = Coverage::of(&schema);
    let row = |title: &str, hold: bool| {
        let cells = [
            ("title", Value::Text(title.to_owned())),
            ("hold", Value::Boolean(hold)),
        ];
        Row::from(cells.map(|(name, value)| (name.parse().unwrap(), value)))
    };
    let question = Question {
        identity: user(json!({})),
        command: Command::Update,
        table: todos().name,
        row: Some(row("b", true)),
        set: row("a", false),
        columns: Default::default(),
    };
    coverage.see(&schema, &question, Timestamp::from_unix_micros(0));
    let seen: Vec<_> = coverage
        .report()
        .into_iter()
        .filter(|atom| atom.text != "true")
        .map(|atom| (atom.text, atom.clause, atom.seen_true, atom.seen_false))
        .collect();
    assert_eq!(
        seen,
        [
            ("hold".to_owned(), Clause::Using, true, false),
            ("title = 'a'".to_owned(), Clause::Check, true, false),
        ]
    );
}

/// As text, whatever form it has; as a uuid, one that is none would be nobody.
#[test]
fn a_subject_that_is_no_uuid_is_somebody() {
    let somebody = Identity::User(User::new("auth0|7".to_owned(), serde_json::Map::new()));
    for using in ["auth.uid() is not null", "coalesce(auth.uid()) is not null"] {
        let schema = schema(&[json!({"commands": ["select"], "using": using})]);
        let now = Timestamp::from_unix_micros(0);
        let permit = decide(&schema, &somebody, Command::Select, &todos().name, now).unwrap();
        assert_eq!(*permit.using(), Residual::True, "{using}");
    }
}

#[test]
fn inside_a_subquery_a_readable_table_is_read_past_its_own_policies() {
    let other = TableShape {
        name: "other".parse().unwrap(),
        ..todos()
    };
    let inside = "exists (select 1 from other o where o.owner_id = auth.uid())";
    let outer = policy(json!({"commands": ["select"], "using": inside}));
    let allowed = |readable: &[TableName]| {
        let readable = readable.iter().cloned().collect();
        let tables = vec![todos(), other.clone()];
        let claims = Claims::default();
        let schema = Schema::build_reading(tables, vec![outer.clone()], claims, &readable);
        let now = Timestamp::from_unix_micros(0);
        let who = user(json!({}));
        decide(&schema.unwrap(), &who, Command::Select, &todos().name, now).is_ok()
    };
    assert!(allowed(std::slice::from_ref(&other.name)));
    assert!(!allowed(&[]), "it has no policy, so nobody reads it");
}
