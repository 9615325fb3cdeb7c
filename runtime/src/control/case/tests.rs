use koyalite_policy::{ColumnShape, ColumnType, Timestamp, explain};
use serde_json::json;

use super::*;

const ALICE: &str = "123e4567-e89b-12d3-a456-426614174000";

fn column(name: &str, ty: ColumnType) -> ColumnShape {
    ColumnShape {
        name: name.parse().unwrap(),
        ty,
        nullable: true,
        has_default: false,
        primary_key: name == "id",
        unique: false,
        values: None,
    }
}

fn schema() -> Schema {
    let table = |name: &str| TableShape {
        name: name.parse().unwrap(),
        columns: vec![
            column("id", ColumnType::Bigint),
            column("owner_id", ColumnType::Uuid),
            column("title", ColumnType::Text),
            column("secret", ColumnType::Text),
        ],
        unique_together: Vec::new(),
    };
    let policy = |body: Json| {
        let mut policy = json!({ "id": Uuid::now_v7(), "effect": "allow", "roles": [] });
        policy
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        serde_json::from_value(policy).unwrap()
    };
    let policies = vec![
        policy(
            json!({ "name": "own", "table": "notes", "commands": ["select"],
            "using": "owner_id = auth.uid()", "read": ["id", "title", "owner_id"] }),
        ),
        policy(
            json!({ "name": "rename", "table": "notes", "commands": ["update"],
            "using": "owner_id = auth.uid()", "check": "title <> old.title" }),
        ),
        policy(
            json!({ "name": "add", "table": "notes", "commands": ["insert"],
            "check": "owner_id = auth.uid()", "set": { "owner_id": "auth.uid()" } }),
        ),
        policy(
            json!({ "name": "far", "table": "far", "commands": ["select"],
            "using": "exists (select 1 from notes where notes.id = far.id) and id > 0" }),
        ),
        policy(
            json!({ "name": "all", "table": "open", "commands": ["select"],
            "using": "true" }),
        ),
    ];
    Schema::build(vec![table("notes"), table("far"), table("open")], policies).unwrap()
}

fn check(case: Json, expected: &str) {
    let now = Timestamp::from_unix_micros(0);
    let parsed: Case = serde_json::from_value(case.clone()).unwrap();
    let schema = schema();
    let question = parsed.read(&schema, Uuid::nil());
    let said = match question.map(|question| explain(&schema, &question, now)) {
        Ok(found) => match found.reason {
            Some(reason) => format!("{:?} {}", found.verdict, reason.code),
            None => format!("{:?}", found.verdict),
        },
        Err(mistakes) => format!("wrong {}", mistakes[0].field.clone().unwrap()),
    };
    assert_eq!(said, expected, "{case}");
}

#[test]
fn a_case_is_decided_as_a_request_would_be() {
    let alice = json!({ "user": { "sub": ALICE } });
    let case = |command: &str, table: &str, more: Json| {
        let mut case = json!({ "identity": alice, "command": command, "table": table });
        case.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        case
    };
    let own = json!({ "owner_id": ALICE, "title": "a" });
    let other = json!({ "owner_id": Uuid::nil(), "title": "a" });
    check(case("select", "notes", json!({})), "Depends");
    check(case("select", "open", json!({})), "Allowed");
    check(case("select", "notes", json!({ "row": own })), "Allowed");
    check(
        case("select", "notes", json!({ "row": other })),
        "Denied row_denied",
    );
    check(
        case("select", "notes", json!({ "row": {} })),
        "Denied row_denied",
    );
    check(
        case(
            "select",
            "notes",
            json!({ "row": own, "columns": ["secret"] }),
        ),
        "Denied column_not_readable",
    );
    check(case("delete", "notes", json!({})), "Denied no_policy");
    check(case("select", "nothing", json!({})), "wrong table");
    check(
        case("insert", "notes", json!({ "row": { "title": "a" } })),
        "Allowed",
    );
    check(
        case("insert", "notes", json!({ "row": own })),
        "Denied column_not_writable",
    );
    let renamed = json!({ "row": own, "set": { "title": "b" } });
    check(case("update", "notes", renamed), "Allowed");
    let same = json!({ "row": own, "set": { "title": "a" } });
    check(case("update", "notes", same), "Denied row_denied");
    check(
        case("select", "far", json!({ "row": { "id": 1 } })),
        "Unknown",
    );
    check(
        case("select", "far", json!({ "row": { "id": 0 } })),
        "Denied row_denied",
    );
    check(
        case("select", "notes", json!({ "row": { "colour": 1 } })),
        "wrong row.colour",
    );
    check(
        case("select", "notes", json!({ "row": { "id": "x" } })),
        "wrong row.id",
    );
    check(
        case("select", "notes", json!({ "set": { "id": 1 } })),
        "wrong set",
    );
    let nobody = json!({ "command": "select", "table": "notes", "row": own });
    check(nobody, "Denied denied_by_claims");
    let service = json!({ "identity": { "service": { "function": "f" } },
        "command": "select", "table": "notes", "row": own });
    check(service, "Denied denied_by_claims");
}
