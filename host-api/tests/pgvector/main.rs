//! Columns of type `vector` against a real pgvector.
//!
//! A program of its own, so that a run says whether these tests were made: `cargo xtask test` starts it
//! on a server that has the extension, and says so where it finds none. By hand, with the folder of
//! such a server's programs in `KOYALITE_TEST_POSTGRES`:
//! `cargo test -p koyalite-host-api --test pgvector`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot continue should stop; clippy.toml says so of tests, this of their support"
)]

#[path = "../all/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "written for all tests of this crate"
)]
mod support;

mod graph;
#[path = "../all/interference/mod.rs"]
#[allow(dead_code, reason = "the other tests look for leaks with it too")]
mod interference;
#[path = "../all/near/mod.rs"]
mod near;

use koyalite_host_api::error::HostError;
use koyalite_host_api::tables::{
    EmbedQuery, InsertQuery, OrderKey, SelectQuery, UpdateQuery, UpsertQuery, insert, select,
    select_page, update, upsert,
};
use koyalite_policy::{Command, Effect, Identity, PolicySource};
use serde_json::json;

use crate::support::{Owner, TestDatabase, TestProject, filter, policy, rows};

const DOCUMENTS: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid",
    "title text",
    "embedding vector(3)",
];
const PARTS: &[&str] = &[
    "id bigint primary key",
    "document_id bigint references documents(id)",
    "embedding vector(2) not null",
];

async fn documents(db: &TestDatabase) -> TestProject {
    let create = "CREATE EXTENSION vector";
    let created = db.admin.batch_execute(create).await;
    created.expect("this server has no pgvector; name one in KOYALITE_TEST_POSTGRES");
    let tables: &[(&str, &[&str])] = &[("documents", DOCUMENTS), ("parts", PARTS)];
    let own = policy("documents", &Command::ALL, "owner_id = auth.uid()");
    let open = policy("documents", &[Command::Select], "embedding is null");
    let held = PolicySource {
        effect: Effect::Deny,
        ..policy("documents", &[Command::Delete], "embedding is not null")
    };
    let parts = policy("parts", &Command::ALL, "true");
    db.project(tables, vec![own, open, held, parts]).await
}

async fn add(
    demo: &TestProject,
    ann: &Owner,
    rows: serde_json::Value,
) -> Result<String, HostError> {
    let query = InsertQuery {
        table: "documents".into(),
        rows: rows.to_string(),
        returning: vec!["id".into(), "embedding".into()],
    };
    insert(&demo.project, &ann.identity, query).await
}

async fn seen(demo: &TestProject, identity: &Identity) -> String {
    let query = SelectQuery {
        table: "documents".into(),
        columns: vec!["id".into(), "embedding".into()],
        order: vec![OrderKey::ascending("id")],
        ..SelectQuery::default()
    };
    select(&demo.project, identity, query).await.unwrap()
}

