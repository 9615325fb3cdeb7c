//! A source with the shape that Supabase projects have, read from a real Postgres and applied.

use sqlx::Connection as _;

use super::*;
use crate::registry::migration::{Author, Terms, apply_schema};
use crate::registry::tests::TestRegistry;

const SOURCE: &str = r#"
    DO $$ BEGIN CREATE ROLE anon; EXCEPTION WHEN OTHERS THEN NULL; END $$;
    DO $$ BEGIN CREATE ROLE authenticated; EXCEPTION WHEN OTHERS THEN NULL; END $$;
    DO $$ BEGIN CREATE ROLE reporting; EXCEPTION WHEN OTHERS THEN NULL; END $$;
    CREATE SCHEMA auth;
    CREATE TABLE auth.users (id uuid PRIMARY KEY);
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
    CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS 'SELECT ''{}''::jsonb';
    CREATE SCHEMA shop;
    SET search_path = shop;
    CREATE TYPE todo_state AS ENUM ('open', 'in progress', 'done');
    CREATE FUNCTION is_admin() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';
    CREATE TABLE profiles (
        id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
        username varchar(20) UNIQUE, website text, updated_at timestamptz DEFAULT now());
    CREATE TABLE teams (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
        head bigint);
    CREATE TABLE members (team_id bigint REFERENCES teams ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES profiles, PRIMARY KEY (team_id, user_id));
    CREATE TABLE todos (
        id serial PRIMARY KEY, owner_id uuid NOT NULL DEFAULT auth.uid(),
        team_id bigint REFERENCES teams ON DELETE SET NULL,
        state todo_state NOT NULL DEFAULT 'open', tags text[] NOT NULL DEFAULT '{}',
        extra jsonb NOT NULL DEFAULT '{"a": [1]}', price numeric(10, 2) DEFAULT 1.5,
        due timestamp, secret bytea, took interval, doubled int GENERATED ALWAYS AS (2) STORED,
        kind text NOT NULL DEFAULT 'task' CHECK (kind IN ('task', 'note')),
        CHECK (price > 0), CHECK (char_length(kind) > 1 AND id % 2 < 9), UNIQUE (owner_id, team_id));
    ALTER TABLE teams ADD FOREIGN KEY (head) REFERENCES todos (id);
    ALTER TABLE teams ALTER head TYPE integer;
    CREATE INDEX ON todos (owner_id, state);
    CREATE INDEX ON todos (lower(price::text));
    CREATE TABLE "Odd Name" (id int PRIMARY KEY);
    CREATE TABLE log (line text);
    CREATE VIEW open_todos AS SELECT * FROM todos WHERE state = 'open';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER touched BEFORE UPDATE ON todos FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
    ALTER TABLE teams ENABLE ROW LEVEL SECURITY;
    ALTER TABLE members ENABLE ROW LEVEL SECURITY;
    ALTER TABLE todos ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "everyone sees" ON profiles FOR SELECT USING (true);
    CREATE POLICY "own profile" ON profiles FOR UPDATE TO authenticated
        USING ((SELECT auth.uid()) = id) WITH CHECK ((SELECT auth.uid()) = id);
    CREATE POLICY "named" ON profiles FOR INSERT WITH CHECK (username IN ('a', 'b') OR username = 'it''s');
    CREATE POLICY "members see" ON teams FOR SELECT TO authenticated USING (EXISTS (
        SELECT 1 FROM members WHERE members.team_id = teams.id AND members.user_id = auth.uid()));
    CREATE POLICY "own membership" ON members USING (auth.uid() = user_id);
    CREATE POLICY "own todos" ON todos USING (auth.uid() = owner_id);
    CREATE POLICY "open ones" ON todos FOR SELECT TO anon USING (state = 'open');
    CREATE POLICY "mfa" ON todos AS RESTRICTIVE TO authenticated
        USING ((SELECT auth.jwt() ->> 'aal') = 'aal2');
    CREATE POLICY "only admins" ON todos AS RESTRICTIVE FOR DELETE USING (is_admin());
    CREATE POLICY "reports" ON todos FOR SELECT TO reporting USING (true);
"#;

async fn source(registry: &TestRegistry) -> PgConnection {
    let mut conn = PgConnection::connect_with(registry.options())
        .await
        .unwrap();
    sqlx::raw_sql(SOURCE).execute(&mut conn).await.unwrap();
    conn
}

fn table_names(imported: &Imported) -> Vec<&str> {
    let tables = imported.file.tables.iter();
    tables.map(|table| table.name.as_str()).collect()
}

fn table(imported: &Imported, name: &str) -> serde_json::Value {
    let tables = &imported.file.tables;
    serde_json::to_value(tables.iter().find(|t| t.name == name).unwrap()).unwrap()
}

