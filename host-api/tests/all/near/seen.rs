//! What a search shows: the caller's own rows, all of them, and nothing of anybody else's.

use koyalite_host_api::tables::{DeleteQuery, Filter, UpsertQuery};
use koyalite_host_api::vectors::{self, Precision, SearchPlan, SearchQuery};
use koyalite_policy::{Command, Identity, Value};
use serde_json::{Value as Json, json};

use super::{add, found, ids, near, own, row, under};
use crate::support::{Owner, TestDatabase, filter, policy, rows};

#[tokio::test]
async fn a_search_finds_the_nearest_of_what_the_caller_may_see() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut held = row(9, &ann, &[1.0, 0.0, 0.0]);
    held["title"] = "held".into();
    let no_vector = json!({ "id": 8, "owner_id": ann.id, "title": "none", "embedding": null });
    add(
        &demo,
        &ann,
        vec![
            row(1, &ann, &[1.0, 0.0, 0.0]),
            row(2, &ann, &[0.9, 0.1, 0.0]),
            row(3, &ann, &[0.0, 1.0, 0.0]),
            held,
            no_vector,
        ],
    )
    .await;
    // Nearer than any of Ann's.
    let nearer = (10..40).map(|id| row(id, &bob, &[1.0, 0.001, 0.0]));
    add(&demo, &bob, nearer.collect()).await;
    let asked = [1.0, 0.002, 0.0];
    for index in ["l2", "cosine", "inner_product"] {
        let query = near(index, &asked, 2);
        let seen: Vec<i64> = ids(&demo, &ann.identity, &query)
            .await
            .iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(seen, [1, 2], "{index}");
        // As many as there are, where more are wanted.
        let all = ids(&demo, &ann.identity, &near(index, &asked, 50)).await;
        assert_eq!(all.len(), 3, "{index}: {all:?}");
        let others = ids(&demo, &bob.identity, &near(index, &asked, 50)).await;
        assert!(others.iter().all(|(id, _)| (10..40).contains(id)) && others.len() == 30);
    }
    let nobody = found(&demo, &Identity::Anonymous, &near("l2", &asked, 3)).await;
    assert_eq!(nobody.unwrap_err().code(), "denied_by_claims");
}

#[tokio::test]
async fn a_search_answers_columns_distances_and_its_plan() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let ann = Owner::new();
    let both = vec![
        row(1, &ann, &[3.0, 4.0, 0.0]),
        row(2, &ann, &[0.0, 1.0, 0.0]),
    ];
    add(&demo, &ann, both).await;
    let query = SearchQuery {
        columns: vec![],
        precision: Precision::Exact,
        filter: filter("title <> $1", vec![Value::Text("document 2".into())]),
        ..near("l2", &[0.0, 0.0, 0.0], 5)
    };
    let answer = found(&demo, &ann.identity, &query).await.unwrap();
    let expected = match demo.project.vectors.pgvector {
        Some(_) => SearchPlan::Exact,
        None => SearchPlan::Scan,
    };
    assert_eq!(answer.plan, expected);
    // Without the vector, which nobody has asked for by name.
    assert_eq!(
        rows(Ok(answer.rows)),
        json!([{ "id": 1, "owner_id": ann.id, "title": "document 1", "distance": 5.0 }])
    );
    let renamed = SearchQuery {
        columns: vec!["id as document".into(), "embedding".into()],
        ..near("inner_product", &[1.0, 1.0, 0.0], 1)
    };
    let answer = found(&demo, &ann.identity, &renamed).await.unwrap();
    assert_eq!(
        rows(Ok(answer.rows)),
        json!([{ "document": 1, "embedding": [3.0, 4.0, 0.0], "distance": -7.0 }])
    );
}

#[tokio::test]
async fn rows_that_are_equally_near_come_in_the_order_of_their_keys() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, bob) = (Owner::new(), Owner::new());
    for id in [7_i64, 3, 5, 1] {
        add(&demo, &bob, vec![row(100 + id, &bob, &[1.0, 1.0, 1.0])]).await;
        add(&demo, &ann, vec![row(id, &ann, &[1.0, 1.0, 1.0])]).await;
    }
    let query = near("l2", &[1.0, 1.0, 0.0], 3);
    let seen = ids(&demo, &ann.identity, &query).await;
    assert_eq!(seen, [(1, 1.0), (3, 1.0), (5, 1.0)]);
}

#[tokio::test]
async fn a_column_that_is_masked_is_neither_searched_nor_answered_nor_filtered_by() {
    let db = TestDatabase::new().await;
    let mut only_titles = policy("documents", &[Command::Select], "title = 'open'");
    only_titles.read = Some(vec!["id".parse().unwrap(), "title".parse().unwrap()]);
    let own = policy("documents", &Command::ALL, "owner_id = auth.uid()");
    let demo = under(&db, vec![only_titles, own]).await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let mut open = row(1, &ann, &[1.0, 0.0, 0.0]);
    open["title"] = "open".into();
    add(&demo, &ann, vec![open, row(2, &ann, &[0.0, 1.0, 0.0])]).await;
    // Bob may read the title of the first row, and by no policy its vector.
    let query = near("l2", &[1.0, 0.0, 0.0], 5);
    assert_eq!(ids(&demo, &bob.identity, &query).await, []);
    assert_eq!(ids(&demo, &ann.identity, &query).await.len(), 2);
    let nobody = found(&demo, &Identity::Anonymous, &query)
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), "column_not_readable", "{nobody:?}");
}

#[tokio::test]
async fn rows_are_written_and_deleted_under_the_name_of_the_index() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let write = async |owner: &Owner, rows: Json| {
        let query = UpsertQuery {
            table: "l2".into(),
            rows: rows.to_string(),
            returning: vec!["id".into()],
            ..UpsertQuery::default()
        };
        vectors::upsert(&demo.project, &owner.identity, query).await
    };
    let first = write(&ann, json!([row(1, &ann, &[1.0, 0.0, 0.0])])).await;
    assert_eq!(rows(first), json!([{ "id": 1 }]));
    write(&ann, json!([row(1, &ann, &[0.0, 0.0, 2.0])]))
        .await
        .unwrap();
    let query = near("l2", &[0.0, 0.0, 0.0], 5);
    assert_eq!(ids(&demo, &ann.identity, &query).await, [(1, 2.0)]);
    // What is somebody else's stays theirs.
    let stolen = write(&bob, json!([row(1, &bob, &[0.0, 0.0, 0.0])])).await;
    assert_eq!(stolen.unwrap_err().code(), "check_failed");
    let delete = async |owner: &Owner, index: &str| {
        let query = DeleteQuery {
            table: index.into(),
            filter: Filter {
                text: "id = 1".into(),
                params: vec![],
            },
            returning: vec!["id".into()],
            ..DeleteQuery::default()
        };
        vectors::delete(&demo.project, &owner.identity, query).await
    };
    assert_eq!(rows(delete(&bob, "l2").await), json!([]));
    assert_eq!(rows(delete(&ann, "l2").await), json!([{ "id": 1 }]));
    let missing = delete(&ann, "documents").await.unwrap_err();
    assert_eq!(missing.code(), "unknown_vector_index");
}
