//! Decisions: who gets a permit, and what it holds.

use serde_json::json;

use crate::*;

pub(super) const ALICE: &str = "123e4567-e89b-12d3-a456-426614174000";

pub(super) fn todos() -> TableShape {
    let column = |(name, ty, nullable): (&str, ColumnType, bool)| ColumnShape {
        name: name.parse().unwrap(),
        ty,
        nullable,
        has_default: false,
        primary_key: name == "id",
        unique: false,
        values: None,
    };
    let columns = [
        ("id", ColumnType::Bigint, false),
        ("owner_id", ColumnType::Uuid, false),
        ("title", ColumnType::Text, false),
        ("status", ColumnType::Text, true),
        ("hold", ColumnType::Boolean, true),
    ];
    TableShape {
        name: "todos".parse().unwrap(),
        columns: columns.map(column).to_vec(),
        unique_together: Vec::new(),
    }
}

/// A policy from its JSON, with the fields that do not matter filled in.
pub(super) fn policy(mut fields: serde_json::Value) -> PolicySource {
    let defaults =
        json!({"id": uuid::Uuid::nil(), "name": "p", "table": "todos", "effect": "allow"});
    for (key, value) in defaults.as_object().unwrap() {
        fields
            .as_object_mut()
            .unwrap()
            .entry(key)
            .or_insert(value.clone());
    }
    serde_json::from_value(fields).unwrap()
}

pub(super) fn schema(policies: &[serde_json::Value]) -> Schema {
    Schema::build(
        vec![todos()],
        policies.iter().cloned().map(policy).collect(),
    )
    .unwrap()
}

pub(super) fn user(claims: serde_json::Value) -> Identity {
    let serde_json::Value::Object(claims) = claims else {
        panic!()
    };
    Identity::User(User::new(ALICE.to_owned(), claims))
}

pub(super) fn service(bypass: &[&str]) -> Identity {
    let bypass = bypass.iter().map(|table| table.parse().unwrap()).collect();
    Identity::Service(Service {
        function: "nightly".parse().unwrap(),
        bypass,
    })
}

pub(super) fn ask(
    schema: &Schema,
    identity: &Identity,
    command: Command,
) -> Result<Permit, Denied> {
    decide(
        schema,
        identity,
        command,
        &"todos".parse().unwrap(),
        Timestamp::from_unix_micros(0),
    )
}

/// The SQL of a residual, with its placeholders.
pub(super) fn text(residual: &Residual) -> String {
    SqlWriter::new().residual(residual, "t")
}

fn own_rows() -> Schema {
    schema(&[json!({
        "commands": ["select", "insert", "update", "delete"],
        "roles": ["authenticated"],
        "using": "owner_id = auth.uid()",
        "check": "owner_id = auth.uid() and title <> ''",
    })])
}

