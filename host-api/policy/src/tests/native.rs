//! Policies as `CREATE POLICY`. That Postgres takes the text, and means by it what the host means,
//! is tested beside a database.

use serde_json::{Value as Json, json};

use super::decisions::{schema, todos};
use crate::native::{NotMirrorable, not_mirrorable, removal, statements};

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
