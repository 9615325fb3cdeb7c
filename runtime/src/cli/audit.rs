//! `koyalite audit`: what was done by whom, and whether the log of it is as it was written.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::output::{Format, or_dash, table, typed};

/// The log of a project, or of the installation.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite audit --action policy.update\n  koyalite audit --actor ci --since 2026-11-01T00:00:00Z\n  koyalite audit verify --installation"
)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    detail: Option<Detail>,
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    of: OfArgs,
}

#[derive(Debug, Subcommand)]
enum Detail {
    /// Check that no record was changed, removed or moved; exit code 1 names what was
    Verify(OfArgs),
}

#[derive(Debug, Args)]
struct OfArgs {
    /// The installation's own log instead of a project's: roles, operators, what is of no project
    #[arg(long)]
    installation: bool,
    /// The log of a project that is gone, by the id that the record of its deletion has
    #[arg(long, value_name = "ID", conflicts_with = "installation")]
    gone: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct WantedArgs {
    /// Only what this user or token did
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, such as function.deploy
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this
    #[arg(long)]
    target: Option<String>,
    /// Only from this time on
    #[arg(long, value_name = "RFC3339")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "RFC3339")]
    until: Option<String>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Deserialize)]
struct Entries {
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    timestamp: String,
    actor_id: String,
    action: String,
    target_id: Option<String>,
    metadata: Value,
}

#[derive(Deserialize)]
struct Report {
    sealed: u64,
    unsealed: u64,
    begins: Option<Begins>,
    checkpoint: Option<Mark>,
    findings: Vec<Map<String, Value>>,
    more: bool,
}

#[derive(Deserialize)]
struct Begins {
    after: u64,
    before: String,
    trimmed_at: String,
}

#[derive(Deserialize)]
struct Mark {
    position: u64,
    hash: String,
    sealed_at: String,
}

impl AuditArgs {
    /// Lists or verifies.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.detail {
            None => list(&self.of, &self.wanted).await,
            Some(Detail::Verify(of)) => verify(&of).await,
        }
    }
}

impl OfArgs {
    fn path(&self) -> String {
        match (&self.gone, self.installation) {
            (Some(id), _) => format!("/v1/audit/projects/{}", encode(id)),
            (None, true) => "/v1/audit".to_owned(),
            (None, false) => self.server.path(["audit"]),
        }
    }
}

impl WantedArgs {
    fn query(&self) -> String {
        let narrowed = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("target", &self.target),
            ("since", &self.since),
            ("until", &self.until),
        ];
        let mut query = format!("limit={}", self.limit);
        for (name, value) in narrowed {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", encode(value)));
            }
        }
        query
    }
}

async fn list(of: &OfArgs, wanted: &WantedArgs) -> Result<(), CliError> {
    let path = format!("{}?{}", of.path(), wanted.query());
    let answer = of.server.client()?.get(&path).await?;
    of.server.output().show(answer, |entries: Entries| {
        let rows = entries.items.into_iter().map(Entry::row);
        table(
            ["TIME", "WHO", "ACTION", "TARGET", "DETAILS"],
            rows.collect(),
            "nothing was recorded",
        )
    })
}

impl Entry {
    fn row(self) -> [String; 5] {
        let details = match self.metadata {
            Value::Object(facts) if facts.is_empty() => String::new(),
            facts => short(facts.to_string()),
        };
        let target = or_dash(self.target_id);
        [self.timestamp, self.actor_id, self.action, target, details]
    }
}

/// What fits beside the rest on a wide terminal; `--json` shows all of it.
fn short(details: String) -> String {
    const SHOWN: usize = 60;
    match details.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", details.get(..end).unwrap_or_default()),
        None => details,
    }
}

async fn verify(of: &OfArgs) -> Result<(), CliError> {
    let path = format!("{}/verify", of.path());
    let answer = of.server.client()?.get(&path).await?;
    let output = of.server.output();
    let report: Report = typed(answer.clone())?;
    match output.format() {
        Format::Json => output.line(&format!("{answer:#}"))?,
        Format::Human => output.line(&report.render())?,
    }
    match report.findings.is_empty() {
        true => Ok(()),
        false => Err(CliError::Shown),
    }
}

impl Report {
    fn render(&self) -> String {
        let mut lines: Vec<String> = self.findings.iter().map(sentence).collect();
        if self.more {
            lines.push("… and more".to_owned());
        }
        let verdict = match self.findings.is_empty() {
            true => "as they were written",
            false => "NOT all as they were written",
        };
        let (sealed, unsealed) = (self.sealed, self.unsealed);
        lines.push(format!(
            "{sealed} sealed records, {verdict}; {unsealed} not sealed yet"
        ));
        if let Some(begins) = &self.begins {
            let (after, before, at) = (begins.after, &begins.before, &begins.trimmed_at);
            lines.push(format!(
                "begins after {after}: what was older than {before} was cut off on {at}"
            ));
        }
        if let Some(mark) = &self.checkpoint {
            let (position, hash, at) = (mark.position, &mark.hash, &mark.sealed_at);
            lines.push(format!("last checkpoint: {position} {hash}, signed {at}"));
        }
        lines.join("\n")
    }
}

/// A finding in words; one that this program does not know yet, as it came.
fn sentence(finding: &Map<String, Value>) -> String {
    let number = |name: &str| finding.get(name).map(Value::to_string).unwrap_or_default();
    let id = finding
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (position, from, to) = (number("position"), number("from"), number("to"));
    match finding.get("kind").and_then(Value::as_str) {
        Some("changed") => format!("{position}: {id} was changed after it was sealed"),
        Some("moved") => {
            format!(
                "{position}: {id} was sealed at {} and moved here",
                number("sealed_at")
            )
        }
        Some("missing") => format!("{from} to {to}: sealed records are gone"),
        Some("doubled") => format!("{position}: {id} was put beside the record that was sealed"),
        Some("rewritten") => {
            format!(
                "{} to {to}: not what the signature of {to} is over",
                number("after")
            )
        }
        Some("forged") => {
            format!("{position}: a checkpoint or the beginning there is not signed with our keys")
        }
        Some("unsigned") => format!("{from} to {to}: no signature is over these records"),
        Some(_) | None => Value::Object(finding.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_is_a_sentence() {
        for (finding, said) in [
            (
                json!({ "kind": "changed", "position": 7, "id": "x" }),
                "7: x was changed after it was sealed",
            ),
            (
                json!({ "kind": "missing", "from": 2, "to": 3 }),
                "2 to 3: sealed records are gone",
            ),
            (json!({ "kind": "new" }), r#"{"kind":"new"}"#),
        ] {
            assert_eq!(sentence(finding.as_object().unwrap()), said);
        }
    }

    #[test]
    fn long_details_are_cut_between_characters() {
        let text = "é".repeat(80);
        assert_eq!(short(text.clone()).chars().count(), 61);
        assert_eq!(short("{}".to_owned()), "{}");
    }
}
