//! What a policy's author is told before it is saved.

use serde_json::json;

use super::decisions::{policy, todos};
use crate::*;

const NEVER: &str =
    "using: rows where status is null never pass; write status is null or …, if they should";
const HELD: &str =
    "using: rows where hold is null are held back from everybody; write hold is not null and …";

fn check(effect: &str, using: &str, expected: &[&str]) {
    let source = policy(json!({"commands": ["select"], "using": using, "effect": effect}));
    let checked = check_policy(&source, &[todos()]).unwrap();
    let found: Vec<String> = checked.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{effect} {using}");
}

#[test]
fn warnings_name_the_nullable_column_and_the_guard() {
    check("allow", "status <> 'closed'", &[NEVER]);
    check("allow", "not (status = 'closed')", &[NEVER]);
    check("allow", "status not in ('closed')", &[NEVER]);
    check("allow", "status = 'open'", &[]);
    check("allow", "status is null or status <> 'closed'", &[]);
    check("allow", "status is distinct from 'closed'", &[]);
    check("allow", "coalesce(status, '') <> 'closed'", &[]);
    check("allow", "title <> 'x'", &[]);
    check("deny", "hold", &[HELD]);
    check("deny", "hold is not null and hold", &[]);
    check("deny", "hold is true", &[]);
    check("deny", "coalesce(hold, true)", &[]);
    check(
        "deny",
        "lower(title) = 'x' and (hold or title = 'a')",
        &[HELD],
    );
    check("allow", "coalesce(status, null) <> 'closed'", &[NEVER]);
}

#[test]
fn guards_and_subqueries_are_looked_through() {
    check(
        "allow",
        "coalesce(status, lower(status)) <> 'closed'",
        &[NEVER],
    );
    check("allow", "lower(status) <> 'closed'", &[NEVER]);
    check("allow", "not (status like 'c%')", &[NEVER]);
    check("allow", "status like 'c%'", &[]);
    check("allow", "not (status is not null)", &[]);
    check("allow", "status is not null and status <> 'closed'", &[]);
    check(
        "allow",
        "status is not null or status <> 'closed'",
        &[NEVER],
    );
    check("allow", "status is null and status <> 'closed'", &[NEVER]);
    check("allow", "status <> 'a' and status <> 'b'", &[NEVER]);
    check(
        "allow",
        "(status is null or title = 'a') and status <> 'b'",
        &[NEVER],
    );
    check("allow", "status not in (select title from todos)", &[NEVER]);
    check("allow", "status in (select title from todos)", &[]);
    check(
        "allow",
        "not exists (select 1 from todos x where x.title = todos.status)",
        &[],
    );
    check(
        "deny",
        "exists (select 1 from todos x where todos.title <> status)",
        &[],
    );
    check(
        "allow",
        "exists (select 1 from todos x where x.title <> todos.status)",
        &[NEVER],
    );
    check("allow", "1 = 1", &[]);
    check(
        "allow",
        "title = title",
        &[
            "using: a column is compared with itself; write the other table's name before one of the two",
        ],
    );
    check(
        "allow",
        "auth.jwt() -> 'user_metadata' ->> 'a' = title",
        &[
            "using: user_metadata is what users write about themselves; read app_metadata, or a table",
        ],
    );
    check(
        "allow",
        "status = null",
        &["using: a comparison with null is never true; write is null or is not null"],
    );
}
