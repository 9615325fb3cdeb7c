//! Searches for near rows, on a server without pgvector and, as part of another program, on one with it.

mod brute_force;
mod refused;
mod seen;
mod words;

use std::sync::Arc;

use koyalite_host_api::error::HostError;
use koyalite_host_api::tables::{InsertQuery, insert};
use koyalite_host_api::vectors::{Found, Graph, Metric, SearchQuery, VectorIndex, Vectors, search};
use koyalite_policy::{Command, Effect, Identity, PolicySource};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::support::{Owner, TestDatabase, TestProject, policy};

const DOCUMENTS: &[&str] = &[
    "id bigint primary key",
    "owner_id uuid",
    "title text",
    "embedding vector(3)",
];

/// Documents under these policies, with an index of each metric by its word.
pub(crate) async fn under(db: &TestDatabase, policies: Vec<PolicySource>) -> TestProject {
    let pgvector = db.pgvector().await;
    let mut demo = db.project(&[("documents", DOCUMENTS)], policies).await;
    let indexes = Metric::ALL.map(|metric| VectorIndex {
        id: Uuid::new_v4(),
        name: metric.as_str().parse().unwrap(),
        table: "documents".parse().unwrap(),
        column: "embedding".parse().unwrap(),
        dimension: 3,
        metric,
        graph: match &pgvector {
            Some(_) => Graph::Hnsw,
            None => Graph::None,
        },
    });
    if pgvector.is_some() {
        for metric in Metric::ALL {
            let make = format!(
                "CREATE INDEX documents_{metric} ON {}.documents
                     USING hnsw (embedding public.{});
                 GRANT USAGE ON SCHEMA public TO {};",
                demo.access.schema,
                metric.operator_class(),
                demo.access.role,
            );
            db.admin.batch_execute(&make).await.unwrap();
        }
    }
    demo.project.vectors = Arc::new(Vectors {
        indexes: indexes.into(),
        pgvector,
    });
    demo
}

/// Documents that belong to whoever made them; a denied one that has no title.
pub(crate) async fn own(db: &TestDatabase) -> TestProject {
    let own = policy("documents", &Command::ALL, "owner_id = auth.uid()");
    let held = PolicySource {
        effect: Effect::Deny,
        ..policy("documents", &[Command::Select], "title = 'held'")
    };
    under(db, vec![own, held]).await
}

/// A row of `documents`.
pub(crate) fn row(id: i64, owner: &Owner, embedding: &[f32]) -> Json {
    serde_json::json!({
        "id": id, "owner_id": owner.id, "title": format!("document {id}"), "embedding": embedding
    })
}

/// Writes documents of one owner.
pub(crate) async fn add(demo: &TestProject, owner: &Owner, rows: Vec<Json>) {
    for rows in rows.chunks(1000) {
        let query = InsertQuery {
            table: "documents".into(),
            rows: Json::from(rows.to_vec()).to_string(),
            ..InsertQuery::default()
        };
        let written = insert(&demo.project, &owner.identity, query).await;
        written.unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// A search for ids alone.
pub(crate) fn near(index: &str, vector: &[f32], k: u32) -> SearchQuery {
    SearchQuery {
        index: index.into(),
        vector: vector.to_vec(),
        k,
        columns: vec!["id".into()],
        ..SearchQuery::default()
    }
}

pub(crate) async fn found(
    demo: &TestProject,
    identity: &Identity,
    query: &SearchQuery,
) -> Result<Found, HostError> {
    search(&demo.project, identity, query).await
}

/// Ids and distances, the nearest first.
pub(crate) async fn ids(
    demo: &TestProject,
    identity: &Identity,
    query: &SearchQuery,
) -> Vec<(i64, f64)> {
    let found = found(demo, identity, query).await;
    let found = found.unwrap_or_else(|error| panic!("{error:?}"));
    let rows: Vec<Json> = serde_json::from_str(&found.rows).unwrap();
    let of = |row: &Json| {
        let distance = row["distance"].as_f64().unwrap_or(f64::NAN);
        (row["id"].as_i64().unwrap(), distance)
    };
    rows.iter().map(of).collect()
}
