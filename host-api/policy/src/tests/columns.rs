//! Column masks and presets.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::decisions::{ALICE, ask, policy, schema, service, text, todos, user};
use crate::*;

pub(super) fn set(names: &str) -> BTreeSet<ColumnName> {
    let names = names.split_whitespace();
    names.map(|name| name.parse().unwrap()).collect()
}

pub(super) fn name(name: &str) -> ColumnName {
    name.parse().unwrap()
}

/// Everybody may read ids and titles, the owner every column.
fn shared() -> Schema {
    schema(&[
        json!({"commands": ["select"], "using": "true", "read": ["id", "title"]}),
        json!({"commands": ["select"], "using": "owner_id = auth.uid()"}),
        json!({"commands": ["select"], "using": "hold", "effect": "deny"}),
    ])
}

#[test]
fn a_policy_counts_only_for_columns_that_it_covers() {
    let (schema, alice) = (shared(), user(json!({})));
    let permit = ask(&schema, &alice, Command::Select).unwrap();
    let check = |read: &str, expected: &str| {
        let narrowed = permit.for_columns(&set(read), &set("")).unwrap();
        assert_eq!(text(narrowed.using()), expected, "{read}");
    };
    let own = r#"((t."owner_id" = $1::uuid) AND (NOT t."hold"))"#;
    check("", r#"(NOT t."hold")"#);
    check("id title", r#"(NOT t."hold")"#);
    check("id status", own);
    check("id title owner_id", own);
}

#[test]
fn a_column_is_readable_where_a_policy_of_the_caller_covers_it() {
    let schema = shared();
    let check = |identity: &Identity, column: &str, expected: bool| {
        let permit = ask(&schema, identity, Command::Select).unwrap();
        assert_eq!(
            permit.readable(&name(column)),
            expected,
            "{identity:?} {column}"
        );
    };
    let alice = user(json!({}));
    check(&alice, "status", true);
    check(&alice, "nothing", false);
    // Nobody can never own a row, so the second policy is not theirs.
    check(&Identity::Anonymous, "title", true);
    check(&Identity::Anonymous, "status", false);
}

#[test]
fn a_filter_takes_a_hidden_column_for_one_that_is_not_there() {
    let permit = ask(&shared(), &Identity::Anonymous, Command::Select).unwrap();
    for (hidden, absent) in [("status", "nothing"), ("statuss", "nothings")] {
        let said = |name: &str| {
            let refused = parse_filter(&format!("{name} is null"), &[], &permit).unwrap_err();
            assert_eq!(refused.code(), "unknown_column");
            refused.to_string().replace(name, "…")
        };
        assert_eq!(said(hidden), said(absent));
    }
}

#[test]
fn columns_that_no_policy_covers_together_are_denied() {
    let halves = schema(&[
        json!({"commands": ["select"], "using": "true", "read": ["id", "title"]}),
        json!({"commands": ["select"], "using": "true", "read": ["id", "status"]}),
    ]);
    let permit = ask(&halves, &Identity::Anonymous, Command::Select).unwrap();
    assert!(permit.readable(&name("title")) && permit.readable(&name("status")));
    assert!(permit.for_columns(&set("id status"), &set("")).is_ok());
    let denied = permit
        .for_columns(&set("title status"), &set(""))
        .unwrap_err();
    assert_eq!(denied, Denied::Columns);
}

#[test]
fn without_masks_narrowing_is_the_permit_itself() {
    let open = schema(&[json!({"commands": ["select"], "using": "true"})]);
    let permit = ask(&open, &Identity::Anonymous, Command::Select).unwrap();
    let narrowed = permit.for_columns(&set("id"), &set("")).unwrap();
    assert!(matches!(narrowed, std::borrow::Cow::Borrowed(_)));
    assert!(!permit.has_masks());
}

#[test]
fn writes_are_masked_by_what_they_write_and_what_they_read() {
    let schema = schema(&[
        json!({"commands": ["select"], "using": "true", "read": ["id", "title"]}),
        json!({"commands": ["select"], "using": "owner_id = auth.uid()"}),
        json!({"commands": ["insert", "update", "delete"], "using": "true", "check": "title <> ''",
               "write": ["title"]}),
    ]);
    let alice = user(json!({}));
    let own = r#"(t."owner_id" = $1::uuid)"#;
    let titled = r#"(t."title" <> $1::text)"#;

    let update = ask(&schema, &alice, Command::Update).unwrap();
    assert!(update.has_masks());
    assert!(update.writable(&name("title")) && !update.writable(&name("status")));
    let narrowed = update.for_columns(&set("id"), &set("title")).unwrap();
    assert_eq!(
        (text(narrowed.using()), text(narrowed.check())),
        ("TRUE".into(), titled.into())
    );
    let narrowed = update.for_columns(&set("status"), &set("title")).unwrap();
    assert_eq!(text(narrowed.using()), own);
    let written = update.for_columns(&set("id"), &set("title status"));
    assert_eq!(written.unwrap_err(), Denied::Columns);

    let insert = ask(&schema, &alice, Command::Insert).unwrap();
    let narrowed = insert.for_columns(&set("status"), &set("title")).unwrap();
    assert_eq!(text(narrowed.check()), titled);
    assert_eq!(narrowed.returning().map(text), Ok(own.to_owned()));

    let delete = ask(&schema, &alice, Command::Delete).unwrap();
    assert_eq!(
        text(
            delete
                .for_columns(&set("status"), &set(""))
                .unwrap()
                .using()
        ),
        own
    );
}

#[test]
fn masks_hold_inside_subqueries_too() {
    let own = "owner_id = auth.uid()";
    let check = |condition: &str, masked: &[&str], expected: Result<&str, &str>| {
        let insert = json!({"commands": ["insert"], "check": condition});
        let select = json!({"commands": ["select"], "using": "true", "read": masked});
        let permit = ask(
            &schema(&[insert, select]),
            &user(json!({})),
            Command::Insert,
        );
        let found = permit.map(|permit| text(permit.check()));
        assert_eq!(
            found.as_deref().map_err(Denied::code),
            expected,
            "{condition}"
        );
    };
    let inner = format!("exists (select 1 from todos x where x.{own})");
    let expected =
        r#"(EXISTS (SELECT 1 FROM "todos" AS inner_1 WHERE (inner_1."owner_id" = $1::uuid)))"#;
    check(&inner, &["owner_id"], Ok(expected));
    check(&inner, &["id"], Err("denied_by_claims"));
    // The row around it is no row of the table inside.
    let outer = "exists (select 1 from todos x where x.id = 1 and todos.title = todos.status)";
    let expected = r#"(EXISTS (SELECT 1 FROM "todos" AS inner_1 WHERE ((inner_1."id" = $1::bigint) AND (t."title" = t."status"))))"#;
    check(outer, &["id"], Ok(expected));
}

#[test]
fn presets_are_the_callers_values() {
    let schema = schema(&[
        json!({"commands": ["insert", "update"], "using": "true", "check": "true",
               "roles": ["anon", "authenticated"],
               "set": {"owner_id": "auth.uid()", "title": "coalesce(auth.jwt() ->> 'name', 'x')"}}),
        json!({"commands": ["insert"], "check": "true", "roles": ["service_role"],
               "set": {"owner_id": format!("'{ALICE}'")}}),
        json!({"commands": ["select"], "using": "true"}),
    ]);
    let owner = Preset::Value(Value::Uuid(ALICE.parse().unwrap()), ColumnType::Uuid);
    let title = |text: &str| Preset::Value(Value::Text(text.to_owned()), ColumnType::Text);

    let insert = ask(&schema, &user(json!({"name": "Alice"})), Command::Insert).unwrap();
    let expected = [
        (name("owner_id"), owner.clone()),
        (name("title"), title("Alice")),
    ];
    assert_eq!(insert.presets(), expected);
    assert!(!insert.writable(&name("owner_id")) && insert.writable(&name("status")));

    let select = ask(&schema, &user(json!({})), Command::Select).unwrap();
    assert!(select.presets().is_empty());
    // Nobody has no subject, and the column must hold one.
    for command in [Command::Insert, Command::Update] {
        let denied = ask(&schema, &Identity::Anonymous, command).unwrap_err();
        assert_eq!(denied.code(), "denied_by_claims");
    }
    // Each caller has the presets of the policies that are theirs.
    let permit = ask(&schema, &service(&[]), Command::Insert).unwrap();
    assert_eq!(permit.presets(), [(name("owner_id"), owner)]);
}

#[test]
fn a_preset_of_time_asks_the_databases_clock() {
    let mut shape = todos();
    shape.columns[3].ty = ColumnType::Timestamptz;
    let stamped = json!({"commands": ["insert"], "check": "true", "set": {"status": "now()"}});
    let schema = Schema::build(vec![shape], vec![policy(stamped)]).unwrap();
    let permit = ask(&schema, &Identity::Anonymous, Command::Insert).unwrap();
    assert_eq!(permit.presets(), [(name("status"), Preset::Now)]);
}

/// Fields of a policy for select and insert, and a part of the refusal.
fn refusals() -> Vec<(Json, &'static str)> {
    let preset = |text: &str| json!({"set": {"owner_id": text}});
    vec![
        (json!({"read": ["nope"]}), "read: there is no column nope"),
        (json!({"read": []}), "read names no column"),
        (json!({"write": ["x"]}), "write: there is no column x"),
        (
            json!({"effect": "deny", "read": ["id"]}),
            "read goes with allow",
        ),
        (
            json!({"effect": "deny", "set": {"id": "1"}}),
            "set goes with allow",
        ),
        (
            json!({"table": "koyalite_files", "using": "true", "check": "true", "read": ["path"]}),
            "read goes with tables",
        ),
        (
            json!({"commands": ["select"], "write": ["id"]}),
            "write; it goes with insert",
        ),
        (
            json!({"commands": ["insert"], "using": null, "check": "true", "read": ["id"]}),
            "heeds read",
        ),
        (
            json!({"set": {"nope": "1"}}),
            "set: there is no column nope",
        ),
        (
            preset("id"),
            "set owner_id: line 1, column 1: a preset knows the caller, and no row",
        ),
        (preset("'x'"), "the text does not read as uuid"),
        (
            preset("auth.role()"),
            "the column is uuid, this is text; cast",
        ),
        (preset("now()"), "the column is uuid, this is timestamptz"),
        (preset("$1"), "a policy has no parameters"),
        (preset("(select id from todos)"), "may only wrap a claim"),
        (preset("old.owner_id"), "old. goes into the check"),
        (
            json!({"set": {"hold": "exists (select 1 from todos)"}}),
            "a preset knows the caller",
        ),
        (
            json!({"set": {"hold": "now() > timestamptz '2024-01-01T00:00:00Z'"}}),
            "does not calculate",
        ),
        (json!({"set": {"id": "1.5"}}), "does not fit bigint"),
    ]
}

#[test]
fn masks_and_presets_that_make_no_sense_are_refused() {
    for (fields, expected) in refusals() {
        let mut whole = json!({"commands": ["select", "insert"], "using": "true"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let error = check_policy(&policy(whole), &[todos()])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{fields}: {error}");
    }
}

#[test]
fn two_policies_that_set_a_column_differently_need_different_callers() {
    let check = |roles: [&[&str]; 2], clash: bool| {
        let sets = |name: &str, roles: &[&str], value: &str| {
            policy(
                json!({"name": name, "commands": ["insert"], "check": "true",
                          "roles": roles, "set": {"title": value}}),
            )
        };
        let policies = vec![sets("a", roles[0], "'a'"), sets("b", roles[1], "'b'")];
        let built = Schema::build(vec![todos()], policies);
        assert_eq!(built.is_err(), clash, "{roles:?}");
        if let Err(errors) = built {
            assert!(
                errors[0]
                    .to_string()
                    .contains("set title: policy \"a\" sets it differently")
            );
        }
    };
    check([&[], &["anon"]], true);
    check([&["public"], &["anon"]], true);
    check([&["authenticated"], &["editor"]], true);
    check([&["editor", "anon"], &["anon"]], true);
    check([&["editor"], &["authenticated"]], true);
    check([&["authenticated"], &["anon"]], false);
    check([&["anon"], &["authenticated"]], false);
    check([&["editor"], &["admin"]], false);
    check([&["editor"], &["service_role"]], false);
    // Nor do they meet where each has a command of its own.
    let sets = |command: &str, value: &str| {
        let set = json!({"title": value});
        policy(json!({"commands": [command], "using": match command {
            "update" => Some("true"),
            _ => None,
        }, "check": "true", "set": set}))
    };
    let apart = vec![sets("insert", "'a'"), sets("update", "'b'")];
    assert!(Schema::build(vec![todos()], apart).is_ok());
}

#[test]
fn a_text_that_a_column_never_holds_is_refused() {
    let mut shape = todos();
    shape.columns[3].values = Some(vec!["open".to_owned(), "closed".to_owned()]);
    let check = |fields: Json, expected: Option<&str>| {
        let mut whole = json!({"commands": ["select", "insert"], "using": "true"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let found = check_policy(&policy(whole), std::slice::from_ref(&shape));
        let found = found.err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(found, None),
            Some(expected) => assert!(found.as_ref().unwrap().contains(expected), "{found:?}"),
        }
    };
    let using = |text: &str| json!({"using": text});
    check(using("status is null or status = 'open'"), None);
    check(using("title = 'other'"), None);
    check(
        using("status is null or status in ('open', 'cloesd')"),
        Some("column 38: status is never 'cloesd'; did you mean 'closed'?"),
    );
    check(
        using("'x' <> status"),
        Some("status is never 'x'; it holds one of open, closed"),
    );
    check(
        json!({"commands": ["update"], "check": "old.status <> 'x'"}),
        Some("status is never 'x'"),
    );
    check(json!({"set": {"status": "'open'"}}), None);
    check(
        json!({"set": {"status": "'done'"}}),
        Some("set status: line 1, column 1: status is never"),
    );
}

#[test]
fn a_preset_of_json_takes_a_claim_as_it_is() {
    let shape = super::fixtures::shape();
    let table = shape.name.clone();
    let claims = json!({"list": [1, "a"], "object": {"k": true}, "none": null});
    for (claim, expected) in [
        ("list", json!([1, "a"])),
        ("object", json!({"k": true})),
        ("none", json!(null)),
    ] {
        let set = json!({"meta": format!("auth.jwt() -> '{claim}'")});
        let policy = policy(json!({"commands": ["insert"], "check": "true", "set": set}));
        let schema = Schema::build(vec![shape.clone()], vec![policy]).unwrap();
        let now = Timestamp::from_unix_micros(0);
        let caller = user(claims.clone());
        let permit = decide(&schema, &caller, Command::Insert, &table, now).unwrap();
        let preset = Preset::Value(Value::Json(expected), ColumnType::Jsonb);
        assert_eq!(permit.presets(), [(name("meta"), preset)], "{claim}");
    }
}
