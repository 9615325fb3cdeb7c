//! What a bench says at the end: a table for people, or one JSON object.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::machine::Machine;
use crate::rounds::Row;

/// All of it.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) ratios: BTreeMap<&'static str, f64>,
    /// A ratio's goal, where it has one; not part of the JSON.
    #[serde(skip)]
    pub(crate) goals: BTreeMap<&'static str, Goal>,
}

/// What a ratio should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Report {
    /// The ratio between the medians of two rows, if both were measured.
    pub(crate) fn ratio(
        &mut self,
        name: &'static str,
        (of, to): (&str, &str),
        goal: impl Into<Option<Goal>>,
    ) {
        if let (Some(of), Some(to)) = (self.median(of), self.median(to)) {
            self.ratios.insert(name, of / to);
            self.goals.extend(goal.into().map(|goal| (name, goal)));
        }
    }

    /// The ratio between the slow answers of two rows, if both were measured.
    pub(crate) fn ratio_of_p99(&mut self, name: &'static str, (of, to): (&str, &str), goal: Goal) {
        let p99 = |name: &str| {
            let row = self.rows.iter().find(|row| row.name == name);
            row.map(|row| row.p99_micros)
        };
        if let (Some(of), Some(to)) = (p99(of), p99(to)) {
            self.value(name, of / to, goal);
        }
    }

    /// A number of its own, with its goal.
    pub(crate) fn value(&mut self, name: &'static str, value: f64, goal: Goal) {
        self.ratios.insert(name, value);
        self.goals.insert(name, goal);
    }

    /// The share of the second row's rate that the first one lacks, if both were measured.
    pub(crate) fn cost(
        &mut self,
        name: &'static str,
        rows: (&str, &str),
        goal: impl Into<Option<Goal>>,
    ) {
        self.ratio(name, rows, goal);
        if let Some(ratio) = self.ratios.get_mut(name) {
            *ratio = 1.0 - *ratio;
        }
    }

    /// The median of one row.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name);
        row.map(|row| row.median)
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("{}: {}\n{}", self.bench, self.machine.line(), self.table());
        for (name, value) in &self.ratios {
            println!("  {name:<22} {value:>7.3}  {}", self.verdict(name, *value));
        }
        if let Some(warning) = self.machine.warning() {
            println!("\n{warning}");
        }
        Ok(())
    }

    fn verdict(&self, name: &str, value: f64) -> String {
        match self.goals.get(name) {
            Some(Goal::AtLeast(goal)) if value >= *goal => format!("goal ≥ {goal}: reached"),
            Some(Goal::AtLeast(goal)) => format!("goal ≥ {goal}: missed"),
            Some(Goal::AtMost(goal)) if value <= *goal => format!("goal ≤ {goal}: reached"),
            Some(Goal::AtMost(goal)) => format!("goal ≤ {goal}: missed"),
            None => String::new(),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header([
            "",
            "unit",
            "median",
            "min",
            "max",
            "CPU µs",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "peak MiB",
        ]);
        for row in &self.rows {
            let numbers = [
                row.median,
                row.min,
                row.max,
                row.cpu_micros,
                row.p50_micros,
                row.p99_micros,
                row.p999_micros,
                row.peak_mib,
            ];
            let cells = numbers.map(|number| format!("{number:.0}"));
            let texts = [row.name, row.unit].map(str::to_owned);
            table.add_row(texts.into_iter().chain(cells));
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
