//! Searches of many rows, by the graph: as many rows as were asked for, and only those that may be seen.

use koyalite_host_api::vectors::{Precision, SearchPlan, SearchQuery};

use crate::near::{found, ids, near, own};
use crate::support::{Owner, TestDatabase, TestProject, filter};

/// So many rows that comparing all is not the only way; every third is Bob's.
async fn many(db: &TestDatabase, ann: &Owner, bob: &Owner) -> TestProject {
    let demo = own(db).await;
    let schema = &demo.access.schema;
    let fill = format!(
        "DROP INDEX {schema}.documents_l2, {schema}.documents_cosine,
             {schema}.documents_inner_product;
         SELECT setseed(0.5);
         INSERT INTO {schema}.documents
         SELECT n, (CASE n % 3 WHEN 0 THEN '{}' ELSE '{}' END)::uuid, 'document ' || n % 10,
             ARRAY[random(), random(), random()]::real[]
         FROM generate_series(1, 45000) n;
         CREATE INDEX ON {schema}.documents USING hnsw (embedding public.vector_l2_ops);
         ANALYZE {schema}.documents;",
        bob.id, ann.id
    );
    db.admin.batch_execute(&fill).await.unwrap();
    demo
}

#[tokio::test]
async fn many_rows_are_found_by_the_graph_once_it_is_known_to_find_them() {
    let db = TestDatabase::new().await;
    let (ann, bob) = (Owner::new(), Owner::new());
    let demo = many(&db, &ann, &bob).await;
    let query = near("l2", &[0.5, 0.5, 0.5], 10);
    let exact = SearchQuery {
        precision: Precision::Exact,
        ..query.clone()
    };
    let expected = ids(&demo, &ann.identity, &exact).await;
    // The first ones are compared, and the graph is measured meanwhile.
    let first = found(&demo, &ann.identity, &query).await.unwrap();
    assert_eq!(first.plan, SearchPlan::Exact);
    let by_graph = async |query: &SearchQuery| {
        for _ in 0..1000 {
            let answer = found(&demo, &ann.identity, query).await.unwrap();
            if answer.plan == SearchPlan::Graph {
                return;
            }
        }
        panic!("the graph is never asked");
    };
    by_graph(&query).await;
    let seen = ids(&demo, &ann.identity, &query).await;
    assert_eq!(seen.len(), 10);
    let right = seen.iter().filter(|row| expected.contains(row)).count();
    assert!(right >= 9, "{seen:?} of {expected:?}");
    assert!(seen.iter().all(|(id, _)| id % 3 != 0), "{seen:?}");
    assert!(seen.is_sorted_by(|a, b| a.1 <= b.1), "{seen:?}");
    // As many as a search may answer.
    by_graph(&near("l2", &[0.1, 0.9, 0.4], 1000)).await;
    let seen = ids(&demo, &ann.identity, &near("l2", &[0.1, 0.9, 0.4], 1000)).await;
    assert_eq!(seen.len(), 1000);
    assert!(seen.iter().all(|(id, _)| id % 3 != 0));
    // What the graph is told ends with the search: the next statement is planned as ever.
    assert_eq!(ids(&demo, &ann.identity, &exact).await, expected);
    // Few rows are compared, whatever there is.
    let few = SearchQuery {
        filter: filter("title = 'document 7'", vec![]),
        ..query
    };
    let answer = found(&demo, &ann.identity, &few).await.unwrap();
    assert_eq!(answer.plan, SearchPlan::Exact);
    let others = found(&demo, &bob.identity, &few).await.unwrap();
    assert_eq!(others.plan, SearchPlan::Exact);
}
