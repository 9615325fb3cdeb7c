//! Many rows in one request. Calls one after another, each into an empty table: with `wrk` the table
//! would grow, and calls would meet the keys of others.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http::Method;

use crate::fixture::Rows;
use crate::load::Numbers;
use crate::process;
use crate::requests::send;
use crate::rounds::{self, Round, Row};

/// Rows of one call: ten inserts of the most that one may have.
const ROWS: u32 = 10_000;
/// Calls of one round; each takes some tens of milliseconds.
const CALLS: usize = 5;

/// What is called.
pub(crate) struct Bulk {
    pub(crate) name: &'static str,
    /// Answers `POST` with a number of rows at its end.
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Whose processor time and memory are counted.
    pub(crate) process: u32,
}

/// Measures all of them in interleaved rounds.
///
/// # Errors
/// Where a call fails, or leaves other rows than it should.
pub(crate) async fn measure(bulks: &[Bulk], rows: &Rows, count: usize) -> anyhow::Result<Vec<Row>> {
    for bulk in bulks {
        bulk.call(rows).await?;
    }
    let mut all: Vec<Vec<Round>> = bulks.iter().map(|_| Vec::new()).collect();
    for _ in 0..count {
        for (bulk, seen) in bulks.iter().zip(&mut all) {
            seen.push(bulk.round(rows).await?);
        }
    }
    let rows = bulks.iter().zip(&all);
    rows.map(|(bulk, seen)| rounds::row((bulk.name, "rows/s"), bulk.process, seen))
        .collect()
}

impl Bulk {
    async fn round(&self, rows: &Rows) -> anyhow::Result<Round> {
        let before = process::cpu(self.process)?;
        let mut times = Vec::new();
        for _ in 0..CALLS {
            times.push(self.call(rows).await?);
        }
        let used = process::cpu(self.process)?.saturating_sub(before);
        Ok(Round::new(numbers(times), used))
    }

    async fn call(&self, rows: &Rows) -> anyhow::Result<Duration> {
        let url = format!("{}/{ROWS}", self.url);
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(name, value)| (&**name, &**value)).collect();
        let begin = Instant::now();
        send(Method::POST, &url, &headers, "").await?;
        let time = begin.elapsed();
        let inserted = rows.empty_entries().await?;
        ensure!(inserted == i64::from(ROWS), "{inserted} rows were inserted");
        Ok(time)
    }
}

/// Of so few calls the slowest stands for both high percentiles.
fn numbers(mut times: Vec<Duration>) -> Numbers {
    times.sort();
    let all: Duration = times.iter().sum();
    let slowest = times.last().copied().unwrap_or_default();
    let calls = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Numbers {
        requests: calls.into(),
        per_second: f64::from(calls) * f64::from(ROWS) / all.as_secs_f64(),
        p50: times.get(times.len() / 2).copied().unwrap_or_default(),
        p99: slowest,
        p999: slowest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_rows_and_a_percentile_of_calls() {
        let times = [30, 10, 20].map(Duration::from_millis).into();
        let seen = numbers(times);
        assert_eq!((seen.requests, seen.p50.as_millis()), (3, 20));
        assert_eq!(
            (seen.p999.as_millis(), seen.per_second.round()),
            (30, 500_000.0)
        );
    }
}
