//! Vector indexes: made, changed, deleted, built where the server has pgvector.

use koyalite_host_api::vectors::Graph;
use serde_json::{Value as Json, json};

use super::schema::{Tables, fields};
use super::*;
use crate::registry::condition::{Condition, Tag};
use crate::registry::page::Page;
use crate::registry::tables::Data;
use crate::registry::vectors::{
    self, NewVectorIndex, VectorIndex, VectorIndexPatch, build::build_next,
};

impl Tables {
    async fn documents(&self) {
        let columns = json!([
            { "name": "title", "type": "text" },
            { "name": "embedding", "type": "vector(3)", "nullable": true },
            { "name": "long", "type": "vector(2001)", "nullable": true },
        ]);
        let table = json!({ "name": "documents", "columns": columns });
        self.create(table).await.unwrap();
    }

    async fn vector_index(&self, new: Json) -> Result<VectorIndex, RegistryError> {
        let new: NewVectorIndex = serde_json::from_value(new).unwrap();
        let owner = self.registry.admin();
        vectors::create(&self.registry, &self.project, (&new, owner)).await
    }

    async fn change(
        &self,
        name: &str,
        patch: Json,
        condition: &Condition,
    ) -> Result<VectorIndex, RegistryError> {
        let patch: VectorIndexPatch = serde_json::from_value(patch).unwrap();
        vectors::update(&self.registry, &self.project, (name, &patch), condition).await
    }

    async fn has_pgvector(&self) -> bool {
        let ask = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')";
        self.registry.ask(ask).await
    }

    async fn graphs(&self) -> Vec<String> {
        let ask = "SELECT coalesce(array_agg(indexdef), '{}') FROM pg_indexes
                   WHERE indexname LIKE 'hnsw%'";
        self.registry.ask(ask).await
    }
}

#[tokio::test]
async fn a_vector_index_is_made_changed_and_deleted() {
    let t = Tables::new().await;
    t.documents().await;
    let new = json!({ "table": "documents", "embedding_column": "embedding", "dimension": 3 });
    let made = t.vector_index(new.clone()).await.unwrap();
    assert_eq!(made.name, "documents_embedding");
    assert_eq!((made.metric.as_str(), made.dimension), ("cosine", 3));
    let first = match t.has_pgvector().await {
        true => "building",
        false => "exact",
    };
    assert_eq!(made.state, first);
    assert!(made.detail.is_some());
    // By the table's id, the same.
    let by_id = json!({
        "name": "near", "associated_table_id": made.associated_table_id,
        "embedding_column": "embedding", "metric": "l2",
    });
    let near = t.vector_index(by_id.clone()).await.unwrap();
    let again = t.vector_index(by_id).await.unwrap_err();
    assert!(again.to_string().contains("of this name"), "{again}");
    let page = Page::first(1);
    let part = vectors::list(&t.registry, &t.project, &page).await.unwrap();
    assert!(part.more && part.items == [made]);
    let page = Page {
        after: Some("documents_embedding".to_owned()),
        limit: 5,
    };
    let part = vectors::list(&t.registry, &t.project, &page).await.unwrap();
    assert!(!part.more && part.items == [near.clone()]);

    let seen = Condition::OneOf(vec![Tag::of(&near).unwrap().to_string()]);
    let patch = json!({ "name": "nearer", "metric": "inner_product" });
    let changed = t.change("near", patch.clone(), &seen).await.unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.metric.as_str()),
        ("nearer", "inner_product")
    );
    let late = t.change("nearer", patch, &seen).await.unwrap_err();
    assert!(matches!(
        late,
        RegistryError::Conflict {
            kind: Standing::ChangedSince,
            ..
        }
    ));
    let wrong = t.change(
        "nearer",
        json!({ "name": "A", "metric": "l1" }),
        &Condition::Always,
    );
    assert_eq!(fields(wrong.await.unwrap_err()), ["name", "metric"]);

    let always = Condition::Always;
    vectors::delete(&t.registry, &t.project, "nearer", &always)
        .await
        .unwrap();
    let gone = vectors::get(&t.registry, &t.project, "nearer")
        .await
        .unwrap_err();
    assert!(matches!(gone, RegistryError::NotFound { .. }), "{gone}");
    let snapshot = t.registry.snapshot();
    let served = &snapshot.project(&t.project).unwrap().vectors.indexes;
    assert_eq!(served.len(), 1);
}

