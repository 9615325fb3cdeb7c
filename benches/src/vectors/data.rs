//! Rows in clusters, made by a seed or out of words; searches near to a tenant's clusters or far from them; and
//! the truth.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::pin::pin;

use anyhow::ensure;
use bytes::Bytes;
use futures::SinkExt;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::K;
use super::words::Words;

/// Numbers of each vector that is made: what the small models of sentences make.
const DIMENSIONS: usize = 384;
/// Clusters, of which a tenant has some for its own.
pub(super) const CLUSTERS: i64 = 2000;
/// How far a row is from the middle of its cluster, for one that is about 1 long.
const SPREAD: f32 = 0.35;
/// The same rows each time.
const SEED: u64 = 0x006b_6f79_616c_6974;
/// Rows that are sent at once.
const CHUNK: u32 = 500;

/// What a search is near to.
pub(super) type Asked = Vec<f32>;

/// Where rows and searches come from. What is searched for is no row: it is numbered behind them.
pub(super) enum Set {
    /// A generator.
    Made,
    /// Words that people have written.
    Words(Words),
}

impl Set {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Words(_) => "words",
        }
    }

    pub(super) fn dimensions(&self) -> usize {
        match self {
            Self::Made => DIMENSIONS,
            Self::Words(words) => words.dimensions(),
        }
    }

    fn cluster(&self, id: i64) -> i64 {
        match self {
            // Scattered, so that neighbours in the file are none in the graph.
            Self::Made => id.wrapping_mul(7919) % CLUSTERS,
            Self::Words(words) => words.cluster(id),
        }
    }

    fn vector(&self, id: i64) -> Asked {
        match self {
            Self::Made => of_cluster(self.cluster(id), id),
            Self::Words(words) => words.vector(id),
        }
    }

    /// Whether the caller, who is the first tenant of each band, sees the row.
    pub(super) fn shows(&self, band: Band, id: i64) -> bool {
        self.cluster(id) % band.parts() == 0
    }

    /// The share of so many rows that the caller really sees.
    pub(super) fn share(&self, band: Band, rows: u32) -> String {
        let seen = (0..i64::from(rows)).filter(|id| self.shows(band, *id));
        format!(
            "{:.2} %",
            seen.count() as f64 * 100.0 / f64::from(rows.max(1))
        )
    }

    /// What is asked for: none of it is a row.
    pub(super) fn asked(
        &self,
        (band, far): (Band, Far),
        rows: u32,
        searches: u32,
    ) -> anyhow::Result<Vec<Asked>> {
        let rows = i64::from(rows);
        let asked: Vec<Asked> = match self {
            Self::Made => {
                let searches = (0..i64::from(searches)).map(|number| {
                    let own = number.wrapping_mul(band.parts()) % CLUSTERS;
                    of_cluster((own + far.away()) % CLUSTERS, rows + 1 + number)
                });
                searches.collect()
            }
            Self::Words(words) => {
                let wanted = far.away() % band.parts();
                let beyond = rows..words.count();
                let of = beyond.filter(|id| self.cluster(*id) % band.parts() == wanted);
                of.map(|id| words.vector(id))
                    .take(searches as usize)
                    .collect()
            }
        };
        ensure!(
            !asked.is_empty(),
            "no word is left to search for: take fewer rows"
        );
        Ok(asked)
    }
}

/// How much of the table a caller sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    All,
    Tenth,
    Hundredth,
    Thousandth,
}

/// Where a search is: near to the caller's rows, or far from them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    No,
    Yes,
}

impl Band {
    /// The claim that opens it, and the column that it is compared with.
    pub(super) fn claim(self) -> &'static str {
        match self {
            Self::All => "everything",
            Self::Tenth => "tenth",
            Self::Hundredth => "hundredth",
            Self::Thousandth => "thousandth",
        }
    }

    fn parts(self) -> i64 {
        match self {
            Self::All => 1,
            Self::Tenth => 10,
            Self::Hundredth => 100,
            Self::Thousandth => 1000,
        }
    }
}

impl Far {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::No => "near",
            Self::Yes => "far",
        }
    }

    /// From a cluster of the caller's to one that is asked for.
    fn away(self) -> i64 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
        }
    }
}

