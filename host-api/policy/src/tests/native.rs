//! Policies as `CREATE POLICY`. That Postgres takes the text, and means by it what the host means,
//! is tested beside a database.

use serde_json::{Value as Json, json};

use super::decisions::{policy, schema, todos};
use crate::native::{
    NotMirrorable, not_mirrorable, read_by_policies, removal, statements, visible,
};
use crate::{Claims, PolicySource, Schema, TableShape};

fn mirrored(policies: &[Json]) -> Result<Vec<String>, NotMirrorable> {
    statements(&schema(policies), &todos().name, "p_1")
}

/// The condition of the only policy made.
fn condition(using: &str) -> Result<String, String> {
    let made = mirrored(&[json!({"commands": ["select"], "using": using})]);
    let text = made.map_err(|error| error.reason)?.pop().unwrap();
    let (_, condition) = text.split_once(" USING (").unwrap();
    Ok(condition.strip_suffix(')').unwrap().to_owned())
}

#[test]
fn each_command_has_a_policy_of_its_own() {
    let made = mirrored(&[
        json!({"commands": ["select", "insert", "update", "delete"], "using": "hold", "check": "title <> ''"}),
        json!({"commands": ["delete"], "using": "hold", "effect": "deny"}),
    ]);
    let made = made.unwrap();
    let starts = [
        "DO $mirror$ DECLARE found name; BEGIN FOR found IN SELECT polname",
        r#"ALTER TABLE "p_1"."todos" ENABLE ROW LEVEL SECURITY"#,
        r#"ALTER TABLE "p_1"."todos" FORCE ROW LEVEL SECURITY"#,
        r#"CREATE POLICY koyalite_bypass ON "p_1"."todos" AS PERMISSIVE FOR ALL TO PUBLIC USING ((SELECT CASE coalesce(current_setting('koyalite.role', true), '') WHEN "#,
        r#"CREATE POLICY "koyalite_00000000000000000000000000000000_select" ON "p_1"."todos" AS PERMISSIVE FOR SELECT TO PUBLIC USING ("todos"."hold")"#,
        r#"CREATE POLICY "koyalite_00000000000000000000000000000000_insert" ON "p_1"."todos" AS PERMISSIVE FOR INSERT TO PUBLIC WITH CHECK ("todos"."title" <> (E''::text COLLATE "C"))"#,
        r#"CREATE POLICY "koyalite_00000000000000000000000000000000_update" ON "p_1"."todos" AS PERMISSIVE FOR UPDATE TO PUBLIC USING ("todos"."hold") WITH CHECK ("#,
        r#"CREATE POLICY "koyalite_00000000000000000000000000000000_delete" ON "p_1"."todos" AS PERMISSIVE FOR DELETE TO PUBLIC USING ("todos"."hold")"#,
        r#"CREATE POLICY "koyalite_00000000000000000000000000000000_delete" ON "p_1"."todos" AS RESTRICTIVE FOR DELETE TO PUBLIC USING ((not "todos"."hold") or (SELECT CASE coalesce("#,
    ];
    assert_eq!(made.len(), starts.len());
    for (statement, start) in made.iter().zip(starts) {
        assert!(statement.starts_with(start), "{statement}");
    }
    assert!(
        mirrored(&[]).unwrap().len() == 4,
        "a table without policies is closed"
    );
}

#[test]
fn texts_stay_literals() {
    let found = condition(r"title = 'it''s \ ''); drop table x; --'").unwrap();
    assert_eq!(
        found,
        r#""todos"."title" = (E'it''s \\ ''); drop table x; --'::text COLLATE "C")"#
    );
}

#[test]
fn claims_are_read_from_the_transaction() {
    let check = |using: &str, expected: &str| {
        let found = condition(using).unwrap();
        assert!(found.contains(expected), "{using}: {found}");
    };
    check(
        "owner_id = auth.uid()",
        r#""todos"."owner_id" = (SELECT CASE WHEN c.v ~ "#,
    );
    check(
        "owner_id = auth.uid()",
        "THEN current_setting('koyalite.uid', true) END",
    );
    check(
        "title = auth.jwt() -> 'app''s' ->> 'b'",
        "nullif(current_setting('koyalite.claims', true), '')::jsonb -> E'app''s' -> E'b'",
    );
    check(
        "title in (select auth.jwt() -> 'titles')",
        "= ANY ((SELECT CASE WHEN jsonb_typeof(j.v) = 'array'",
    );
    check("auth.jwt() -> 'a' is null", "(SELECT j.v FROM (SELECT ");
    check(
        "hold in (select auth.jwt() -> 'flags')",
        "THEN ARRAY(SELECT CASE WHEN jsonb_typeof(e.v) IN (",
    );
    for (ty, expected) in [
        ("smallint", "BETWEEN -32768 AND 32767"),
        ("integer", "BETWEEN -2147483648 AND 2147483647"),
        (
            "bigint",
            "BETWEEN -9223372036854775808 AND 9223372036854775807",
        ),
        ("numeric", "'NaN', 'Infinity', '-Infinity') THEN"),
        ("uuid", "[0-9a-fA-F]{12}$'"),
        ("boolean", "IN ('false', 'f') THEN false END"),
    ] {
        check(&format!("(auth.jwt() ->> 'x')::{ty} is null"), expected);
    }
    check("title = auth.uid()", "AS c(v)) COLLATE \"C\")");
    check("'aGk='::bytea is not null", r"E'\\x6869'::bytea");
}

