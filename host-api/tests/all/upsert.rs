//! Writing rows that may be there already.

use koyalite_host_api::error::{ErrorKind, HostError};
use koyalite_host_api::limits::INSERT_ROWS;
use koyalite_host_api::tables::{InsertQuery, UpsertQuery, insert, upsert};
use koyalite_policy::{Command, Identity, PolicySource};
use serde_json::{Value as Json, json};

use crate::support::{Owner, TestDatabase, TestProject, policy, rows};

const NOTES: &[&str] = &[
    "id bigint primary key",
    "slug text unique",
    "owner_id uuid not null",
    "text text not null",
    "hits integer not null default 7",
];

fn own() -> Vec<PolicySource> {
    vec![policy("notes", &Command::ALL, "owner_id = auth.uid()")]
}

fn notes(rows: Json) -> UpsertQuery {
    UpsertQuery {
        table: "notes".into(),
        rows: rows.to_string(),
        ..UpsertQuery::default()
    }
}

async fn with_rows(
    db: &TestDatabase,
    policies: Vec<PolicySource>,
    rows: &[(&Owner, i64)],
) -> TestProject {
    let demo = db.project(&[("notes", NOTES)], policies).await;
    for (owner, id) in rows {
        let row =
            json!([{"id": id, "slug": format!("s{id}"), "owner_id": owner.id, "text": "old"}]);
        let query = InsertQuery {
            table: "notes".into(),
            rows: row.to_string(),
            ..InsertQuery::default()
        };
        insert(&demo.project, &owner.identity, query).await.unwrap();
    }
    demo
}

async fn stored(db: &TestDatabase, demo: &TestProject) -> Json {
    let query = format!(
        "SELECT coalesce(json_agg(json_build_array(id, slug, text, hits) ORDER BY id), '[]')::text \
         FROM {}.notes",
        demo.access.schema
    );
    let text: String = db.admin.query_one(&query, &[]).await.unwrap().get(0);
    serde_json::from_str(&text).unwrap()
}

fn refused(answer: Result<String, HostError>) -> (ErrorKind, &'static str) {
    let error = answer.unwrap_err();
    (error.kind(), error.code())
}

#[tokio::test]
async fn rows_are_added_or_changed_by_their_key() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_rows(&db, own(), &[(&ann, 1)]).await;
    let set = format!("UPDATE {}.notes SET hits = 50", demo.access.schema);
    db.admin.batch_execute(&set).await.unwrap();
    let query = UpsertQuery {
        returning: vec!["id".into(), "text as said".into(), "hits".into()],
        ..notes(json!([
            {"id": 1, "owner_id": ann.id, "text": "new"},
            {"id": 2, "owner_id": ann.id, "text": "two"},
        ]))
    };
    let answer = rows(upsert(&demo.project, &ann.identity, query).await);
    // A column that is not named keeps its value, or gets its default.
    let expected = json!([
        {"id": 1, "said": "new", "hits": 50}, {"id": 2, "said": "two", "hits": 7},
    ]);
    assert_eq!(answer, expected);

    let by_slug = UpsertQuery {
        conflict: vec!["slug".into()],
        ..notes(json!([{"id": 9, "slug": "s1", "owner_id": ann.id, "text": "by slug"}]))
    };
    assert_eq!(
        upsert(&demo.project, &ann.identity, by_slug).await.unwrap(),
        "[]"
    );
    let expected = json!([[2, null, "two", 7], [9, "s1", "by slug", 50]]);
    assert_eq!(stored(&db, &demo).await, expected);

    let only_key = UpsertQuery {
        returning: vec!["id".into()],
        ..notes(json!([{"id": 9, "owner_id": ann.id, "text": "x"}]))
    };
    let answer = rows(upsert(&demo.project, &ann.identity, only_key).await);
    assert_eq!(answer, json!([{"id": 9}]));
}

#[tokio::test]
async fn a_row_of_somebody_else_aborts_the_whole_and_is_not_skipped() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, own(), &[(&ann, 1), (&bob, 2)]).await;
    let before = stored(&db, &demo).await;
    for returning in [vec![], vec!["id".to_owned()]] {
        let query = UpsertQuery {
            returning,
            ..notes(json!([
                {"id": 1, "owner_id": ann.id, "text": "mine"},
                {"id": 2, "owner_id": ann.id, "text": "stolen"},
                {"id": 3, "owner_id": ann.id, "text": "new"},
            ]))
        };
        let answer = upsert(&demo.project, &ann.identity, query).await;
        assert_eq!(refused(answer), (ErrorKind::Denied, "check_failed"));
        assert_eq!(stored(&db, &demo).await, before);
    }
}

