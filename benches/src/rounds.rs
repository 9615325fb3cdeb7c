//! Interleaved rounds: every subject once, then every subject again. What the machine does in one
//! minute it does to all of them.

use std::time::Duration;

use serde::Serialize;

use crate::load::{Load, Numbers, Target};
use crate::process;

/// Warm before the first round: code is loaded, connections are open, pools are filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// One line of the table.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    /// Whose processor time and memory are counted.
    pub(crate) process: u32,
}

/// What was measured of one subject.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) unit: &'static str,
    /// Median microseconds of the process's processor time per request.
    pub(crate) cpu_micros: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) p999_micros: f64,
    pub(crate) peak_mib: f64,
}

/// One round of one subject.
pub(crate) struct Round {
    numbers: Numbers,
    cpu_micros: f64,
}

impl Round {
    /// Drives the load for so long, at a target that is answered by that process.
    ///
    /// # Errors
    /// Where it cannot be reached or answers wrongly.
    pub(crate) async fn of(
        load: &Load,
        (target, process): (&Target, u32),
        time: Duration,
    ) -> anyhow::Result<Self> {
        let before = process::cpu(process)?;
        let numbers = load.drive(target, time).await?;
        let used = process::cpu(process)?.saturating_sub(before);
        Ok(Self::new(numbers, used))
    }

    /// What the load saw, and the processor's time that the subject used meanwhile.
    pub(crate) fn new(numbers: Numbers, used: Duration) -> Self {
        Self {
            numbers,
            cpu_micros: used.as_secs_f64() * 1e6 / as_f64(numbers.requests),
        }
    }
}

/// Measures all subjects, `rounds` times each.
///
/// # Errors
/// Where one cannot be reached or answers wrongly.
pub(crate) async fn measure(
    subjects: &[Subject],
    rounds: usize,
    time: Duration,
) -> anyhow::Result<Vec<Row>> {
    let load = Load::new()?;
    for subject in subjects {
        load.drive(&subject.target, WARM_UP).await?;
    }
    let mut all: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for number in 1..=rounds {
        eprintln!("  round {number} of {rounds}");
        for (subject, seen) in subjects.iter().zip(&mut all) {
            seen.push(Round::of(&load, (&subject.target, subject.process), time).await?);
        }
    }
    let rows = subjects.iter().zip(&all);
    rows.map(|(subject, seen)| row((subject.name, "requests/s"), subject.process, seen))
        .collect()
}

/// The medians of a subject's rounds. The unit is that of its rate.
///
/// # Errors
/// Where its process has ended.
pub(crate) fn row(
    (name, unit): (&'static str, &'static str),
    process: u32,
    seen: &[Round],
) -> anyhow::Result<Row> {
    let of = |value: fn(&Round) -> f64| {
        let mut values: Vec<f64> = seen.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let rates = of(|round| round.numbers.per_second);
    let micros = |values: Vec<f64>| median(&values);
    Ok(Row {
        name,
        median: median(&rates),
        min: rates.first().copied().unwrap_or_default(),
        max: rates.last().copied().unwrap_or_default(),
        unit,
        cpu_micros: micros(of(|round| round.cpu_micros)),
        p50_micros: micros(of(|round| round.numbers.p50.as_secs_f64() * 1e6)),
        p99_micros: micros(of(|round| round.numbers.p99.as_secs_f64() * 1e6)),
        p999_micros: micros(of(|round| round.numbers.p999.as_secs_f64() * 1e6)),
        peak_mib: process::peak_mib(process)?,
    })
}

/// The middle of sorted values; of two middles, the lower.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 9.0]), 1.0);
        assert_eq!(median(&[]), 0.0);
    }
}
