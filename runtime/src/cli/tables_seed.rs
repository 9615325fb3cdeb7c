//! `koyalite tables seed`: rows from a file into a table, a few hundred at a time, with a progress
//! bar. What was written before a mistake stays, and the message says how far it came.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::args::ControlArgs;
use super::client::Client;
use super::error::CliError;
use super::output::typed;
use super::tables_seed_csv as csv;

/// Half of what one insert takes, so that the bar moves.
const ROWS_AT_ONCE: usize = 500;

/// Well below what the server reads of one body.
const BYTES_AT_ONCE: usize = 512 << 10;

const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(
    after_help = "A .csv file names the columns in its first line. Lists and JSON are written as \
                  JSON, booleans as true and false.\nAn empty field is NULL where the column may be \
                  NULL, and an empty text elsewhere; in quotes (\"\") it is an empty text everywhere."
)]
pub(super) struct SeedArgs {
    /// The table
    table: String,
    /// A JSON array of rows, one JSON row a line, or a .csv file
    file: PathBuf,
    #[command(flatten)]
    server: ControlArgs,
}

impl SeedArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let text = open(&self.file).map_err(CliError::Usage)?;
        let client = self.server.client()?;
        let rows = match is_csv(&self.file) {
            true => self.csv_rows(&client, &text).await?,
            false => read(&text)
                .with_context(|| self.file.display().to_string())
                .map_err(CliError::Usage)?,
        };
        let path = self.server.path(["tables", &self.table, "rows"]);
        let bar = bar(rows.len() as u64)?;
        if let Err(error) = send(&client, &path, &rows, &bar).await {
            bar.abandon();
            eprintln!(
                "{} of {} rows were written before:",
                bar.position(),
                rows.len()
            );
            return Err(error);
        }
        bar.finish_and_clear();
        let report = json!({ "inserted": rows.len() });
        self.server.output().show(report, |_: Value| {
            format!("{} rows in {}", rows.len(), self.table)
        })
    }

    /// The rows of a CSV file, which is read by the types of the table's columns.
    async fn csv_rows(&self, client: &Client, text: &str) -> Result<Vec<Box<RawValue>>, CliError> {
        let answer = client
            .get(&self.server.path(["tables", &self.table]))
            .await?;
        let table = typed(answer)?;
        csv::rows(text, &table)
            .with_context(|| self.file.display().to_string())
            .map_err(CliError::Usage)
    }
}

/// A bar for this many rows.
pub(super) fn bar(rows: u64) -> Result<ProgressBar, CliError> {
    let bar = ProgressBar::new(rows);
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} rows {msg}")
        .context("the progress bar's template")?;
    bar.set_style(style);
    bar.enable_steady_tick(TICK);
    Ok(bar)
}

/// Sends rows to where a table takes them, in pieces.
pub(super) async fn send(
    client: &Client,
    path: &str,
    rows: &[Box<RawValue>],
    bar: &ProgressBar,
) -> Result<(), CliError> {
    /// Written as it stands: a `Value` in between would round numbers.
    #[derive(Serialize)]
    struct Body<'a> {
        rows: &'a [Box<RawValue>],
    }
    for rows in batches(rows) {
        client.send(Method::POST, path, &Body { rows }).await?;
        bar.inc(rows.len() as u64);
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn is_csv(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

fn read(text: &str) -> anyhow::Result<Vec<Box<RawValue>>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).context("not a JSON array");
    }
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let rows = lines.map(|(index, line)| {
        serde_json::from_str(line)
            .map_err(|error| anyhow!("line {} is not a JSON object: {error}", index + 1))
    });
    rows.collect()
}

/// Rows in pieces that one request takes.
fn batches(rows: &[Box<RawValue>]) -> Vec<&[Box<RawValue>]> {
    let (mut batches, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(ROWS_AT_ONCE).take_while(|row| {
            bytes += row.get().len();
            bytes <= BYTES_AT_ONCE
        });
        // One row that is too long goes alone, and the server says so.
        let (batch, later) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_and_lines_are_the_same_rows_with_all_their_digits() {
        for text in [
            "[{\"n\": 9007199254740993}, {}]",
            "{\"n\": 9007199254740993}\n\n{}\n",
        ] {
            let rows = read(text).unwrap();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0].get(), "{\"n\": 9007199254740993}");
        }
        assert!(read("{}\nnope").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn no_row_is_lost_between_batches() {
        let row = |bytes: usize| RawValue::from_string(format!("\"{}\"", "x".repeat(bytes)));
        let mut rows: Vec<_> = (0..1200).map(|_| row(1).unwrap()).collect();
        rows.push(row(BYTES_AT_ONCE + 1).unwrap());
        rows.push(row(1).unwrap());
        let sizes: Vec<usize> = batches(&rows).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [500, 500, 200, 1, 1]);
    }
}
