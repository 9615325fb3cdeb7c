//! Conditions over other tables: scopes, inner policies, cycles.

use serde_json::json;

use super::decisions::{ALICE, policy, user};
use crate::*;

fn tables() -> Vec<TableShape> {
    let table = |name: &str, columns: &[(&str, ColumnType)]| TableShape {
        name: name.parse().unwrap(),
        columns: columns
            .iter()
            .map(|(name, ty)| ColumnShape {
                name: name.parse().unwrap(),
                ty: *ty,
                nullable: false,
                has_default: false,
                primary_key: false,
                unique: false,
                values: None,
            })
            .collect(),
        unique_together: Vec::new(),
    };
    vec![
        table(
            "todos",
            &[("id", ColumnType::Bigint), ("team_id", ColumnType::Uuid)],
        ),
        table(
            "members",
            &[("team_id", ColumnType::Uuid), ("user_id", ColumnType::Uuid)],
        ),
        table(
            "bans",
            &[("user_id", ColumnType::Uuid), ("reason", ColumnType::Text)],
        ),
    ]
}

fn on(table: &str, using: &str) -> PolicySource {
    policy(json!({"table": table, "commands": ["select"], "using": using}))
}

/// What Alice's select on todos becomes.
fn sql(policies: Vec<PolicySource>) -> Result<String, &'static str> {
    let schema = Schema::build(tables(), policies).unwrap();
    let (alice, now) = (user(json!({})), Timestamp::from_unix_micros(0));
    let permit = decide(
        &schema,
        &alice,
        Command::Select,
        &"todos".parse().unwrap(),
        now,
    );
    let permit = permit.map_err(|denied| denied.code())?;
    let mut writer = SqlWriter::new().in_schema("p");
    let text = writer.residual(permit.using(), "t");
    for (value, _) in writer.into_binds() {
        assert_eq!(value, Value::Uuid(ALICE.parse().unwrap()));
    }
    Ok(text)
}

const IN_TEAM: &str =
    "exists (select 1 from members m where m.team_id = todos.team_id and user_id = auth.uid())";

#[test]
fn inner_policies_apply_inside_a_subquery() {
    let check = |members: &str, expected: &str| {
        let found = sql(vec![on("todos", IN_TEAM), on("members", members)]);
        assert_eq!(found.as_deref(), Ok(expected), "{members}");
    };
    let own = r#"(inner_1."team_id" = t."team_id") AND (inner_1."user_id" = $1::uuid)"#;
    let exists = |condition: &str| {
        format!(r#"(EXISTS (SELECT 1 FROM "p"."members" AS inner_1 WHERE ({condition})))"#)
    };
    check("true", &exists(own));
    check(
        "user_id = auth.uid()",
        &exists(&format!(r#"{own} AND (inner_1."user_id" = $2::uuid)"#)),
    );
}

#[test]
fn a_table_that_the_caller_cannot_read_has_no_rows_inside_a_subquery() {
    assert_eq!(sql(vec![on("todos", IN_TEAM)]), Err("denied_by_claims"));
    assert_eq!(
        sql(vec![on("todos", IN_TEAM), on("members", "false")]),
        Err("denied_by_claims")
    );
    assert_eq!(
        sql(vec![on("todos", &format!("not {IN_TEAM}"))]),
        Ok("TRUE".to_owned())
    );
}

#[test]
fn in_a_query_takes_the_type_of_its_column() {
    let found = sql(vec![
        on(
            "todos",
            "auth.uid() in (select user_id from members where team_id = todos.team_id)",
        ),
        on("members", "user_id not in (select user_id from bans)"),
        on("bans", "reason is null"),
    ]);
    let expected = r#"($1::uuid IN (SELECT inner_1."user_id" FROM "p"."members" AS inner_1 WHERE ((inner_1."team_id" = t."team_id") AND (NOT (inner_1."user_id" IN (SELECT inner_2."user_id" FROM "p"."bans" AS inner_2 WHERE (inner_2."reason" IS NULL)))))))"#;
    assert_eq!(found.as_deref(), Ok(expected));
}

#[test]
fn policies_that_read_one_another_in_a_circle_are_refused() {
    let check = |policies: Vec<PolicySource>, expected: &str| {
        let errors = Schema::build(tables(), policies).unwrap_err();
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(
            messages.iter().any(|message| message.contains(expected)),
            "{messages:?}"
        );
    };
    let reads = |table: &str, other: &str| on(table, &format!("exists (select 1 from {other})"));
    check(
        vec![reads("members", "members")],
        "never end: members → members",
    );
    check(
        vec![
            reads("todos", "members"),
            reads("members", "bans"),
            reads("bans", "members"),
        ],
        "never end: members → bans → members",
    );
    // Only select policies apply inside a subquery, so another command may look at its own table.
    let once =
        json!({"commands": ["insert"], "check": "not exists (select 1 from todos where id = 1)"});
    assert!(Schema::build(tables(), vec![policy(once), on("todos", "true")]).is_ok());
}

#[test]
fn subqueries_are_checked_like_everything_else() {
    let check = |using: &str, expected: &str| {
        let error = check_policy(&on("todos", using), &tables())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{using}: {error}");
    };
    check(
        "exists (select 1 from nope)",
        "column 23: there is no table nope",
    );
    check(
        "exists (select 1 from members where usr_id = auth.uid())",
        "did you mean user_id?",
    );
    check(
        "exists (select 1 from members m where members.user_id = auth.uid())",
        "members is not",
    );
    check(
        "exists (select 1 from members where members.id = 1)",
        "there is no column id",
    );
    check(
        "id in (select user_id from members)",
        "bigint and uuid do not compare",
    );
    check(
        "exists (select 1 from members where user_id)",
        "a condition is needed here",
    );

    let itself = "exists (select 1 from members where team_id = team_id)";
    let checked = check_policy(&on("todos", itself), &tables()).unwrap();
    assert!(
        checked.warnings()[0]
            .message
            .contains("compared with itself")
    );
}

#[test]
fn a_filter_reads_one_table() {
    let schema = Schema::build(tables(), vec![on("todos", "true"), on("members", "true")]).unwrap();
    let now = Timestamp::from_unix_micros(0);
    let todos = "todos".parse().unwrap();
    let permit = decide(&schema, &Identity::Anonymous, Command::Select, &todos, now).unwrap();
    let error = parse_filter("exists (select 1 from members)", &[], &permit).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("column 23: a filter reads one table"),
        "{error}"
    );
}