#[tokio::test]
async fn vectors_read_back_as_they_were_written() {
    let db = TestDatabase::new().await;
    let demo = documents(&db).await;
    let ann = Owner::new();
    let one = json!([{ "id": 1, "owner_id": ann.id, "embedding": [0.1, -2, 3.4028235e38] }]);
    let answer = add(&demo, &ann, one).await.unwrap();
    assert_eq!(answer, r#"[{"id":1,"embedding":[0.1,-2.0,3.4028235e38]}]"#);
    // Several rows travel as one array a column.
    let several = json!([
        { "id": 2, "owner_id": ann.id, "embedding": [1, 1e-45, -0.0] },
        { "id": 3, "owner_id": ann.id, "embedding": null },
        { "id": 4, "owner_id": ann.id, "embedding": "[1, 2, 3]" },
    ]);
    add(&demo, &ann, several).await.unwrap();
    assert_eq!(
        seen(&demo, &ann.identity).await,
        concat!(
            r#"[{"id":1,"embedding":[0.1,-2.0,3.4028235e38]},{"id":2,"embedding":[1.0,1e-45,-0.0]},"#,
            r#"{"id":3,"embedding":null},{"id":4,"embedding":[1.0,2.0,3.0]}]"#
        )
    );
}

#[tokio::test]
async fn vectors_are_changed_by_updates_and_upserts() {
    let db = TestDatabase::new().await;
    let demo = documents(&db).await;
    let ann = Owner::new();
    let first = json!([{ "id": 1, "owner_id": ann.id, "embedding": [1, 2, 3] }]);
    add(&demo, &ann, first).await.unwrap();
    let query = UpdateQuery {
        table: "documents".into(),
        filter: filter("id = 1", vec![]),
        changes: json!({ "embedding": [4, 5, 6] }).to_string(),
        returning: vec!["embedding".into()],
        ..UpdateQuery::default()
    };
    let changed = rows(update(&demo.project, &ann.identity, query).await);
    assert_eq!(changed, json!([{ "embedding": [4.0, 5.0, 6.0] }]));
    let proposed = json!([
        { "id": 1, "owner_id": ann.id, "embedding": [7, 8, 9] },
        { "id": 2, "owner_id": ann.id, "embedding": [0, 0, 1] },
    ]);
    for rows in [proposed.clone(), json!([proposed[1]])] {
        let query = UpsertQuery {
            table: "documents".into(),
            rows: rows.to_string(),
            ..UpsertQuery::default()
        };
        upsert(&demo.project, &ann.identity, query).await.unwrap();
    }
    assert_eq!(
        seen(&demo, &ann.identity).await,
        r#"[{"id":1,"embedding":[7.0,8.0,9.0]},{"id":2,"embedding":[0.0,0.0,1.0]}]"#
    );
}

#[tokio::test]
async fn vectors_are_read_inside_embeds_and_pages() {
    let db = TestDatabase::new().await;
    let demo = documents(&db).await;
    let ann = Owner::new();
    let first = json!([{ "id": 1, "owner_id": ann.id, "embedding": [1, 2, 3] }]);
    add(&demo, &ann, first).await.unwrap();
    let query = InsertQuery {
        table: "parts".into(),
        rows: json!([{ "id": 1, "document_id": 1, "embedding": [0.5, 1] }]).to_string(),
        ..InsertQuery::default()
    };
    insert(&demo.project, &ann.identity, query).await.unwrap();
    let query = SelectQuery {
        table: "documents".into(),
        columns: vec!["embedding".into()],
        order: vec![OrderKey::ascending("id")],
        limit: Some(1),
        embeds: vec![EmbedQuery {
            table: "parts".into(),
            columns: vec!["embedding".into()],
            ..EmbedQuery::default()
        }],
        ..SelectQuery::default()
    };
    let expected =
        json!([{ "embedding": [1.0, 2.0, 3.0], "parts": [{ "embedding": [0.5, 1.0] }] }]);
    let page = select_page(&demo.project, &ann.identity, &query, None).await;
    assert_eq!(rows(page.map(|page| page.rows)), expected);
    assert_eq!(
        rows(select(&demo.project, &ann.identity, query).await),
        expected
    );
}

/// A policy and a filter ask whether there is one, and nothing else.
#[tokio::test]
async fn policies_and_filters_ask_whether_there_is_a_vector() {
    let db = TestDatabase::new().await;
    let demo = documents(&db).await;
    let ann = Owner::new();
    let both = json!([
        { "id": 1, "owner_id": ann.id, "embedding": [1, 2, 3] },
        { "id": 2, "owner_id": ann.id, "embedding": null },
    ]);
    add(&demo, &ann, both).await.unwrap();
    assert_eq!(
        seen(&demo, &Identity::Anonymous).await,
        r#"[{"id":2,"embedding":null}]"#
    );
    let asked = async |text: &str| {
        let query = SelectQuery {
            table: "documents".into(),
            columns: vec!["id".into()],
            filter: filter(text, vec![]),
            ..SelectQuery::default()
        };
        select(&demo.project, &ann.identity, query).await
    };
    assert_eq!(
        rows(asked("embedding is not null").await),
        json!([{ "id": 1 }])
    );
    let refused = asked("embedding = embedding").await.unwrap_err();
    assert_eq!(refused.code(), "invalid_condition", "{refused:?}");
}

#[tokio::test]
async fn what_is_no_vector_of_the_columns_length_is_refused_by_the_host() {
    let db = TestDatabase::new().await;
    let demo = documents(&db).await;
    let ann = Owner::new();
    for wrong in [
        json!([1, 2]),
        json!([1, 2, 3, 4]),
        json!([1, 2, null]),
        json!([1, 2, "x"]),
        json!([1, 2, 1e39]),
        json!("NaN"),
        json!(1),
    ] {
        let row = json!([{ "id": 1, "owner_id": ann.id, "embedding": wrong }]);
        let refused = add(&demo, &ann, row).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_value", "{wrong}: {refused:?}");
    }
    assert_eq!(db.count(&demo, "documents").await, 0);
}

/// Tables and searches as without pgvector; the database compares.
#[test]
fn hidden_rows_change_no_search() {
    let runtime = interference::runtime();
    let pair = runtime.block_on(interference::Pair::new(None));
    let pairs = interference::Pairs::default();
    let run = support::random::Run::at_least(interference::PAIRS / interference::REQUESTS);
    if let Err(difference) = interference::hunt(&runtime, &pair, run, &pairs) {
        panic!("{difference}");
    }
}
