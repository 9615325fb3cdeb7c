//! What `koyalite policies explain` shows of live rows: what a statement would do, and why not.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::policies_explain::{Atom, Reason};

/// What would happen.
#[derive(Deserialize)]
pub(super) struct DryRun {
    affected: Option<u64>,
    error: Option<Reason>,
    statement: Option<String>,
    rows: Vec<Judged>,
    more: bool,
}

/// One row, and what the policies say to it.
#[derive(Deserialize)]
struct Judged {
    key: Option<Map<String, Value>>,
    index: Option<usize>,
    verdict: String,
    #[serde(default)]
    failing: Vec<Failing>,
}

#[derive(Deserialize)]
struct Failing {
    policy: String,
    command: String,
    clause: String,
    #[serde(flatten)]
    atom: Atom,
}

impl DryRun {
    pub(super) fn render(&self) -> String {
        let mut text = match (self.affected, &self.error) {
            (_, Some(Reason { code, message })) => format!("tried and undone: {message} [{code}]"),
            (Some(1), None) => "tried and undone: 1 row".to_owned(),
            (affected, None) => {
                format!("tried and undone: {} rows", affected.unwrap_or_default())
            }
        };
        if let Some(statement) = &self.statement {
            let _ = write!(text, "\n  {statement}");
        }
        for row in &self.rows {
            let _ = write!(text, "\n{}: {}", row.name(), row.verdict);
            for Failing {
                policy,
                command,
                clause,
                atom,
            } in &row.failing
            {
                let _ = write!(text, "\n  {policy:?}, {clause} of {command}: {atom}");
            }
        }
        if self.more {
            text.push_str("\n… and more");
        }
        text
    }
}

impl Judged {
    fn name(&self) -> String {
        let key = self.key.iter().flatten();
        let key: Vec<_> = key.map(|(name, value)| format!("{name} {value}")).collect();
        match self.index {
            Some(index) => format!("row {}", index + 1),
            None if key.is_empty() => "a row".to_owned(),
            None => key.join(", "),
        }
    }
}