#[tokio::test]
async fn new_and_changed_rows_pass_the_checks_of_insert_and_update() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    // Inserted rows begin as drafts; only what is no final may change, and never back to a draft.
    let mut update = policy("notes", &[Command::Update], "text <> 'final'");
    update.check = Some("text <> 'draft'".into());
    let policies = vec![
        policy("notes", &[Command::Select], "true"),
        policy(
            "notes",
            &[Command::Insert],
            "text in ('draft', 'good', 'old', 'final')",
        ),
        update,
    ];
    let demo = with_rows(&db, policies, &[(&ann, 1)]).await;
    let write = async |id: i64, text: &str| {
        let query = notes(json!([{"id": id, "owner_id": ann.id, "text": text}]));
        upsert(&demo.project, &ann.identity, query)
            .await
            .map_err(|error| error.code())
    };
    assert_eq!(
        write(2, "draft").await,
        Ok("[]".into()),
        "a new row meets the insert check only"
    );
    assert_eq!(
        write(2, "draft").await,
        Err("check_failed"),
        "the update check"
    );
    assert_eq!(
        write(2, "free text").await,
        Err("check_failed"),
        "the insert check, for all"
    );
    assert_eq!(write(2, "good").await, Ok("[]".into()));
    assert_eq!(write(2, "final").await, Ok("[]".into()));
    assert_eq!(
        write(2, "good").await,
        Err("check_failed"),
        "a final row is not to be changed"
    );
    let expected = json!([[1, "s1", "old", 7], [2, null, "final", 7]]);
    assert_eq!(stored(&db, &demo).await, expected);
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_is_judged_as_it_is() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let policies = vec![
        policy("notes", &[Command::Select, Command::Insert], "true"),
        policy("notes", &[Command::Update], "text <> 'final'"),
    ];
    let demo = with_rows(&db, policies, &[]).await;
    // Another transaction inserts the row and commits while the upsert waits for it.
    let raw = db.tenant(&demo).await;
    raw.batch_execute("BEGIN").await.unwrap();
    let row = format!(
        "INSERT INTO notes VALUES (1, NULL, '{}', 'final', 1)",
        ann.id
    );
    raw.batch_execute(&row).await.unwrap();
    let query = notes(json!([{"id": 1, "owner_id": ann.id, "text": "new"}]));
    let waiting = upsert(&demo.project, &ann.identity, query);
    let commit = async {
        db.until_somebody_waits().await;
        raw.batch_execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, commit);
    assert_eq!(refused(answer), (ErrorKind::Denied, "check_failed"));
    assert_eq!(stored(&db, &demo).await, json!([[1, null, "final", 1]]));
}

#[tokio::test]
async fn an_upsert_needs_every_right_it_might_use() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let row = || notes(json!([{"id": 1, "owner_id": ann.id, "text": "x"}]));
    for missing in [Command::Select, Command::Insert, Command::Update] {
        let commands: Vec<_> = Command::ALL.into_iter().filter(|c| *c != missing).collect();
        let demo = with_rows(&db, vec![policy("notes", &commands, "true")], &[]).await;
        let answer = upsert(&demo.project, &ann.identity, row()).await;
        assert_eq!(
            refused(answer),
            (ErrorKind::Denied, "no_policy"),
            "{missing}"
        );
    }
    let demo = with_rows(&db, own(), &[]).await;
    let answer = upsert(&demo.project, &Identity::Anonymous, row()).await;
    assert_eq!(refused(answer), (ErrorKind::Denied, "denied_by_claims"));
}

#[tokio::test]
async fn another_unique_key_in_the_way_is_a_conflict_that_tells_nothing() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = with_rows(&db, own(), &[(&bob, 5)]).await;
    let query = notes(json!([{"id": 1, "slug": "s5", "owner_id": ann.id, "text": "x"}]));
    let error = upsert(&demo.project, &ann.identity, query)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "already_exists")
    );
    for word in ["slug", "s5", "notes"] {
        assert!(!error.message().contains(word), "{}", error.message());
    }
}

#[tokio::test]
async fn bad_upserts_are_told_what_would_have_been_right() {
    let db = TestDatabase::new().await;
    let ann = Owner::new();
    let demo = with_rows(&db, own(), &[]).await;
    let check = async |query: UpsertQuery, expected: &str| {
        let answer = upsert(&demo.project, &ann.identity, query).await;
        assert_eq!(answer.unwrap_err().code(), expected);
    };
    let row = || json!({"id": 1, "owner_id": ann.id, "text": "x"});
    let by = |columns: &[&str]| UpsertQuery {
        conflict: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..notes(json!([row()]))
    };
    check(by(&["text"]), "invalid_conflict_target").await;
    check(by(&["id", "slug"]), "invalid_conflict_target").await;
    check(by(&["id", "id"]), "repeated_column").await;
    check(by(&["colour"]), "unknown_column").await;
    check(by(&["slug"]), "invalid_rows").await;
    let uneven = json!([row(), {"id": 2, "owner_id": ann.id, "text": "x", "hits": 1}]);
    check(notes(uneven), "invalid_rows").await;
    check(notes(json!([{"id": 1, "text": "x"}])), "missing_value").await;
    check(notes(json!({})), "invalid_rows").await;
    let many = vec![row(); INSERT_ROWS + 1];
    check(notes(json!(many)), "too_many_rows").await;
    assert_eq!(db.databases.statements(), 0);
    check(notes(json!([row(), row()])), "repeated_row").await;
    let answer = upsert(&demo.project, &ann.identity, notes(json!([]))).await;
    assert_eq!(answer.unwrap(), "[]");
}
