//! `koyalite policies explain`: what becomes of one case, and why.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::ControlArgs;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The table
    #[arg(long)]
    table: String,
    /// What is done
    #[arg(long, value_parser = ["select", "insert", "update", "delete"], default_value = "select")]
    command: String,
    /// Act as this user: what policies see as auth.uid(); without it, as nobody
    #[arg(long = "as", value_name = "SUBJECT", conflicts_with = "service")]
    subject: Option<String>,
    /// Further claims of the user, as a JSON object
    #[arg(long, value_name = "JSON", requires = "subject", value_parser = object)]
    claims: Option<Value>,
    /// Act as this function, on its schedule
    #[arg(long, value_name = "FUNCTION")]
    service: Option<String>,
    /// The row that exists, or that an insert writes, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    row: Option<Value>,
    /// What an update changes of it, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    set: Option<Value>,
    #[command(flatten)]
    server: ControlArgs,
}

/// What the server makes of a case.
#[derive(Deserialize)]
pub(super) struct Weighed {
    pub(super) verdict: String,
    pub(super) reason: Option<Reason>,
    sql: Option<Sql>,
    #[serde(default)]
    presets: Map<String, Value>,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    subqueries: Vec<Subquery>,
}

/// One policy, and what it says to the case.
#[derive(Deserialize)]
struct Policy {
    name: String,
    effect: String,
    command: String,
    clause: String,
    why_not: Option<String>,
    text: String,
    folded: String,
    passes: Option<bool>,
    failing: Option<Atom>,
}

#[derive(Deserialize)]
struct Atom {
    text: String,
    line: usize,
    column: usize,
}

/// A table that a policy reads.
#[derive(Deserialize)]
struct Subquery {
    table: String,
    policies: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Sql {
    using: Option<String>,
    check: Option<String>,
    binds: Vec<Value>,
}

impl ExplainArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let identity = match (self.subject, self.service) {
            (Some(sub), _) => {
                let claims = self.claims.unwrap_or_else(|| json!({}));
                json!({ "user": { "sub": sub, "claims": claims } })
            }
            (None, Some(function)) => json!({ "service": { "function": function } }),
            (None, None) => json!("anonymous"),
        };
        let mut case =
            json!({ "identity": identity, "command": self.command, "table": self.table });
        if let Some(fields) = case.as_object_mut() {
            fields.extend(self.row.map(|row| ("row".to_owned(), row)));
            fields.extend(self.set.map(|set| ("set".to_owned(), set)));
        }
        let path = self.server.path(["policies", "explain"]);
        let client = self.server.client()?;
        let answer = client.send(Method::POST, &path, &case).await?;
        self.server
            .output()
            .show(answer, |weighed: Weighed| weighed.render())
    }
}

impl Weighed {
    fn render(&self) -> String {
        let mut text = self.verdict.clone();
        match (&self.reason, self.verdict.as_str()) {
            (Some(Reason { code, message }), _) => {
                let _ = write!(text, ": {message} [{code}]");
            }
            (None, "depends") => text.push_str(" on the row; give one with --row"),
            (None, "unknown") => text.push_str(": rows of other tables decide"),
            (None, _) => {}
        }
        if let Some(sql) = &self.sql {
            for (word, condition) in [("using", &sql.using), ("check", &sql.check)] {
                if let Some(condition) = condition {
                    let _ = write!(text, "\n  {word}: {condition}");
                }
            }
            for (index, bind) in sql.binds.iter().enumerate() {
                let _ = write!(text, "\n  ${}: {bind}", index + 1);
            }
        }
        for (column, value) in &self.presets {
            let _ = write!(text, "\n  set {column} = {value}");
        }
        for policy in &self.policies {
            text.push('\n');
            text.push_str(&policy.render());
        }
        for Subquery { table, policies } in &self.subqueries {
            let policies = match policies.is_empty() {
                true => "no policy, so no row".to_owned(),
                false => policies.join(", "),
            };
            let _ = write!(text, "\n{table} is read under: {policies}");
        }
        text
    }
}

impl Policy {
    fn render(&self) -> String {
        let Policy {
            name,
            effect,
            command,
            clause,
            ..
        } = self;
        let mut text = format!("\n{effect} {name:?}, {clause} of {command}: {}", self.text);
        if let Some(why) = &self.why_not {
            let _ = write!(text, "\n  does not count: {why}");
            return text;
        }
        if self.folded != self.text {
            let _ = write!(text, "\n  for this caller: {}", self.folded);
        }
        match self.passes {
            Some(true) => text.push_str("\n  the row meets it"),
            Some(false) => text.push_str("\n  the row does not meet it"),
            None => {}
        }
        if let Some(Atom {
            text: atom,
            line,
            column,
        }) = &self.failing
        {
            let _ = write!(text, "\n  because of {atom}, line {line}, column {column}");
        }
        text
    }
}

/// A JSON object, from the command line.
fn object(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("not JSON")?;
    match value.is_object() {
        true => Ok(value),
        false => anyhow::bail!("write a JSON object, for example {{\"title\": \"a\"}}"),
    }
}
