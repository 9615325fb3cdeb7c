//! Another Postgres' tables and rows, from the command line to a project whose policies then hold.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, CommandLine, Database, Finished, Settings, TestApp, eventually};

/// Rows that refer to later ones and to themselves, and values of types that JSON could harm.
fn source() -> String {
    format!(
        "CREATE SCHEMA auth;
         CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
         CREATE SCHEMA shop;
         SET search_path = shop;
         CREATE TYPE mood AS ENUM ('calm', 'wild');
         CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            owner_id uuid NOT NULL, title text NOT NULL, rank bigint, mood mood DEFAULT 'calm',
            tags text[], bytes bytea, at timestamp, price numeric(20, 4), f double precision,
            after bigint REFERENCES notes (id));
         ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON notes USING ((SELECT auth.uid()) = owner_id);
         INSERT INTO notes (owner_id, title, rank, mood, tags, bytes, at, price, f, after)
         SELECT CASE n % 2 WHEN 0 THEN '{ALICE}' ELSE '{BOB}' END::uuid, 'note ' || n,
            9007199254740993, 'wild', ARRAY['a', NULL], decode(repeat('ab', 100), 'hex'),
            '2026-01-31 12:00', 1234567890123456.7891, 'NaN', 2501 - n
         FROM generate_series(1, 2500) n"
    )
}

/// A source with those tables, and a shell in a folder with its address.
async fn prepared(shell: CommandLine, more: &str) -> impl AsyncFn(&str) -> Finished + use<> {
    let other = Database::create().await;
    let source_of = other.connect().await;
    source_of.batch_execute(&source()).await.unwrap();
    source_of.batch_execute(more).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("source"), other.url()).unwrap();
    async move |line: &str| {
        let arguments: Vec<&str> = ["tables"].into_iter().chain(line.split(' ')).collect();
        shell.run(here.path(), &arguments).await
    }
}

#[tokio::test]
async fn a_schema_of_another_postgres_is_written_once_with_what_is_not_as_it_was() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let run = prepared(CommandLine::of(&app, &project.name), "").await;
    let nowhere = run("import").await;
    let said = "KOYALITE_IMPORT_URL";
    assert!(
        nowhere.code == 2 && nowhere.errors.contains(said),
        "{nowhere:?}"
    );
    let import = "import --schema shop --url-file source";
    let told = run(import).await.expect(0);
    for part in [
        "schema.json: 1 table(s), 1 policies",
        "notes.price",
        "numeric(20,4)",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(run(import).await.code, 2, "the file is not written over");
    assert_eq!(project.list("/tables").await.len(), 0);
    let wrong = run("import --schema nothing --url-file source --out x.json").await;
    assert!(
        wrong.code == 2 && wrong.errors.contains("no tables"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn tables_policies_and_rows_of_another_postgres_become_a_project() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let run = prepared(CommandLine::of(&app, &project.name), "").await;
    let data = "import --schema shop --url-file source --data --json";
    let report = run(data).await.expect(0);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["rows"], 2500, "{report}");
    let plan = run("plan").await.expect(0);
    assert!(plan.contains("nothing to do"), "{plan}");
    let again = run(&format!("{data} --out again.json")).await;
    assert_eq!(again.code, 2, "into new tables only: {again:?}");

    project.deploy("behaviours").await;
    let alice = project.token(ALICE).await;
    let ask = async |path: &str, query: Value| {
        let call = project.call(Method::POST, path).bearer(&alice);
        call.json(&query).send().await.of_function(200).json()
    };
    let columns = ["id", "rank", "mood", "tags", "at", "f", "after"];
    let query = json!({ "table": "notes", "columns": columns, "filter": "id < 4", "order": [["id", "asc"]] });
    let rows = ask("/behaviours/select", query).await;
    assert_eq!(
        rows,
        json!([{ "id": 2, "rank": "9007199254740993", "mood": "wild", "tags": ["a", null],
                 "at": "2026-01-31T12:00:00Z", "f": "NaN", "after": 2499 }]),
    );
    // As Postgres has it: JSON in a guest would round it.
    let id = project.get("").await["id"]
        .as_str()
        .unwrap()
        .replace('-', "");
    let digits = format!("SELECT DISTINCT price::text FROM p_{id}.notes");
    let database = app.launch.database().connect().await;
    let row = database.query_one(&digits, &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "1234567890123456.7891");
    // The next number is none of those that came with the rows.
    let new = json!({ "table": "notes", "rows": [{ "owner_id": ALICE, "title": "new" }],
                      "returning": ["id", "mood"] });
    let made = ask("/behaviours/insert", new).await;
    assert_eq!(made, json!([{ "id": 2501, "mood": "calm" }]));
}

#[tokio::test]
async fn an_import_that_breaks_off_leaves_nothing_and_can_be_given_again() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    // Older than its check, which did not look at it.
    let odd = "CREATE TABLE odd (id int PRIMARY KEY, kind text);
               INSERT INTO odd VALUES (1, 'b'); ALTER TABLE odd ADD CHECK (kind IN ('a', 'c')) NOT VALID;";
    let run = prepared(CommandLine::of(&app, &project.name), odd).await;
    let data = "import --schema shop --url-file source --data";
    for _ in 0..2 {
        let broken = run(data).await;
        assert_eq!(broken.code, 1, "{broken:?}");
        assert!(
            broken.errors.contains("nothing is left of it"),
            "{broken:?}"
        );
        assert_eq!(project.list("/tables").await.len(), 0);
    }
}

/// Killed while it waits for a table of the source that somebody else has locked.
#[tokio::test]
async fn an_import_that_was_killed_can_be_given_again() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let other = Database::create().await;
    let holder = other.connect().await;
    holder.batch_execute(&source()).await.unwrap();
    let more = "CREATE TABLE shop.odd (id int PRIMARY KEY); INSERT INTO shop.odd VALUES (1);";
    holder.batch_execute(more).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("source"), other.url()).unwrap();
    let shell = CommandLine::of(&app, &project.name);

    let locked = "BEGIN; LOCK TABLE shop.odd IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(locked).await.unwrap();
    let import = "import --schema shop --url-file source --data --json";
    let program = Settings::program().display().to_string();
    let line = format!("echo $$ > pid; exec {program} tables {import}");
    let killed = async {
        eventually("the tables are made", Duration::from_secs(60), async || {
            (project.list("/tables").await.len() == 2).then_some(())
        })
        .await;
        let pid = std::fs::read_to_string(here.path().join("pid")).unwrap();
        let kill = format!("kill -9 {}", pid.trim());
        shell.shell(here.path(), &kill).await.expect(0);
    };
    let (ended, ()) = tokio::join!(shell.shell(here.path(), &line), killed);
    assert_eq!(ended.code, -1, "it ended by itself: {ended:?}");
    assert!(here.path().join("schema.json.unfinished").exists());
    holder.batch_execute("ROLLBACK").await.unwrap();

    let again: Vec<&str> = ["tables"].into_iter().chain(import.split(' ')).collect();
    let again = shell.run(here.path(), &again).await;
    assert!(
        again
            .errors
            .contains("what it had made is dropped: notes, odd"),
        "{again:?}"
    );
    let report: Value = serde_json::from_str(&again.expect(0)).unwrap();
    assert_eq!(report["rows"], 2501, "{report}");
    assert!(!here.path().join("schema.json.unfinished").exists());
}
