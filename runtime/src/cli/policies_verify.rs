//! `koyalite policies verify`: the host's policies against Postgres' own, on the rows that are there.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{Format, table, typed};
use super::policies_test;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Compare what this user sees too; may be given several times
    #[arg(long = "as", value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// And what the callers see that this file of `policies test` names
    #[arg(long, value_name = "FILE")]
    identities: Option<PathBuf>,
    /// Leave out the users who own some of the rows
    #[arg(long)]
    no_owners: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Report {
    mirrored: bool,
    rows: u64,
    disagreements: u64,
    errors: u64,
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    table: String,
    #[serde(default)]
    not_mirrorable: Vec<String>,
    callers: Vec<Caller>,
}

#[derive(Deserialize)]
struct Caller {
    caller: String,
    rows: u64,
    visible: u64,
    disagreements: u64,
    #[serde(default)]
    shown: Vec<Shown>,
    more: bool,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Shown {
    key: Value,
    host: bool,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    message: String,
}

impl VerifyArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut identities = match &self.identities {
            Some(file) => policies_test::identities(file).map_err(CliError::Usage)?,
            None => Vec::new(),
        };
        let subjects = self.subjects.iter();
        identities.extend(subjects.map(|sub| json!({ "user": { "sub": sub } })));
        let wanted = json!({ "identities": identities, "owners": !self.no_owners });
        let path = self.server.path(["policies", "verify"]);
        let client = self.server.client()?;
        let answer = client.send(Method::POST, &path, &wanted).await?;
        let output = self.server.output();
        let report: Report = typed(answer.clone())?;
        match output.format() {
            Format::Json => output.line(&format!("{answer:#}"))?,
            Format::Human => output.line(&report.render())?,
        }
        match (report.disagreements, report.errors) {
            (0, 0) => Ok(()),
            _ => Err(CliError::Shown),
        }
    }
}

impl Report {
    fn render(&self) -> String {
        let mut rows = Vec::new();
        let mut notes = Vec::new();
        for Table {
            table,
            not_mirrorable,
            callers,
        } in &self.tables
        {
            notes.extend(not_mirrorable.iter().map(|why| format!("{table}: {why}")));
            for caller in callers {
                rows.push(caller.row(table));
                notes.extend(caller.notes(table));
            }
        }
        let nothing = "no table was compared";
        let headers = ["TABLE", "CALLER", "ROWS", "VISIBLE", "RESULT"];
        let mut text = table(headers, rows, nothing);
        for note in notes {
            text.push('\n');
            text.push_str(&note);
        }
        let how = match self.mirrored {
            true => "by row security itself",
            false => "by what row security would say; the mirror is off",
        };
        let (rows, disagreements) = (self.rows, self.disagreements);
        text.push_str(&format!(
            "\n\n{rows} comparisons, {disagreements} disagreements, {how}"
        ));
        text
    }
}

impl Caller {
    fn row(&self, table: &str) -> [String; 5] {
        let result = match (&self.error, self.disagreements) {
            (Some(error), _) => error.code.clone(),
            (None, 0) => "agree".to_owned(),
            (None, number) => format!("{number} DISAGREE"),
        };
        let more = if self.more { "+" } else { "" };
        [
            table.to_owned(),
            self.caller.clone(),
            format!("{}{more}", self.rows),
            self.visible.to_string(),
            result,
        ]
    }

    fn notes(&self, table: &str) -> Vec<String> {
        let who = &self.caller;
        let failed = self.error.iter();
        let failed = failed.map(|error| format!("{table}, {who}: {}", error.message));
        let shown = self.shown.iter().map(|Shown { key, host }| {
            let (shows, hides) = match host {
                true => ("the host", "Postgres"),
                false => ("Postgres", "the host"),
            };
            format!("{table}, {who}: {key} is shown by {shows} and hidden by {hides}")
        });
        failed.chain(shown).collect()
    }
}
