//! Searches by meaning and by words: what stands best in both lists, of what the caller may see alone.

use koyalite_host_api::error::HostError;
use koyalite_host_api::vectors::{HybridQuery, SearchPlan, search_hybrid};
use koyalite_policy::{Identity, Value};
use serde_json::{Value as Json, json};

use super::{add, near, own, row};
use crate::support::{Owner, TestDatabase, TestProject, filter};

/// A search for ids alone, among titles.
fn words(vector: &[f32], text: &str, k: u32) -> HybridQuery {
    HybridQuery {
        near: near("l2", vector, k),
        text: text.to_owned(),
        columns: vec!["title".to_owned()],
        language: "english".to_owned(),
    }
}

fn titled(id: i64, owner: &Owner, (title, embedding): (&str, Json)) -> Json {
    json!({ "id": id, "owner_id": owner.id, "title": title, "embedding": embedding })
}

async fn asked(
    demo: &TestProject,
    identity: &Identity,
    query: &HybridQuery,
) -> Result<Vec<(i64, f64)>, HostError> {
    let found = search_hybrid(&demo.project, identity, query).await?;
    let expected = match demo.project.vectors.pgvector {
        Some(_) => SearchPlan::Exact,
        None => SearchPlan::Scan,
    };
    assert_eq!(found.plan, expected);
    let rows: Vec<Json> = serde_json::from_str(&found.rows).unwrap();
    let of = |row: &Json| (row["id"].as_i64().unwrap(), row["score"].as_f64().unwrap());
    Ok(rows.iter().map(of).collect())
}

async fn ids(demo: &TestProject, identity: &Identity, query: &HybridQuery) -> Vec<i64> {
    let found = asked(demo, identity, query).await;
    let found = found.unwrap_or_else(|error| panic!("{error:?}"));
    found.into_iter().map(|(id, _)| id).collect()
}

async fn library(demo: &TestProject) -> (Owner, Owner) {
    let (ann, bob) = (Owner::new(), Owner::new());
    let of_ann = vec![
        titled(1, &ann, ("Baking bread at home", json!([1.0, 0.0, 0.0]))),
        titled(2, &ann, ("Engines and valves", json!([0.9, 0.0, 0.0]))),
        titled(3, &ann, ("Who bakes breads", json!([0.0, 0.0, 9.0]))),
        titled(4, &ann, ("Bread without a vector, baked", Json::Null)),
        titled(5, &ann, ("held", json!([1.0, 0.0, 0.0]))),
    ];
    add(demo, &ann, of_ann).await;
    // Better in both lists than any of Ann's.
    let of_bob =
        (10..60).map(|id| titled(id, &bob, ("bread bread baking", json!([1.0, 0.01, 0.0]))));
    add(demo, &bob, of_bob.collect()).await;
    (ann, bob)
}

#[tokio::test]
async fn what_stands_well_in_both_lists_comes_first_and_nobody_elses_rows_change_that() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, bob) = library(&demo).await;
    let query = words(&[1.0, 0.0, 0.0], "baking bread", 10);
    let found = asked(&demo, &ann.identity, &query).await.unwrap();
    // First of the near ones and of those with the words; then by one list each, or by the ends of both.
    assert_eq!(found[0].0, 1, "{found:?}");
    let mut all: Vec<_> = found.iter().map(|(id, _)| *id).collect();
    assert!(found.is_sorted_by(|one, next| one.1 >= next.1), "{found:?}");
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
    let best = |places: &[f64]| places.iter().map(|place| 1.0 / (60.0 + place)).sum::<f64>();
    assert!((found[0].1 - best(&[1.0, 1.0])).abs() < 1e-9 || found[0].1 > best(&[1.0, 4.0]));
    let of_two = found.iter().find(|(id, _)| *id == 2).unwrap().1;
    assert!((of_two - best(&[2.0])).abs() < 1e-9, "only near: {of_two}");
    // Bob sees none of it, and all of his.
    let others = ids(
        &demo,
        &bob.identity,
        &words(&[1.0, 0.0, 0.0], "baking bread", 100),
    )
    .await;
    assert!(others.len() == 50 && others.iter().all(|id| (10..60).contains(id)));
    let nobody = asked(&demo, &Identity::Anonymous, &query).await;
    assert_eq!(nobody.unwrap_err().code(), "denied_by_claims");
}

