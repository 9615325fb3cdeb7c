//! Runs a comparison of the host's conditions with row security, in one view of the database.
//!
//! It reads only, and takes no lock but the one of every select; nothing is created, so it does not
//! matter whether policies are mirrored.

use std::collections::HashSet;

use deadpool_postgres::Client;
use futures::TryStreamExt;
use tokio_postgres::{Error, Row};

use super::bind::Bind;
use super::pool::Database;
use super::run::{Flight, Stopped};
use super::sql::Comparison;
use super::told::{Told, tell};
use super::transaction::roll_back;
use crate::error::HostError;
use crate::limits::{SHOWN_DISAGREEMENTS, VERIFIED_ROWS};

/// Blocks that are compared at once: 2 MiB of rows.
const BLOCKS: u32 = 256;

/// Who is told to ask.
pub(crate) struct Askers {
    /// The caller that is compared.
    pub(crate) caller: Told,
    /// Somebody who sees all rows past row security, where that is in force.
    pub(crate) past: Option<Told>,
}

/// How the two agree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows that were compared.
    pub rows: u64,
    /// How many of them the host lets through.
    pub visible: u64,
    /// On how many the two disagree.
    pub disagreeing: u64,
    /// The first of these.
    pub shown: Vec<Disagreement>,
    /// Whether the table has more rows than were compared.
    pub more: bool,
}

/// A row that only one of the two lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// Its key, as a JSON object.
    pub key: String,
    /// Whether it is the host.
    pub host: bool,
}

impl Database {
    /// Compares, row by row.
    pub(crate) async fn compare(
        &self,
        askers: &Askers,
        comparison: &Comparison,
    ) -> Result<Compared, HostError> {
        let mut flight = self.flight().await?;
        let compared = flight.compare(askers, comparison).await;
        roll_back(flight).await;
        compared.map_err(Stopped::into_error)
    }
}

impl Flight {
    async fn compare(
        &mut self,
        askers: &Askers,
        comparison: &Comparison,
    ) -> Result<Compared, Stopped> {
        let keep = self.node.limits.statements;
        let client = self.client()?;
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            .await?;
        say(client, &askers.caller, keep).await?;
        let blocks = rows(client, &comparison.blocks(), &[]).await?;
        let blocks = blocks.first().map_or(0, |row| row.get::<_, i64>(0));
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let mut compared = Compared::default();
        let mut from = 0;
        while from < blocks {
            if compared.rows >= VERIFIED_ROWS {
                compared.more = true;
                break;
            }
            let until = from.saturating_add(BLOCKS);
            self.node.count_statement();
            let text = comparison.rows(from, until);
            match &askers.past {
                None => {
                    for row in rows(client, &text, &comparison.binds).await? {
                        compared.note(&row, row.get::<_, Option<bool>>(3) == Some(true));
                    }
                }
                Some(past) => {
                    let shown = rows(client, &comparison.shown(from, until), &[]).await?;
                    let shown: HashSet<String> = shown.iter().map(|row| row.get(0)).collect();
                    say(client, past, keep).await?;
                    for row in rows(client, &text, &comparison.binds).await? {
                        compared.note(&row, shown.contains(row.get::<_, &str>(0)));
                    }
                    say(client, &askers.caller, keep).await?;
                }
            }
            from = until;
        }
        Ok(compared)
    }
}

impl Compared {
    fn note(&mut self, row: &Row, native: bool) {
        let host: bool = row.get(2);
        self.rows += 1;
        self.visible += u64::from(host);
        if host != native {
            self.disagreeing += 1;
            if self.shown.len() < SHOWN_DISAGREEMENTS {
                let key = row.get(1);
                self.shown.push(Disagreement { key, host });
            }
        }
    }
}

async fn say(client: &Client, told: &Told, keep: usize) -> Result<(), Error> {
    let telling = told.prepared(client, keep).await?;
    tell(client, Some(&telling)).await
}

async fn rows(client: &Client, text: &str, binds: &[Bind]) -> Result<Vec<Row>, Error> {
    let types = binds.iter().map(Bind::pg_type);
    let found = client
        .query_typed_raw(text, binds.iter().zip(types))
        .await?;
    found.try_collect().await
}
