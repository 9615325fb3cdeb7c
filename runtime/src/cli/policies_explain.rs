//! `koyalite policies explain`: what becomes of one case, and why.

use std::fmt::{self, Write as _};

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::ControlArgs;
use super::error::CliError;
use super::policies_dry_run::DryRun;

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
    /// Instead of --row: the stored rows that meet this condition, each with its verdict; a write is
    /// run and undone
    #[arg(long, value_name = "CONDITION", conflicts_with = "row")]
    filter: Option<String>,
    /// Instead of --row: several new rows, as a JSON array of objects; the insert is run and undone
    #[arg(long, value_name = "JSON", conflicts_with_all = ["row", "filter"], value_parser = objects)]
    rows: Option<Value>,
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
    dry_run: Option<DryRun>,
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

/// A test of a policy, and where it stands.
#[derive(Deserialize)]
pub(super) struct Atom {
    text: String,
    line: usize,
    column: usize,
}

/// A table that a policy reads.
#[derive(Deserialize)]
struct Subquery {
    table: String,
    policies: Vec<String>,
    policy_readable: bool,
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
            fields.extend(self.rows.map(|rows| ("rows".to_owned(), rows)));
            fields.extend(self.filter.map(|text| ("filter".to_owned(), text.into())));
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
        for Subquery {
            table,
            policies,
            policy_readable,
        } in &self.subqueries
        {
            let how = match (policy_readable, policies.is_empty()) {
                (true, _) => "past its policies: it is policy_readable".to_owned(),
                (false, true) => "under: no policy, so no row".to_owned(),
                (false, false) => format!("under: {}", policies.join(", ")),
            };
            let _ = write!(text, "\n{table} is read {how}");
        }
        if let Some(dry_run) = &self.dry_run {
            let _ = write!(text, "\n\n{}", dry_run.render());
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
        if let Some(atom) = &self.failing {
            let _ = write!(text, "\n  {atom}");
        }
        text
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Atom { text, line, column } = self;
        write!(f, "because of {text}, line {line}, column {column}")
    }
}

/// A JSON array of objects, from the command line.
fn objects(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("not JSON")?;
    match value.as_array() {
        Some(rows) if rows.iter().all(Value::is_object) => Ok(value),
        _ => anyhow::bail!("write a JSON array of objects, for example [{{\"title\": \"a\"}}]"),
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
