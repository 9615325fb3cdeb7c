//! Policies: text of any kind is refused with a place inside it, or makes a schema that decides,
//! narrows and writes SQL for anybody.
#![no_main]

mod shapes;

use koyalite_policy::{
    Command, Identity, PolicySource, Schema, SqlWriter, TableShape, Timestamp, User, decide,
    native, parse_filter,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fn members() -> TableShape {
    let columns = [("id", "bigint"), ("user_id", "uuid"), ("role", "text")];
    shapes::table("members", &columns)
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
    let Ok(schema) = Schema::build(vec![shapes::todos(), members()], vec![source]) else {
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
