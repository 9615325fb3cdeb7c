//! Searches for near rows on their way to Postgres: in one flight, or around a comparison by the host.
//!
//! Where the host compares, the rows that it has chosen are read in the same view of the database, so that
//! none of them has gone meanwhile.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::error::Error as StdError;
use std::pin::pin;

use futures::TryStreamExt;
use postgres_types::{FromSql, Type};
use tokio_postgres::Row;

use super::bind::Bind;
use super::pool::Database;
use super::rows::Read;
use super::run::{Flight, Stale, Statement, Stopped};
use super::told::{Told, tell};
use super::transaction::roll_back;
use crate::error::HostError;
use crate::limits::SCANNED_VECTORS;
use crate::vectors::{Metric, distance};

/// A comparison by the host.
pub(crate) struct Comparing<'a> {
    /// Place, vector and key of every row that counts.
    pub(crate) candidates: &'a Statement,
    /// What they are compared with.
    pub(crate) vector: &'a [f32],
    pub(crate) metric: Metric,
    /// How many are wanted.
    pub(crate) limit: usize,
}

impl Database {
    /// Compares all rows that count and reads the nearest: `read` makes the statement of their places,
    /// or says that there is none.
    pub(crate) async fn nearest(
        &self,
        told: Option<&Told>,
        comparing: Comparing<'_>,
        read: impl FnOnce(Vec<(String, f64)>) -> Option<Statement>,
    ) -> Result<Read, HostError> {
        let mut flight = self.flight().await?;
        let read = flight.nearest(told, comparing, read).await;
        match read {
            Err(Stopped::ByUs(error)) => {
                // Rows may still be on the way: the connection is closed, which ends them.
                drop(flight);
                Err(error)
            }
            read => {
                roll_back(flight).await;
                read.map_err(Stopped::into_error)
            }
        }
    }
}

impl Flight {
    async fn nearest(
        &mut self,
        told: Option<&Told>,
        comparing: Comparing<'_>,
        read: impl FnOnce(Vec<(String, f64)>) -> Option<Statement>,
    ) -> Result<Read, Stopped> {
        let keep = self.node.limits.statements;
        let client = self.client()?;
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await?;
        if let Some(told) = told {
            let telling = told.prepared(client, keep).await?;
            tell(client, Some(&telling)).await?;
        }
        let found = self.compare_all(comparing).await?;
        match read(found) {
            None => Ok(Read::nothing()),
            Some(statement) => self.ask(&statement, Stale::GiveUp).await,
        }
    }

    async fn compare_all(
        &mut self,
        comparing: Comparing<'_>,
    ) -> Result<Vec<(String, f64)>, Stopped> {
        self.node.count_statement();
        let statement = comparing.candidates;
        let types = statement.binds.iter().map(Bind::pg_type);
        let binds = statement.binds.iter().zip(types);
        let rows = self
            .client()?
            .query_typed_raw(&statement.text, binds)
            .await?;
        let mut rows = pin!(rows);
        let mut nearest = Nearest::new(comparing.limit);
        let mut vector = Vec::new();
        let mut seen = 0;
        while let Some(row) = rows.try_next().await? {
            seen += 1;
            if seen > SCANNED_VECTORS {
                return Err(Stopped::ByUs(HostError::too_many_vectors()));
            }
            let Numbers(bytes) = row.try_get(1)?;
            numbers(bytes, &mut vector);
            let away = distance(comparing.metric, comparing.vector, &vector);
            nearest.offer(away, &row)?;
        }
        Ok(nearest.in_order())
    }
}

/// The nearest rows so far, the farthest of them on top.
struct Nearest {
    limit: usize,
    heap: BinaryHeap<Candidate>,
}

/// A row that may be answered. Ties are broken by the key, so that rows which nobody may see change nothing.
struct Candidate {
    away: f64,
    key: Vec<u8>,
    place: String,
}

impl Nearest {
    fn new(limit: usize) -> Nearest {
        Nearest {
            limit,
            heap: BinaryHeap::with_capacity(limit + 1),
        }
    }

    fn offer(&mut self, away: f64, row: &Row) -> Result<(), tokio_postgres::Error> {
        let is_full = self.heap.len() >= self.limit;
        let farther = |top: &Candidate| away.total_cmp(&top.away) == Ordering::Greater;
        if is_full && self.heap.peek().is_some_and(farther) {
            return Ok(());
        }
        let mut key = Vec::new();
        for column in 2..row.len() {
            let Key(bytes) = row.try_get(column)?;
            key.extend_from_slice(bytes);
        }
        self.heap.push(Candidate {
            away,
            key,
            place: row.try_get(0)?,
        });
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
        Ok(())
    }

    fn in_order(self) -> Vec<(String, f64)> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted.map(|found| (found.place, found.away)).collect()
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_distance = self.away.total_cmp(&other.away);
        by_distance.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// The bytes of a `real[]`.
struct Numbers<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Numbers<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Numbers(raw))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::FLOAT4_ARRAY
    }
}

/// The bytes of a value that is part of a key.
struct Key<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Key<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Key(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What stands before the items of an array of one dimension, and before each item: its length.
const ARRAY_HEAD: usize = 20;
const ITEM: usize = 8;

/// The numbers of an array without NULLs, as every stored vector is.
fn numbers(array: &[u8], out: &mut Vec<f32>) {
    out.clear();
    let items = array.get(ARRAY_HEAD..).unwrap_or_default();
    out.extend(items.chunks_exact(ITEM).map(|item| match *item {
        [_, _, _, _, a, b, c, d] => f32::from_be_bytes([a, b, c, d]),
        _ => f32::NAN,
    }));
}
