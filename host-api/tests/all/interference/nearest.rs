//! Searches for near rows, and for near rows and words: the host or the database compares all that count, so
//! that hidden rows have no part in any answer. Those by a graph are an exception (docs/vectors.md), and are
//! made of more rows than there are here.

use koyalite_host_api::tables::Filter;
use koyalite_host_api::vectors::{
    Graph, HybridQuery, Metric, PgVector, Precision, SearchQuery, VectorIndex, Vectors,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use uuid::Uuid;

use super::data::{NAMES, Seen, quoted};

pub(super) const TABLE: (&str, &[&str]) = (
    "documents",
    &[
        "id bigint primary key",
        "lang text",
        "title text",
        "embedding vector(2)",
    ],
);

const COLUMNS: &[&str] = &["id", "lang", "title", "embedding"];

const CONDITIONS: &[&str] = &[
    "",
    "lang = 'hidden'",
    "lang <> 'de'",
    "title = 'ann' or id > 2",
    "embedding is not null",
    "id >= 1000",
];

/// Few enough that rows are equally near.
const NUMBERS: &[f32] = &[-1.0, 0.0, 0.5, 1.0];

/// An index of each metric, by its word.
pub(super) fn indexes(pgvector: Option<PgVector>) -> Vectors {
    let graph = match pgvector {
        Some(_) => Graph::Hnsw,
        None => Graph::None,
    };
    let indexes = Metric::ALL.map(|metric| VectorIndex {
        id: Uuid::new_v4(),
        name: metric.as_str().parse().unwrap(),
        table: TABLE.0.parse().unwrap(),
        column: "embedding".parse().unwrap(),
        dimension: 2,
        metric,
        graph,
    });
    Vectors {
        indexes: indexes.into(),
        pgvector,
    }
}

/// `lang, title, embedding`
pub(super) fn document(seen: Seen) -> impl Strategy<Value = String> {
    let lang = match seen {
        Seen::Visible => select(vec!["'en'", "'de'"]),
        Seen::Hidden => select(vec!["'hidden'", "NULL"]),
    };
    let title = proptest::option::of(select(NAMES));
    let embedding = prop::option::weighted(0.8, vector());
    (lang, title, embedding).prop_map(|(lang, title, embedding)| {
        // As a literal that is read as what the column is: an array, or pgvector's type.
        let embedding = embedding.map(|it| format!("'{{{}, {}}}'::real[]", it[0], it[1]));
        let embedding = embedding.unwrap_or_else(|| "NULL::real[]".to_owned());
        format!("{lang}, {}, {embedding}", quoted(title))
    })
}

fn vector() -> impl Strategy<Value = [f32; 2]> {
    prop::array::uniform2(select(NUMBERS))
}

pub(super) fn search() -> impl Strategy<Value = SearchQuery> {
    let columns = subsequence(COLUMNS, 1..=COLUMNS.len());
    let precision = select(vec![Precision::Automatic, Precision::Exact]);
    let index = select(&Metric::ALL[..]);
    (
        index,
        vector(),
        1..6u32,
        columns,
        select(CONDITIONS),
        precision,
    )
        .prop_map(
            |(metric, vector, k, columns, text, precision)| SearchQuery {
                index: metric.as_str().to_owned(),
                vector: vector.into(),
                k,
                filter: Filter {
                    text: text.to_owned(),
                    params: vec![],
                },
                columns: columns.into_iter().map(str::to_owned).collect(),
                precision,
            },
        )
}

pub(super) fn words() -> impl Strategy<Value = HybridQuery> {
    let text = select(vec!["ann", "bob or ann", "-ann", "gone", "\"ann\""]);
    (search(), text).prop_map(|(near, text)| HybridQuery {
        near,
        text: text.to_owned(),
        columns: vec!["title".to_owned()],
        language: "simple".to_owned(),
    })
}