#[tokio::test]
async fn what_a_vector_index_cannot_be_on_is_said() {
    let t = Tables::new().await;
    t.documents().await;
    let check = async |new: Json, expected: &[&str]| {
        let refused = t.vector_index(new.clone()).await.unwrap_err();
        assert_eq!(fields(refused), expected, "{new}");
    };
    let column = "embedding";
    check(
        json!({ "embedding_column": column }),
        &["associated_table_id"],
    )
    .await;
    check(
        json!({ "table": "nothing", "embedding_column": column }),
        &["table"],
    )
    .await;
    let id = Uuid::nil();
    check(
        json!({ "associated_table_id": id, "embedding_column": column }),
        &["associated_table_id"],
    )
    .await;
    check(
        json!({ "associated_table_id": id, "table": "documents", "embedding_column": column }),
        &["associated_table_id"],
    )
    .await;
    let on = |column: &str| json!({ "table": "documents", "embedding_column": column });
    check(on("nothing"), &["embedding_column"]).await;
    check(on("title"), &["embedding_column"]).await;
    let mut all = on(column);
    all["dimension"] = 4.into();
    all["metric"] = "l1".into();
    all["name"] = "Not a name".into();
    check(all, &["metric", "dimension", "name"]).await;
}

#[tokio::test]
async fn a_column_that_is_searched_by_stays_and_goes_with_its_table() {
    let t = Tables::new().await;
    t.documents().await;
    let new = json!({ "table": "documents", "embedding_column": "embedding" });
    t.vector_index(new).await.unwrap();
    let (table, column) = ("documents".parse().unwrap(), "embedding".parse().unwrap());
    let kept = tables::drop_column(&t.registry, &t.project, (&table, &column), Data::MayGo).await;
    let kept = kept.unwrap_err().to_string();
    assert!(kept.contains("vector index documents_embedding"), "{kept}");
    tables::drop(&t.registry, &t.project, &table, Data::MayGo)
        .await
        .unwrap();
    let left: i64 = t
        .registry
        .ask("SELECT count(*) FROM koyalite.vector_indexes")
        .await;
    assert_eq!(left, 0);
    crate::registry::removal::project(&t.registry, &t.project)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_graph_is_built_where_the_server_has_pgvector() {
    let t = Tables::new().await;
    t.documents().await;
    let on = |column: &str| json!({ "table": "documents", "embedding_column": column });
    t.vector_index(on("embedding")).await.unwrap();
    let long = t.vector_index(on("long")).await.unwrap();
    assert_eq!(long.state, "exact");
    let graph_of = |name: &str| {
        let snapshot = t.registry.snapshot();
        let vectors = &snapshot.project(&t.project).unwrap().vectors;
        vectors
            .indexes
            .iter()
            .find(|index| index.name.as_str() == name)
            .unwrap()
            .graph
    };
    assert_eq!(graph_of("documents_embedding"), Graph::None);
    if !t.has_pgvector().await {
        assert!(!build_next(&t.registry).await.unwrap());
        return;
    }
    assert!(build_next(&t.registry).await.unwrap());
    assert!(
        !build_next(&t.registry).await.unwrap(),
        "nothing is left to build"
    );
    assert_eq!(graph_of("documents_embedding"), Graph::Hnsw);
    assert_eq!(t.graphs().await.len(), 1);
    // Another metric is another graph.
    let always = Condition::Always;
    let changed = t
        .change("documents_embedding", json!({ "metric": "l2" }), &always)
        .await;
    assert_eq!(changed.unwrap().state, "building");
    assert_eq!(
        (graph_of("documents_embedding"), t.graphs().await.len()),
        (Graph::None, 0)
    );
    assert!(build_next(&t.registry).await.unwrap());
    assert!(t.graphs().await[0].contains("vector_l2_ops"));
    vectors::delete(&t.registry, &t.project, "documents_embedding", &always)
        .await
        .unwrap();
    assert_eq!(t.graphs().await.len(), 0);
    crate::registry::removal::project(&t.registry, &t.project)
        .await
        .unwrap();
}

/// Without pgvector, a vector is an array of as many numbers.
#[tokio::test]
async fn a_column_of_vectors_takes_vectors_of_its_length_alone() {
    let t = Tables::new().await;
    t.documents().await;
    let table = "documents".parse().unwrap();
    let column = serde_json::from_value(json!({
        "name": "more", "type": "vector(2)", "nullable": true
    }));
    let added = tables::add_column(&t.registry, &t.project, &table, &column.unwrap()).await;
    added.unwrap();
    let schema: String = t
        .registry
        .ask("SELECT database_schema FROM koyalite.projects")
        .await;
    for (value, taken) in [
        ("ARRAY[1, 2]::real[]", true),
        ("NULL", true),
        ("ARRAY[1]::real[]", false),
        ("ARRAY[1, 2, 3]::real[]", false),
        ("ARRAY[[1, 2]]::real[]", false),
        ("ARRAY[]::real[]", false),
        ("ARRAY[1, NULL]::real[]", false),
    ] {
        let insert = format!("INSERT INTO {schema}.documents (title, more) VALUES ('a', {value})");
        let insert = sqlx::AssertSqlSafe(insert);
        let done = sqlx::raw_sql(insert).execute(&t.registry.pool).await;
        assert_eq!(done.is_ok(), taken, "{value}: {done:?}");
    }
}