#[test]
fn each_command_carries_its_row_of_the_matrix() {
    let (schema, alice) = (own_rows(), user(json!({})));
    let own = r#"(t."owner_id" = $1::uuid)"#;
    let written = r#"((t."owner_id" = $1::uuid) AND (t."title" <> $2::text))"#;
    let never = "FALSE";

    let select = ask(&schema, &alice, Command::Select).unwrap();
    assert_eq!(
        (text(select.using()).as_str(), text(select.check()).as_str()),
        (own, never)
    );

    let insert = ask(&schema, &alice, Command::Insert).unwrap();
    assert_eq!(
        (text(insert.using()).as_str(), text(insert.check()).as_str()),
        (never, written)
    );
    assert_eq!(insert.returning().map(text), Ok(own.to_owned()));

    let update = ask(&schema, &alice, Command::Update).unwrap();
    assert_eq!(
        text(update.using()),
        r#"((t."owner_id" = $1::uuid) AND (t."owner_id" = $2::uuid))"#
    );
    assert!(text(update.check()).starts_with(r#"(((t."owner_id" = $1::uuid) AND (t."title""#));
    assert_eq!(update.returning(), Ok(&Residual::True));

    let delete = ask(&schema, &alice, Command::Delete).unwrap();
    assert!(text(delete.using()).contains("$2::uuid"));
    assert_eq!(text(delete.check()), never);

    let title: ColumnName = "title".parse().unwrap();
    assert!(select.readable(&title) && !select.writable(&title) && update.writable(&title));
    assert!(!select.readable(&"password".parse().unwrap()));
}

#[test]
fn nothing_is_open_by_default() {
    let nobody = schema(&[]);
    for identity in [Identity::Anonymous, user(json!({})), service(&[])] {
        for command in Command::ALL {
            assert_eq!(
                ask(&nobody, &identity, command).unwrap_err(),
                Denied::NoPolicy
            );
        }
    }
    let other: TableName = "other".parse().unwrap();
    let now = Timestamp::from_unix_micros(0);
    let denied = decide(&nobody, &Identity::Anonymous, Command::Select, &other, now).unwrap_err();
    assert_eq!(denied.code(), "unknown_table");
    let disabled = schema(&[json!({"commands": ["select"], "using": "true", "enabled": false})]);
    assert_eq!(
        ask(&disabled, &user(json!({})), Command::Select).unwrap_err(),
        Denied::NoPolicy
    );
}

#[test]
fn claims_alone_can_deny() {
    let schema = own_rows();
    for identity in [Identity::Anonymous, service(&[]), service(&["other"])] {
        for command in Command::ALL {
            let denied = ask(&schema, &identity, command).unwrap_err();
            assert_eq!(denied.code(), "denied_by_claims", "{identity:?} {command}");
            assert!(
                !denied.message().contains("0000"),
                "no policy is named to outsiders"
            );
        }
    }
    // A subject that is no uuid compares with a uuid column as NULL.
    let odd = Identity::User(User::new("bob".to_owned(), serde_json::Map::new()));
    assert_eq!(
        ask(&schema, &odd, Command::Select).unwrap_err().code(),
        "denied_by_claims"
    );
}

#[test]
fn roles_narrow_whom_a_policy_is_for() {
    let check = |roles: &[&str], identity: &Identity, allowed: bool| {
        let open = schema(&[json!({"commands": ["select"], "using": "true", "roles": roles})]);
        assert_eq!(
            ask(&open, identity, Command::Select).is_ok(),
            allowed,
            "{roles:?} {identity:?}"
        );
    };
    let editor = user(json!({"koya_role": "editor", "role": "service_role"}));
    check(&[], &Identity::Anonymous, true);
    check(&["public"], &Identity::Anonymous, true);
    check(&["anon"], &Identity::Anonymous, true);
    check(&["authenticated"], &Identity::Anonymous, false);
    check(&["anon"], &editor, false);
    check(&["admin", "editor"], &editor, true);
    check(&["admin"], &editor, false);
    check(&["service_role"], &editor, false);
    check(
        &["service_role"],
        &user(json!({"koya_role": "service_role"})),
        false,
    );
    check(&["service_role"], &service(&[]), true);
    check(&["authenticated"], &service(&[]), false);
}

#[test]
fn one_allow_is_enough_and_one_deny_is_too() {
    let allow = |using: &str| json!({"commands": ["select"], "using": using});
    let deny = |using: &str| json!({"commands": ["select"], "using": using, "effect": "deny"});
    let check = |policies: &[serde_json::Value], expected: Result<&str, &str>| {
        let decided = ask(
            &schema(policies),
            &user(json!({"level": 3})),
            Command::Select,
        );
        let found = decided.map(|permit| text(permit.using()));
        let found = found.as_ref().map(String::as_str).map_err(Denied::code);
        assert_eq!(found, expected, "{policies:?}");
    };
    let titled = r#"(t."title" = $1::text)"#;
    check(&[allow("true")], Ok("TRUE"));
    check(&[allow("false"), allow("title = 'a'")], Ok(titled));
    check(&[allow("null"), allow("title = 'a'")], Ok(titled));
    check(&[allow("true"), deny("false")], Ok("TRUE"));
    check(&[allow("true"), deny("true")], Err("denied_by_claims"));
    check(&[deny("false")], Err("no_policy"));
    check(&[allow("true"), deny("hold")], Ok(r#"(NOT t."hold")"#));
    check(
        &[allow("title = 'a'"), deny("hold")],
        Ok(r#"((t."title" = $1::text) AND (NOT t."hold"))"#),
    );
    // A deny that cannot tell holds back, whatever else it says.
    check(
        &[allow("true"), deny("auth.jwt() ->> 'missing' = 'x'")],
        Err("denied_by_claims"),
    );
    check(
        &[allow("true"), deny("auth.jwt() ->> 'missing' = title")],
        Err("denied_by_claims"),
    );
    check(
        &[allow("true"), deny("(auth.jwt() ->> 'level')::int < 3")],
        Ok("TRUE"),
    );
}

#[test]
fn a_row_whose_deny_is_unknown_is_hidden() {
    let policies = [
        json!({"commands": ["select"], "using": "true"}),
        json!({"commands": ["select"], "using": "hold", "effect": "deny"}),
    ];
    let permit = ask(&schema(&policies), &user(json!({})), Command::Select).unwrap();
    let Residual::When(expr) = permit.using() else {
        panic!()
    };
    let check = |hold: Value, expected| {
        let row = Row::from([("hold".parse().unwrap(), hold)]);
        assert_eq!(evaluate(expr, &row), expected);
    };
    check(Value::Boolean(false), Some(true));
    check(Value::Boolean(true), Some(false));
    check(Value::Null, None);
}

#[test]
fn a_writer_without_a_select_policy_gets_nothing_back() {
    let drop_box = schema(&[json!({"commands": ["insert"], "check": "true"})]);
    let permit = ask(&drop_box, &Identity::Anonymous, Command::Insert).unwrap();
    assert_eq!(permit.check(), &Residual::True);
    assert_eq!(permit.returning(), Err(&Denied::NoPolicy));

    // Update and delete must find their rows first, which is reading them.
    let blind = schema(&[json!({"commands": ["update", "delete"], "using": "true"})]);
    assert_eq!(
        ask(&blind, &Identity::Anonymous, Command::Update).unwrap_err(),
        Denied::NoPolicy
    );
    assert_eq!(
        ask(&blind, &Identity::Anonymous, Command::Delete).unwrap_err(),
        Denied::NoPolicy
    );
}

#[test]
fn a_service_bypasses_only_the_tables_it_was_granted() {
    let permit = ask(&schema(&[]), &service(&["todos"]), Command::Insert).unwrap();
    assert_eq!(permit.check(), &Residual::True);
    assert_eq!(permit.returning(), Ok(&Residual::True));
    for command in Command::ALL {
        assert!(ask(&own_rows(), &service(&["todos"]), command).is_ok());
        assert!(ask(&own_rows(), &service(&["others"]), command).is_err());
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_with_the_reason() {
    let check = |fields: serde_json::Value, expected: &str| {
        let error = check_policy(&policy(fields), &[todos()])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        json!({"commands": [], "using": "true"}),
        "it names no command",
    );
    check(
        json!({"commands": ["select"]}),
        "select needs `using`; write `true`",
    );
    check(
        json!({"commands": ["update"], "check": "true"}),
        "update needs `using`",
    );
    check(json!({"commands": ["insert"]}), "insert needs `check`");
    check(
        json!({"commands": ["insert"], "using": "true"}),
        "write the condition as `check`",
    );
    check(
        json!({"commands": ["select"], "using": "true", "check": "true"}),
        "write the condition as `using`",
    );
    check(
        json!({"commands": ["select"], "using": "true", "roles": [""]}),
        "a role may not be empty",
    );
    check(
        json!({"commands": ["select"], "using": "true", "table": "nope"}),
        "there is no table nope",
    );
    check(
        json!({"commands": ["select"], "using": "true and\n  titel = 'x'", "name": "mine"}),
        "policy \"mine\": using: line 2, column 3: there is no column titel; did you mean title?",
    );
    check(
        json!({"commands": ["insert"], "check": "owner_id = $1"}),
        "check: line 1, column 12: a policy has no parameters; write a literal or a claim",
    );
}

#[test]
fn building_a_schema_reports_every_wrong_policy() {
    let wrong = |using: &str| policy(json!({"commands": ["select"], "using": using}));
    let errors =
        Schema::build(vec![todos()], vec![wrong("a"), wrong("true"), wrong("b")]).unwrap_err();
    assert_eq!(errors.len(), 2);
}

#[test]
fn policies_are_stored_as_json_and_unknown_fields_are_named() {
    let source = policy(json!({"commands": ["update", "select"], "using": "true"}));
    let json = serde_json::to_value(&source).unwrap();
    assert_eq!(json["commands"], json!(["select", "update"]));
    assert_eq!(
        serde_json::from_value::<PolicySource>(json).unwrap(),
        source
    );
    let mistyped = json!({"usign": "true"});
    let error = serde_json::from_value::<PolicySource>(mistyped).unwrap_err();
    assert!(error.to_string().contains("usign"));
}