#[tokio::test]
async fn words_are_those_of_people_and_of_their_language() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, _) = library(&demo).await;
    let check = async |text: &str, language: &str, expected: &[i64]| {
        // Far from everything, one row of the near list, and a filter that takes it out again.
        let query = HybridQuery {
            language: language.to_owned(),
            ..words(&[0.0, 9.0, 0.0], text, 50)
        };
        let found = asked(&demo, &ann.identity, &query).await.unwrap();
        // Only near: at most what the first place of one list is worth.
        let near = [2, 1, 3];
        let mut said: Vec<_> = found
            .iter()
            .filter(|(id, score)| {
                let place = near.iter().position(|one| one == id);
                place.is_none_or(|place| *score > 1.0 / (61.0 + place as f64) + 1e-9)
            })
            .map(|(id, _)| *id)
            .collect();
        said.sort_unstable();
        assert_eq!(said, expected, "{text} in {language:?}: {found:?}");
    };
    check("bread", "english", &[1, 3, 4]).await;
    check("bread", "simple", &[1, 4]).await;
    check("bread", "", &[1, 4]).await;
    check("\"baking bread\"", "english", &[1, 3]).await;
    check("\"bread baking\"", "english", &[]).await;
    check("bread -home", "english", &[3, 4]).await;
    check("valves or home", "english", &[1, 2]).await;
    check("held", "english", &[]).await;
    check("", "english", &[]).await;
    check("') OR true --", "english", &[]).await;
}

#[tokio::test]
async fn a_filter_holds_for_both_lists() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let (ann, _) = library(&demo).await;
    let mut query = words(&[1.0, 0.0, 0.0], "bread", 10);
    query.near.filter = filter("id > $1", vec![Value::Integer(2)]);
    let mut found = ids(&demo, &ann.identity, &query).await;
    found.sort_unstable();
    assert_eq!(found, [3, 4]);
    query.near.k = 1;
    assert_eq!(ids(&demo, &ann.identity, &query).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_refused_with_a_reason() {
    let db = TestDatabase::new().await;
    let demo = own(&db).await;
    let ann = Owner::new();
    add(&demo, &ann, vec![row(1, &ann, &[1.0, 0.0, 0.0])]).await;
    let good = words(&[1.0, 0.0, 0.0], "document", 5);
    let with = |change: &dyn Fn(&mut HybridQuery)| {
        let mut query = good.clone();
        change(&mut query);
        query
    };
    for (query, code) in [
        (
            with(&|query| query.language = "klingon".into()),
            "unknown_language",
        ),
        (
            with(&|query| query.language = "english; --".into()),
            "unknown_language",
        ),
        (with(&|query| query.columns.clear()), "not_text"),
        (with(&|query| query.columns = vec!["id".into()]), "not_text"),
        (
            with(&|query| query.columns = vec!["nothing".into()]),
            "unknown_column",
        ),
        (
            with(&|query| query.columns = vec!["title".into(); 17]),
            "too_many_columns",
        ),
        (
            with(&|query| query.text = "x".repeat(2049)),
            "params_too_large",
        ),
        (with(&|query| query.near.k = 0), "invalid_k"),
        (
            with(&|query| query.near.vector = vec![1.0]),
            "wrong_dimension",
        ),
        (
            with(&|query| query.near.index = "none".into()),
            "unknown_vector_index",
        ),
        (
            with(&|query| query.near.columns = vec!["id as score".into()]),
            "repeated_column",
        ),
    ] {
        let refused = asked(&demo, &ann.identity, &query).await;
        assert_eq!(refused.unwrap_err().code(), code, "{query:?}");
    }
    assert_eq!(ids(&demo, &ann.identity, &good).await, [1]);
}
