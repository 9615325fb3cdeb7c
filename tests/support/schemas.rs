//! Documents that several stories need: tables with the usual policies.

use serde_json::{Value, json};

/// Two users whose ids fit `auth.uid()`.
pub(crate) const ALICE: &str = "a11ce000-0000-4000-8000-00000000000a";
pub(crate) const BOB: &str = "b0b00000-0000-4000-8000-00000000000b";

/// A table of that name in which everyone who signed in sees and changes only their own rows.
pub(crate) fn own_rows(table: &str) -> Value {
    json!({ "tables": [{
        "name": table,
        "columns": [
            { "name": "id", "type": "uuid", "primary_key": true, "default": "gen_random_uuid()" },
            { "name": "owner_id", "type": "uuid" },
            { "name": "title", "type": "text" },
            { "name": "rank", "type": "bigint", "nullable": true },
        ],
        "policies": [{
            "name": "own_rows",
            "commands": ["select", "insert", "update", "delete"],
            "roles": ["authenticated"],
            "using": "owner_id = auth.uid()",
            "check": "owner_id = auth.uid()",
        }],
    }]})
}