#[test]
fn claims_that_could_fail_are_not_said() {
    for ty in ["real", "double precision", "date", "time", "timestamptz"] {
        let refused = condition(&format!("(auth.jwt() ->> 'x')::{ty} is null")).unwrap_err();
        assert!(
            refused.contains(&format!("read as {ty} could fail")),
            "{refused}"
        );
    }
    let refused = condition("now() in (select auth.jwt() -> 'x')").unwrap_err();
    assert!(refused.contains("read as timestamptz[]"), "{refused}");
}

/// The host reads `'{a,b}'` there and no JSON list; row security would take the list, and be more open.
#[test]
fn a_list_that_is_a_text_in_the_claim_is_not_said() {
    let listed = "(auth.jwt() ->> 'x')::text[] = array['a']";
    let refused = condition(listed).unwrap_err();
    assert!(refused.contains("read as text[] could fail"), "{refused}");
}

#[test]
fn inside_a_subquery_the_other_tables_policies_are_said_too() {
    let table = |name: &str| TableShape {
        name: name.parse().unwrap(),
        ..todos()
    };
    let inside = "exists (select 1 from first)";
    let on = |table: &str, using: &str| {
        policy(json!({"table": table, "commands": ["select"], "using": using}))
    };
    let written = policy(json!({"commands": ["insert"], "check": "exists (select 1 from second)"}));
    let build = |last: PolicySource, readable: &[&str]| {
        let policies = vec![
            on("todos", inside),
            written.clone(),
            on("first", "exists (select 1 from second)"),
            last,
        ];
        let tables = ["todos", "first", "second"].map(table).to_vec();
        let readable = readable.iter().map(|name| name.parse().unwrap()).collect();
        Schema::build_reading(tables, policies, Claims::default(), &readable).unwrap()
    };
    let schema = build(on("second", "hold"), &[]);
    let asked = todos().name;
    let text = visible(&schema, &asked, "p").unwrap();
    let second = r#"(SELECT * FROM "p"."second" WHERE (("second"."hold"))) as inner_1 where"#;
    assert!(text.contains(second), "{text}");
    let others: Vec<_> = read_by_policies(&schema, &asked)
        .into_iter()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(others, ["first", "second"]);
    let masked =
        policy(json!({"table": "second", "commands": ["select"], "using": "true", "read": ["id"]}));
    assert_eq!(
        visible(&build(masked, &[]), &asked, "p").unwrap_err().len(),
        1
    );
    let past = not_mirrorable(&build(on("second", "hold"), &["first"]), &asked);
    assert_eq!(past.len(), 1, "{past:?}");
    assert!(
        past[0]
            .reason
            .contains("it reads first, which is policy_readable"),
        "{past:?}"
    );
}

#[test]
fn tables_of_subqueries_are_named_in_full() {
    let inside = "exists (select 1 from todos x where x.id = todos.id)";
    let made = mirrored(&[json!({"commands": ["insert"], "check": inside})]).unwrap();
    let expected = r#"WITH CHECK (exists (select 1 from "p_1"."todos" as inner_1 where inner_1."id" = "todos"."id"))"#;
    assert!(made[4].ends_with(expected), "{}", made[4]);
}

#[test]
fn roles_become_part_of_the_condition() {
    let made = mirrored(&[json!({"commands": ["select"], "using": "hold",
                                "roles": ["anon", "editor"]})]);
    let text = made.unwrap().pop().unwrap();
    for part in [
        "current_setting('koyalite.role', true)",
        "E'anon'",
        "E'koya_role'",
        "E'editor'",
        r#"and "todos"."hold""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_postgres_cannot_say_names_the_policy() {
    let check = |policy: Json, reason: &str| {
        let error = mirrored(&[policy]).unwrap_err();
        assert_eq!(error.name, "p");
        assert!(error.to_string().contains(reason), "{error}");
    };
    check(
        json!({"commands": ["update"], "using": "true", "check": "id = old.id"}),
        "no old.",
    );
    check(
        json!({"commands": ["select"], "using": "true", "read": ["id"]}),
        "no masks",
    );
    check(
        json!({"commands": ["insert"], "check": "true", "write": ["id"]}),
        "no masks",
    );
    check(
        json!({"commands": ["insert"], "check": "true", "set": {"id": "1"}}),
        "sets no columns",
    );
    check(
        json!({"commands": ["select"], "using": "(auth.jwt() ->> 'until')::timestamptz > now()"}),
        "a claim that is read as timestamptz",
    );
    assert!(
        statements(&schema(&[]), &"nope".parse().unwrap(), "p_1")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn all_that_postgres_cannot_say_is_found_and_what_was_made_is_undone() {
    let found = not_mirrorable(
        &schema(&[
            json!({"commands": ["select"], "using": "true", "read": ["id"]}),
            json!({"commands": ["select"], "using": "hold"}),
            json!({"commands": ["insert"], "check": "true", "set": {"id": "1"}}),
        ]),
        &todos().name,
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let undone = removal(&todos().name, "p_1");
    assert!(undone[0].contains("DROP POLICY"), "{undone:?}");
    assert_eq!(
        undone[1..],
        [
            r#"ALTER TABLE "p_1"."todos" NO FORCE ROW LEVEL SECURITY"#,
            r#"ALTER TABLE "p_1"."todos" DISABLE ROW LEVEL SECURITY"#,
        ]
    );
}
