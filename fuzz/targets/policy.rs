//! Policies: text of any kind is refused with a place inside it, or makes a schema that decides,
//! narrows and writes SQL for anybody.
#![no_main]

use koyalite_policy::{
    ColumnShape, ColumnType, Command, Identity, PolicySource, Schema, SqlWriter, TableShape,
    Timestamp, User, decide, native, parse_filter,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fn shapes() -> Vec<TableShape> {
    let column = |name: &str, ty: &str| ColumnShape {
        name: name.parse().expect("a name"),
        ty: ty.parse::<ColumnType>().expect("a type"),
        nullable: name != "id",
        has_default: false,
        primary_key: name == "id",
        unique: false,
        values: None,
    };
    let table = |name: &str, columns: Vec<ColumnShape>| TableShape {
        name: name.parse().expect("a name"),
        columns,
        unique_together: Vec::new(),
    };
    let todos = [
        ("id", "bigint"),
        ("owner_id", "uuid"),
        ("title", "text"),
        ("done", "boolean"),
        ("tags", "text[]"),
        ("data", "jsonb"),
        ("due", "timestamptz"),
        ("price", "numeric"),
    ];
    let members = [("id", "bigint"), ("user_id", "uuid"), ("role", "text")];
    vec![
        table("todos", todos.map(|(name, ty)| column(name, ty)).to_vec()),
        table(
            "members",
            members.map(|(name, ty)| column(name, ty)).to_vec(),
        ),
    ]
}

fuzz_target!(|input: (bool, &str, &str)| {
    let (for_update, text, filter) = input;
    let command = if for_update { "update" } else { "select" };
    let mut policy = json!({
        "id": "6a3c1f58-0d4e-4b5c-9a43-3f1c2b7d9e10", "name": "fuzzed", "table": "todos",
        "effect": "allow", "commands": [command, "select"], "using": text,
    });
    if for_update {
        policy["check"] = text.into();
    }
    let source: PolicySource = serde_json::from_value(policy).expect("the shape of a policy");
    let Ok(schema) = Schema::build(shapes(), vec![source]) else {
        return;
    };
    let table = "todos".parse().expect("a name");
    let now = Timestamp::from_unix_micros(0);
    let subject = "123e4567-e89b-12d3-a456-426614174000".to_owned();
    let claims = json!({ "role": "x", "org": { "id": 7 } });
    let claims = claims.as_object().cloned().unwrap_or_default();
    for identity in [
        Identity::Anonymous,
        Identity::User(User::new(subject, claims)),
    ] {
        for command in [Command::Select, Command::Update] {
            let Ok(permit) = decide(&schema, &identity, command, &table, now) else {
                continue;
            };
            let mut sql = SqlWriter::new();
            let written = sql.residual(permit.using(), "t");
            assert_eq!(written.matches('\'').count() % 2, 0, "{written}");
            if let Ok(filter) = parse_filter(filter, &[], &permit) {
                assert!(!sql.filter(&filter, "t").is_empty());
            }
        }
    }
    if native::not_mirrorable(&schema, &table).is_empty() {
        assert!(native::statements(&schema, &table, "demo").is_ok());
    }
});