#[tokio::test]
async fn a_schema_as_supabase_projects_have_it_is_carried_over_and_applied() {
    let registry = TestRegistry::new().await;
    let imported = read(&mut source(&registry).await, "shop").await.unwrap();
    assert_eq!(
        table_names(&imported),
        ["log", "members", "profiles", "teams", "todos"]
    );
    let todos = table(&imported, "todos");
    let column = |name: &str| {
        let columns = todos["columns"].as_array().unwrap();
        columns.iter().find(|c| c["name"] == name).cloned().unwrap()
    };
    assert_eq!(column("id")["default"], "identity()");
    assert_eq!(column("state")["type"], "enum(open, in progress, done)");
    assert_eq!(column("state")["default"], "open");
    assert_eq!(column("tags")["type"], "text[]");
    assert_eq!(column("extra")["default"], serde_json::json!({"a": [1]}));
    assert_eq!(column("team_id")["references"]["on_delete"], "set_null");
    assert_eq!(column("kind")["type"], "enum(task, note)");
    let indexes = serde_json::json!([
        { "columns": ["owner_id", "team_id"], "unique": true },
        { "columns": ["owner_id", "state"] },
    ]);
    assert_eq!(todos["indexes"], indexes);

    let policies: Vec<String> = imported
        .file
        .policies
        .iter()
        .map(|p| {
            let effect = serde_json::to_value(p.effect).unwrap();
            let text = p.using.as_deref().or(p.check.as_deref()).unwrap();
            format!(
                "{} {}: {} {:?} {text}",
                effect.as_str().unwrap(),
                p.table,
                p.name,
                p.roles
            )
        })
        .collect();
    assert_eq!(
        policies,
        [
            "allow members: own membership [] (auth.uid() = user_id)",
            "allow profiles: everyone sees [] true",
            "allow profiles: named [] (((username)::text = ANY ((ARRAY['a'::character varying, \
             'b'::character varying])::text[])) OR ((username)::text = 'it''s'::text))",
            "allow profiles: own profile [\"authenticated\"] (( SELECT auth.uid()) = id)",
            "allow teams: members see [\"authenticated\"] (EXISTS ( SELECT 1\n   FROM members\n  WHERE \
         ((members.team_id = teams.id) AND (members.user_id = auth.uid()))))",
            "deny todos: mfa [\"authenticated\"] not (( SELECT (auth.jwt() ->> 'aal'::text)) = 'aal2'::text)",
            "deny todos: only admins [] true",
            "allow todos: open ones [\"anon\"] (state = 'open')",
            "allow todos: own todos [] (auth.uid() = owner_id)",
            "deny todos: check todos_price_check [] false",
        ]
    );
    let project = registry.project("demo").await.name;
    let terms = Terms::cautious(Author {
        user: registry.admin(),
        name: "a test".to_owned(),
    });
    let applied = apply_schema(&registry, &project, &imported.file, &terms)
        .await
        .unwrap();
    assert_eq!(applied.created_tables.len(), 5);
    let again = apply_schema(&registry, &project, &imported.file, &terms)
        .await
        .unwrap();
    assert!(again.is_nothing(), "{again:?}");
}

#[tokio::test]
async fn what_cannot_be_carried_over_is_told_with_the_reason() {
    let registry = TestRegistry::new().await;
    let imported = read(&mut source(&registry).await, "shop").await.unwrap();
    let told = |subject: &str, reason: &str| {
        let found = imported.notes.iter();
        let found: Vec<_> = found.filter(|note| note.subject == subject).collect();
        assert!(
            found.iter().any(|note| note.reason.contains(reason)),
            "{subject}: {found:?} in {:#?}",
            imported.notes
        );
    };
    told("Odd Name", "left out");
    told("log", "no primary key");
    told("log", "row security off");
    told("open_todos", "view");
    told("touch()", "function of the database");
    told("todos: trigger touched", "no triggers");
    told("todos.took", "interval is not a type here");
    told("todos.doubled", "generated");
    told("todos.due", "UTC");
    told("todos.price", "limits");
    told("todos.owner_id", "default auth.uid()");
    told("todos.state", "ordered as texts");
    told(
        "todos: constraint todos_price_check",
        "carried over as the policy \"check todos_price_check\": CHECK ((price > (0)::numeric))",
    );
    told(
        "todos: constraint todos_check",
        "write a policy that denies",
    );
    told("todos: index todos_lower_idx", "no B-tree over columns");
    told("profiles: constraint profiles_id_fkey", "auth.users");
    told("todos: reports", "the role reporting");
    told("todos: only admins", "is_admin");
    let mut conn = PgConnection::connect_with(registry.options())
        .await
        .unwrap();
    let missing = read(&mut conn, "nothing").await.unwrap_err();
    assert!(matches!(missing, sqlx::Error::RowNotFound));
}
