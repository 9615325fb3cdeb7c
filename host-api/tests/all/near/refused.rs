//! Searches that are refused, each with its code.

use std::sync::Arc;

use koyalite_host_api::vectors::SearchQuery;
use koyalite_policy::{Command, Schema};

use super::{add, found, ids, near, own, row};
use crate::support::{Owner, TestDatabase, filter, policy};

#[tokio::test]
async fn what_cannot_be_searched_for_is_refused_without_the_database() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let ann = Owner::new();
    let good = near("cosine", &[1.0, 0.0, 0.0], 5);
    let check = async |query: SearchQuery, code: &str| {
        let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    };
    for vector in [vec![], vec![1.0], vec![1.0; 4], vec![1.0; 20_000]] {
        check(near("cosine", &vector, 5), "wrong_dimension").await;
    }
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        check(near("l2", &[1.0, odd, 0.0], 5), "invalid_vector").await;
    }
    check(near("cosine", &[0.0; 3], 5), "invalid_vector").await;
    for k in [0, 1001, u32::MAX] {
        check(near("l2", &[1.0; 3], k), "invalid_k").await;
    }
    for index in ["", "nothing", "documents", "l2; drop table documents"] {
        check(near(index, &[1.0; 3], 5), "unknown_vector_index").await;
    }
    let of = |columns: &[&str]| SearchQuery {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        ..good.clone()
    };
    check(of(&["nothing"]), "unknown_column").await;
    check(of(&["id", "title as id"]), "repeated_column").await;
    check(of(&["id as distance"]), "repeated_column").await;
    let filtered = |text: &str| SearchQuery {
        filter: filter(text, vec![]),
        ..good.clone()
    };
    check(filtered("nothing = 1"), "unknown_column").await;
    check(filtered("embedding = embedding"), "invalid_condition").await;
    let statements = db.databases.statements();
    check(filtered("id = $1"), "invalid_condition").await;
    assert_eq!(db.databases.statements(), statements);
    // What can mean no row is answered by nobody asking.
    let none = found(&demo, &ann.identity, &filtered("false"))
        .await
        .unwrap();
    assert_eq!(none.rows, "[]");
    assert_eq!(db.databases.statements(), statements);
}

#[tokio::test]
async fn what_changes_between_two_searches_holds_for_the_second() {
    let db = TestDatabase::new().await;
    let mut demo = own(&db).await;
    let ann = Owner::new();
    add(&demo, &ann, vec![row(1, &ann, &[1.0, 0.0, 0.0])]).await;
    let query = near("l2", &[1.0, 0.0, 0.0], 5);
    assert_eq!(ids(&demo, &ann.identity, &query).await.len(), 1);
    let shape = demo.project.schema.tables().next().unwrap().shape().clone();
    // Another policy.
    let none = policy("documents", &[Command::Select], "title = 'public'");
    let schema = Schema::build(vec![shape.clone()], vec![none.clone()]).unwrap();
    demo.project.schema = Arc::new(schema);
    assert_eq!(ids(&demo, &ann.identity, &query).await, []);
    // No policy at all.
    demo.project.schema = Arc::new(Schema::build(vec![shape.clone()], vec![]).unwrap());
    let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
    assert_eq!(refused.code(), "no_policy", "{refused:?}");
    // The column is gone.
    let mut less = shape;
    less.columns
        .retain(|column| column.name.as_str() != "embedding");
    demo.project.schema = Arc::new(Schema::build(vec![less], vec![none.clone()]).unwrap());
    let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
    assert_eq!(refused.code(), "unknown_column", "{refused:?}");
    // The table is gone.
    demo.project.schema = Arc::new(Schema::build(vec![], vec![]).unwrap());
    let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
    assert_eq!(refused.code(), "unknown_table", "{refused:?}");
    // The index is gone.
    demo.project.vectors = Arc::default();
    let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
    assert_eq!(refused.code(), "unknown_vector_index", "{refused:?}");
}

#[tokio::test]
async fn without_an_extension_only_so_many_rows_are_compared() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    if demo.project.vectors.pgvector.is_some() {
        return;
    }
    let ann = Owner::new();
    let fill = format!(
        "INSERT INTO {}.documents SELECT n, '{}', 'many', ARRAY[n, 1, 2]::real[]
         FROM generate_series(1, 200001) n",
        demo.access.schema, ann.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    let query = near("l2", &[7.0, 1.0, 2.0], 1);
    let refused = found(&demo, &ann.identity, &query).await.unwrap_err();
    assert_eq!(refused.code(), "too_many_vectors");
    assert!(refused.message().contains("pgvector"), "{refused}");
    let narrower = SearchQuery {
        filter: filter("id <= 200000", vec![]),
        ..query
    };
    assert_eq!(ids(&demo, &ann.identity, &narrower).await, [(7, 0.0)]);
}
