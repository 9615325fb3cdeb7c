//! Measures the graph: how hard it has to look to find what comparing all rows finds.
//!
//! It searches again for what a caller has just searched for, under the same permit and after that caller has
//! been answered. Its only outcome is a number.

use std::sync::Arc;

use serde::Deserialize;

use super::known::Kind;
use crate::db::sql::near::{self, Effort, Near};
use crate::db::{Database, Told};
use crate::error::HostError;
use crate::tables::near::Search;

/// How hard the graph looks, from little to as hard as pgvector takes.
const EFFORTS: [u32; 6] = [40, 80, 160, 320, 640, 1000];

/// Of a hundred rows that are among the nearest, so many have to be found.
const RECALL_PERCENT: usize = 95;

/// By so much two ways to work out one distance may differ.
const ROUNDING: f64 = 1e-5;

/// A search that is made again.
pub(super) struct Probe {
    pub(super) database: Database,
    pub(super) told: Option<Told>,
    pub(super) search: Arc<Search>,
    pub(super) kind: Kind,
}

#[derive(Deserialize)]
struct Row {
    distance: f64,
}

impl Probe {
    /// Begins, where no other probe of the project is under way. `compared` are the rows that comparing all
    /// has found, if it was done.
    pub(super) fn start(self, compared: Option<&str>) {
        let Some(turn) = self.database.probe_turn() else {
            return;
        };
        let compared = compared.map(distances);
        tokio::spawn(async move {
            // Measured again with a later search, where it did not succeed with this one.
            match self.measure(compared).await {
                Ok(ef) => self.database.known_searches().probed(self.kind, ef),
                Err(error) => tracing::debug!(code = error.code(), "a graph is not measured"),
            }
            drop(turn);
        });
    }

    async fn measure(&self, compared: Option<Vec<f64>>) -> Result<Option<u32>, HostError> {
        // Their distances say which rows they are, as far as that matters here.
        let near = Near {
            columns: Vec::new(),
            ..self.search.near.clone()
        };
        let permit = &self.search.permit;
        let compared = match compared {
            Some(compared) => compared,
            None => {
                let exact = near::exact(permit, &near);
                let read = self.database.run(self.told.as_ref(), &exact).await?;
                distances(&read.rows)
            }
        };
        let Some(farthest) = compared.last() else {
            return Ok(Some(0));
        };
        let limit = farthest + ROUNDING * farthest.abs().max(1.0);
        for ef in EFFORTS {
            let together = [near::effort(Effort { ef }), near::graph(permit, &near)];
            let told = self.told.as_ref();
            let reads = self.database.run_together(told, &together).await?;
            let found = reads.last().map(|read| distances(&read.rows));
            let found = found.unwrap_or_default();
            let right = found.iter().filter(|away| **away <= limit).count();
            if right * 100 >= compared.len() * RECALL_PERCENT {
                return Ok(Some(ef));
            }
        }
        Ok(None)
    }
}

/// The distances of an answer's rows. What is not a number is a text there, and comes last.
fn distances(rows: &str) -> Vec<f64> {
    let rows: Vec<Row> = serde_json::from_str(rows).unwrap_or_default();
    rows.into_iter().map(|row| row.distance).collect()
}
