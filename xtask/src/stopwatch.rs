//! The steps of a chore as the user sees them: a heading each, how long it took, a table at the end.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Times steps, one after the other.
pub(crate) struct Stopwatch {
    started: Instant,
    steps: Vec<(String, Duration)>,
}

impl Stopwatch {
    /// Runs from now on.
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Does one step under its heading.
    ///
    /// # Errors
    /// The step's own.
    pub(crate) fn step<T>(
        &mut self,
        title: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        println!("{}", bold(&format!("▸ {title}")));
        let begun = Instant::now();
        let done = work();
        let took = begun.elapsed();
        self.steps.push((title.to_owned(), took));
        let end = if done.is_ok() {
            "done in"
        } else {
            "failed after"
        };
        println!("  {end} {}\n", seconds(took));
        done
    }

    /// What each step took, and all of them together.
    pub(crate) fn print_table(&self) {
        let rows = self
            .steps
            .iter()
            .map(|(title, took)| (title.as_str(), *took));
        let all = ("in all", self.started.elapsed());
        for (title, took) in rows.chain([all]) {
            println!("  {:>9}  {title}", seconds(took));
        }
        println!();
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The text in bold, where somebody looks.
pub(crate) fn bold(text: &str) -> String {
    styled(text, "1")
}

/// The text less prominent, where somebody looks.
pub(crate) fn dim(text: &str) -> String {
    styled(text, "2")
}

fn styled(text: &str, code: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}
