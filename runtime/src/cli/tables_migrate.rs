//! `koyalite tables plan`, `apply` and `history`: what a `schema.json` would do, what it does, and what
//! others have done.
//!
//! `apply` asks for a plan first and applies for the state that it was made for, so nothing happens that
//! has not been shown.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::args::{ControlArgs, encode};
use super::client::Client;
use super::error::CliError;
use super::output::{Format, table, typed};
use super::problem::{Mistake, ProblemDocument};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite tables plan\n  koyalite tables plan --prune --sql\n  \
                        koyalite tables plan --json > plan.json\n\nExits with 1 where applying would \
                        be refused."
)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    terms: TermsArgs,
    /// Show the statements of each step too
    #[arg(long)]
    sql: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite tables apply\n  koyalite tables apply --state 5f2c… \
                        (from `koyalite tables plan`)\n  koyalite tables apply --prune --lose-data"
)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    terms: TermsArgs,
    /// Only if nothing has changed since the plan that names this state
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

/// What is applied, and how far it may go.
#[derive(Debug, Args)]
struct TermsArgs {
    /// The file
    #[arg(default_value = "schema.json")]
    file: PathBuf,
    /// Drop tables, columns, indexes and policies that the file does not mention
    #[arg(long)]
    prune: bool,
    /// Even where rows or values go
    #[arg(long)]
    lose_data: bool,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// How many of the latest
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Plan {
    state: String,
    steps: Vec<Step>,
    kept: Vec<String>,
    warnings: Vec<String>,
    refusals: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Step {
    action: String,
    target: String,
    #[serde(default)]
    detail: String,
    loses: Option<Loss>,
    #[serde(default)]
    sql: Vec<String>,
}

#[derive(Deserialize)]
struct Loss {
    of: String,
    count: i64,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Mistake>,
}

#[derive(Deserialize)]
struct History {
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    seq: i64,
    applied_by: String,
    applied_at: String,
    steps: Vec<Step>,
}

impl TermsArgs {
    fn read(&self) -> Result<Value, CliError> {
        let name = || self.file.display();
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", name()))
            .map_err(CliError::Usage)?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not JSON", name()))
            .map_err(CliError::Usage)
    }

    fn query(&self, state: Option<&str>) -> String {
        let mut said = Vec::new();
        if self.prune {
            said.push("prune=true".to_owned());
        }
        if self.lose_data {
            said.push("lose_data=true".to_owned());
        }
        said.extend(state.map(|state| format!("state={}", encode(state))));
        match said.is_empty() {
            true => String::new(),
            false => format!("?{}", said.join("&")),
        }
    }

    async fn plan(
        &self,
        client: &Client,
        server: &ControlArgs,
        state: Option<&str>,
    ) -> Result<(Value, Plan), CliError> {
        let path = format!("{}{}", server.path(["schema", "plan"]), self.query(state));
        let answer = client.send(Method::POST, &path, &self.read()?).await?;
        let plan = typed(answer.clone())?;
        Ok((answer, plan))
    }
}

impl PlanArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let (answer, plan) = self.terms.plan(&client, &self.server, None).await?;
        let refused = !plan.refusals.is_empty();
        let sql = self.sql;
        self.server
            .output()
            .show(answer, |plan: Plan| plan.told(sql))?;
        match refused {
            true => Err(CliError::Shown),
            false => Ok(()),
        }
    }
}

impl ApplyArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let state = self.state.as_deref();
        let (_, plan) = self.terms.plan(&client, &self.server, state).await?;
        let human = self.server.output().format() == Format::Human;
        if human {
            self.server.output().line(&plan.told(false))?;
        }
        let query = self.terms.query(Some(&plan.state));
        let path = format!("{}{query}", self.server.path(["schema"]));
        if !plan.refusals.is_empty() && human {
            return Err(CliError::Shown);
        }
        let answer = client.send(Method::PUT, &path, &self.terms.read()?).await?;
        self.server.output().show(answer, |answer: Value| {
            match answer.get("seq").and_then(Value::as_i64) {
                Some(seq) => format!("applied as change {seq}"),
                None => "nothing was changed".to_owned(),
            }
        })
    }
}

impl HistoryArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let path = self.server.path(["schema", "history"]);
        let answer = client.get(&format!("{path}?limit={}", self.limit)).await?;
        self.server.output().show(answer, |history: History| {
            let rows = history.items.into_iter().map(|entry| {
                let steps: Vec<String> = entry.steps.iter().map(Step::told).collect();
                let (seq, steps) = (entry.seq.to_string(), steps.join("\n"));
                [seq, entry.applied_at, entry.applied_by, steps]
            });
            let header = ["CHANGE", "AT", "BY", "STEPS"];
            table(header, rows.collect(), "no schema.json was applied yet")
        })
    }
}

impl Plan {
    fn told(&self, sql: bool) -> String {
        let mut lines = Vec::new();
        for step in &self.steps {
            lines.push(step.told());
            if sql {
                lines.extend(step.sql.iter().map(|statement| format!("    {statement}")));
            }
        }
        if self.steps.is_empty() && self.refusals.is_empty() {
            lines.push("nothing to do: the project is as the file says".to_owned());
        }
        lines.extend(self.kept.iter().map(|what| format!("= keep {what}")));
        lines.extend(self.warnings.iter().map(|what| format!("warning: {what}")));
        lines.extend(self.refusals.iter().map(Refusal::told));
        lines.push(format!("state {}", self.state));
        lines.join("\n")
    }
}

impl Step {
    /// `- drop column todos.old (2 values are lost)`.
    fn told(&self) -> String {
        let sign = match self.action.split_once('_').map(|(verb, _)| verb) {
            Some("create" | "add") => '+',
            Some("drop") => '-',
            Some(_) | None => '~',
        };
        let mut line = format!("{sign} {} {}", self.action.replace('_', " "), self.target);
        if !self.detail.is_empty() {
            line.push_str(&format!(": {}", self.detail));
        }
        if let Some(loss) = &self.loses {
            line.push_str(&format!(" ({} {} are lost)", loss.count, loss.of));
        }
        line
    }
}

impl Refusal {
    fn told(&self) -> String {
        let problem = ProblemDocument {
            title: "applying this would be refused".to_owned(),
            code: self.code.clone(),
            detail: Some(self.detail.clone()),
            errors: self.errors.clone(),
            ..ProblemDocument::default()
        };
        problem.render(None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_reads_as_a_list() {
        let plan: Plan = serde_json::from_value(json!({
            "state": "5f2c",
            "steps": [
                { "action": "create_table", "target": "tags", "detail": "id, word",
                  "sql": ["CREATE TABLE …"] },
                { "action": "alter_column", "target": "todos.rank",
                  "detail": "is integer, becomes bigint" },
                { "action": "drop_column", "target": "todos.old",
                  "loses": { "of": "values", "count": 2 } },
            ],
            "kept": ["ticks"],
            "warnings": [],
            "refusals": [{ "code": "would_lose_data", "detail": "data would be gone" }],
        }))
        .unwrap();
        assert_eq!(
            plan.told(true),
            "+ create table tags: id, word\n    CREATE TABLE …\n\
             ~ alter column todos.rank: is integer, becomes bigint\n\
             - drop column todos.old (2 values are lost)\n= keep ticks\n\
             error: applying this would be refused\n  data would be gone\n  [would_lose_data]\n\
             state 5f2c"
        );
    }
}
