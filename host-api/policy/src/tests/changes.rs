//! `old.column` in the checks of updates, and claims that a project declares.

use serde_json::json;

use super::decisions::{ask, policy, schema, todos, user};
use crate::*;

const SELECT_ALL: &str = r#"{"commands": ["select"], "using": "true"}"#;

fn update(check: &str) -> Permit {
    let select: serde_json::Value = serde_json::from_str(SELECT_ALL).unwrap();
    let update = json!({"commands": ["update"], "using": "true", "check": check});
    ask(
        &schema(&[select, update]),
        &user(json!({})),
        Command::Update,
    )
    .unwrap()
}

fn row(cells: &[(&str, Value)]) -> Row {
    let cell = |(name, value): &(&str, Value)| (name.parse().unwrap(), value.clone());
    cells.iter().map(cell).collect()
}

#[test]
fn a_check_compares_with_the_row_before() {
    let permit = update("owner_id = old.owner_id and (status <> 'closed' or old.hold is not true)");
    assert!(permit.check_needs_old() && !update("title <> ''").check_needs_old());
    let Residual::When(expr) = permit.check() else {
        panic!()
    };
    let check = |old: &[(&str, Value)], new: &[(&str, Value)], expected: Option<bool>| {
        assert_eq!(
            evaluate_change(expr, &row(old), &row(new)),
            expected,
            "{old:?} {new:?}"
        );
    };
    let owner = |n: u128| ("owner_id", Value::Uuid(uuid::Uuid::from_u128(n)));
    let status = |text: &str| ("status", Value::Text(text.to_owned()));
    check(&[owner(1)], &[owner(1), status("open")], Some(true));
    check(&[owner(1)], &[owner(2), status("open")], Some(false));
    check(
        &[owner(1), ("hold", Value::Boolean(true))],
        &[owner(1), status("closed")],
        Some(false),
    );
    check(&[owner(1)], &[owner(1), status("closed")], Some(true));
    check(&[], &[owner(1), status("open")], None);
    // Without the old row nothing is known.
    assert_eq!(evaluate(expr, &row(&[owner(1), status("open")])), None);
}

#[test]
fn sql_names_the_old_row_or_passes_nothing() {
    let permit = update("old.hold is null or title = old.title");
    let mut writer = SqlWriter::new().with_old_row("o");
    let written = writer.residual(permit.check(), "t");
    assert_eq!(
        written,
        r#"((o."hold" IS NULL) OR (t."title" = o."title"))"#
    );
    assert_eq!(SqlWriter::new().residual(permit.check(), "t"), "FALSE");
}

#[test]
fn the_old_row_of_a_subquery_is_that_of_the_update() {
    let permit =
        update("exists (select 1 from todos x where x.id = old.id and x.title = todos.title)");
    let written = SqlWriter::new()
        .with_old_row("o")
        .residual(permit.check(), "t");
    let expected = r#"(EXISTS (SELECT 1 FROM "todos" AS inner_1 WHERE ((inner_1."id" = o."id") AND (inner_1."title" = t."title"))))"#;
    assert_eq!(written, expected);
}

#[test]
fn old_rows_are_refused_where_there_is_none() {
    let check = |fields: serde_json::Value, shape: TableShape, expected: &str| {
        let error = check_policy(&policy(fields), &[shape])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    let same = "title = old.title";
    check(
        json!({"commands": ["update"], "using": same}),
        todos(),
        "using: line 1, column 9: using sees the row as it is; old. goes into check; write the column alone",
    );
    check(
        json!({"commands": ["insert", "update"], "using": "true", "check": same}),
        todos(),
        "check: line 1, column 9: old. goes with update, and this policy is for insert too",
    );
    check(
        json!({"commands": ["update"], "using": "true", "check": "old.titel = 'x'"}),
        todos(),
        "there is no column titel; did you mean title?",
    );
    check(
        json!({"commands": ["update"], "using": "true", "check": "new.title = 'x'"}),
        todos(),
        "new. is not in the policy language; write the column alone: check sees the new row",
    );
    let mut keyless = todos();
    keyless.columns[0].primary_key = false;
    check(
        json!({"commands": ["update"], "using": "true", "check": same}),
        keyless,
        "old. needs a primary key on the table",
    );
}

fn claims(fields: serde_json::Value) -> Claims {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn a_policy_reads_declared_claims_only() {
    let declared = claims(json!({"team_id": {"required": true}, "app_metadata": {}}));
    let check = |using: &str, expected: Option<&str>| {
        let source = policy(json!({"commands": ["select"], "using": using}));
        let checked = check_policy_with_claims(&source, &[todos()], &declared);
        match (checked, expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{using}: {error}");
            }
            (checked, _) => panic!("{using}: {checked:?}"),
        }
        assert!(check_policy(&source, &[todos()]).is_ok(), "{using}");
    };
    check("(auth.jwt() ->> 'team_id')::uuid = owner_id", None);
    check("auth.jwt() -> 'app_metadata' ->> 'anything' = title", None);
    check(
        "auth.jwt() ->> 'sub' = title and auth.role() = 'anon'",
        None,
    );
    check(
        "title = 'a' or auth.jwt() ->> 'teem_id' = title",
        Some("column 16: the project declares no claim teem_id; did you mean team_id?"),
    );
    check(
        "auth.jwt() ->> 'plan' = title",
        Some("no claim plan; declare it, or read one"),
    );
    check(
        "title in (select auth.jwt() -> 'titles')",
        Some("no claim titles"),
    );
}

#[test]
fn a_token_without_a_required_claim_is_denied_everywhere() {
    let declared = claims(json!({"team_id": {"required": true}, "plan": {"required": false}}));
    let open = policy(json!({"commands": ["select", "insert"], "using": "true"}));
    let schema = Schema::build_with_claims(vec![todos()], vec![open], declared).unwrap();
    let check = |identity: Identity, expected: Option<&str>| {
        let decided = ask(&schema, &identity, Command::Select);
        assert_eq!(
            decided.err().map(|denied| denied.code()),
            expected,
            "{identity:?}"
        );
    };
    check(user(json!({"team_id": "x"})), None);
    check(user(json!({"team_id": null})), Some("missing_claim"));
    check(user(json!({"plan": "pro"})), Some("missing_claim"));
    check(Identity::Anonymous, None);
    let denied = ask(&schema, &user(json!({})), Command::Insert).unwrap_err();
    assert!(
        denied.message().contains("lacks the claim team_id"),
        "{denied}"
    );
}

#[test]
fn claims_are_stored_as_json() {
    assert_eq!(serde_json::to_value(Claims::default()).unwrap(), json!({}));
    let wrong = serde_json::from_value::<Claims>(json!({"a": {"requird": true}}));
    assert!(wrong.unwrap_err().to_string().contains("requird"));
}
