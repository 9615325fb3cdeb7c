//! `koyalite policies explain`: what becomes of one case, and why.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::ControlArgs;
use super::client::Client;
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

/// Asks the server what becomes of a case.
pub(super) async fn ask(
    client: &Client,
    server: &ControlArgs,
    case: &Value,
) -> Result<Value, CliError> {
    let path = server.path(["policies", "explain"]);
    client.send(Method::POST, &path, case).await
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
        let answer = ask(&self.server.client()?, &self.server, &case).await?;
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