/// Whoever sees everything is far from nothing.
pub(super) fn kinds() -> Vec<(Band, Far)> {
    let parts = [Band::Tenth, Band::Hundredth, Band::Thousandth];
    let both = parts.map(|band| [(band, Far::No), (band, Far::Yes)]);
    let all = [(Band::All, Far::No)].into_iter();
    all.chain(both.into_iter().flatten()).collect()
}

const BANDS: [Band; 4] = [Band::All, Band::Tenth, Band::Hundredth, Band::Thousandth];

/// The table.
pub(super) fn table(dimensions: usize) -> Value {
    let mut columns = vec![json!({ "name": "id", "type": "bigint", "primary_key": true })];
    columns.extend(BANDS.map(|band| json!({ "name": band.claim(), "type": "text" })));
    columns.push(json!({ "name": "embedding", "type": format!("vector({dimensions})") }));
    let parts = BANDS.iter().filter(|band| **band != Band::All);
    let indexes: Vec<Value> = parts
        .map(|band| json!({ "columns": [band.claim()] }))
        .collect();
    json!({ "name": "documents", "columns": columns, "indexes": indexes })
}

/// A policy for each band.
pub(super) fn policies() -> [Value; 4] {
    BANDS.map(|band| {
        let claim = band.claim();
        json!({
            "name": claim, "table": "documents", "commands": ["select"],
            "using": format!("{claim} = auth.jwt() ->> '{claim}'"),
        })
    })
}

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn of(number: i64) -> Self {
        Self(SEED ^ number.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> f32 {
        // About normal: the sum of four.
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            sum += (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        }
        sum * 1.7
    }

    fn vector(&mut self) -> impl Iterator<Item = f32> {
        let length = (DIMENSIONS as f32).sqrt();
        std::iter::repeat_with(move || self.next() / length).take(DIMENSIONS)
    }
}

/// A vector of that cluster.
fn of_cluster(cluster: i64, number: i64) -> Asked {
    let mut middle = Random::of(-1 - cluster);
    let mut away = Random::of(number);
    let both = middle.vector().zip(away.vector());
    both.map(|(middle, away)| middle + SPREAD * away).collect()
}

fn text(vector: &[f32]) -> String {
    let mut text = String::from("[");
    for number in vector {
        let comma = if text.len() > 1 { "," } else { "" };
        // Into a text there is nothing to fail.
        let _ = write!(text, "{comma}{number}");
    }
    text.push(']');
    text
}

/// Puts the rows into the table.
pub(super) async fn fill(
    client: &Client,
    schema: &str,
    (set, rows): (&Set, u32),
) -> anyhow::Result<()> {
    let copy = format!("COPY {schema}.documents FROM STDIN");
    let sink = client.copy_in(&copy).await?;
    let mut sink = pin!(sink);
    let mut lines = String::new();
    for id in 0..i64::from(rows) {
        let cluster = set.cluster(id);
        let vector = text(&set.vector(id));
        let (tenth, hundredth, thousandth) = (cluster % 10, cluster % 100, cluster % 1000);
        // Into a text there is nothing to fail.
        let _ = writeln!(
            lines,
            "{id}\t0\t{tenth}\t{hundredth}\t{thousandth}\t{vector}"
        );
        if id % i64::from(CHUNK) == 0 {
            sink.send(Bytes::from(std::mem::take(&mut lines))).await?;
        }
    }
    sink.send(Bytes::from(lines)).await?;
    sink.finish().await?;
    client
        .batch_execute(&format!("ANALYZE {schema}.documents"))
        .await?;
    Ok(())
}

/// For each search, the rows that are among the nearest which the caller sees.
pub(super) async fn truth(
    client: &Client,
    schema: &str,
    band: Band,
    asked: &[Asked],
) -> anyhow::Result<Vec<BTreeSet<i64>>> {
    let claim = band.claim();
    let ask = format!(
        "SELECT id FROM {schema}.documents WHERE {claim} = '0'
         ORDER BY (embedding OPERATOR(koyalite_vector.<=>) $1::text::koyalite_vector.vector) + 0, id
         LIMIT {K}"
    );
    let ask = client.prepare(&ask).await?;
    let mut truth = Vec::with_capacity(asked.len());
    for asked in asked {
        let rows = client.query(&ask, &[&text(asked)]).await?;
        let ids: Result<BTreeSet<i64>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        truth.push(ids?);
    }
    Ok(truth)
}

/// A vector in Postgres' words.
pub(super) fn words(asked: &[f32]) -> String {
    text(asked)
}
