//! `koyalite policies`: the rules on rows, a check of a rule's text before it is saved, and what the
//! rules come to: for one case, or for a file of expectations; and whether Postgres enforces them too.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{Format, table, typed};
use super::policies_explain::ExplainArgs;
use super::policies_mirror::MirrorArgs;
use super::policies_test::TestArgs;
use super::policies_verify::VerifyArgs;
use super::problem::Mistake;

/// List, check, explain, test, mirror or verify.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite policies list --table todos\n  \
                        koyalite policies check --table todos 'owner_id = auth.uid()'\n  \
                        koyalite policies check --table todos --check \"status <> 'done'\"\n  \
                        koyalite policies explain --table todos --as alice --row '{\"title\": \"a\"}'\n  \
                        koyalite policies explain --table todos --as alice --command delete --filter 'done'\n  \
                        koyalite policies test policies.toml\n  \
                        koyalite policies mirror on\n  \
                        koyalite policies verify --as alice --identities policies.toml")]
pub(super) struct PoliciesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The policies of the project
    List(ListArgs),
    /// Whether a text is a valid policy for a table, and if not, where and why
    Check(CheckArgs),
    /// What becomes of one case: who does what to which row
    Explain(ExplainArgs),
    /// Hold a file of expectations against the policies in force
    Test(TestArgs),
    /// Whether Postgres enforces the policies too, as a second wall
    Mirror(MirrorArgs),
    /// Compare the host's policies with Postgres' own on the rows that are there; changes nothing
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this table
    #[arg(long)]
    table: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The table that the policy is for
    #[arg(long)]
    table: String,
    /// Check as a condition on written rows (WITH CHECK) instead of on existing ones (USING)
    #[arg(long)]
    check: bool,
    /// The condition, in the Postgres dialect
    text: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Policies {
    items: Vec<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    name: String,
    table: String,
    effect: String,
    commands: Vec<String>,
    roles: Vec<String>,
    using: Option<String>,
    check: Option<String>,
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    enabled: bool,
}

#[derive(Deserialize)]
struct Verdict {
    valid: bool,
    #[serde(default)]
    errors: Vec<Mistake>,
    #[serde(default)]
    warnings: Vec<String>,
}

impl PoliciesArgs {
    /// Lists, checks, explains, tests, mirrors or verifies.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::List(args) => list(args).await,
            Action::Check(args) => check(args).await,
            Action::Explain(args) => args.run().await,
            Action::Test(args) => args.run().await,
            Action::Mirror(args) => args.run().await,
            Action::Verify(args) => args.run().await,
        }
    }
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let answer = args
        .server
        .client()?
        .list(&args.server.path(["policies"]))
        .await?;
    args.server.output().show(answer, |policies: Policies| {
        let wanted = |policy: &Policy| args.table.as_ref().is_none_or(|name| *name == policy.table);
        let rows = policies.items.into_iter().filter(wanted).map(|policy| {
            let condition = policy.rule();
            let state = if policy.enabled {
                policy.effect
            } else {
                "off".to_owned()
            };
            let (commands, roles) = (policy.commands.join(" "), policy.roles.join(" "));
            [policy.table, policy.name, state, commands, roles, condition]
        });
        table(
            [
                "TABLE",
                "POLICY",
                "EFFECT",
                "COMMANDS",
                "ROLES",
                "CONDITION",
            ],
            rows.collect(),
            "no policies: every table without one answers nothing",
        )
    })
}

impl Policy {
    /// Its conditions, and what it says about columns.
    fn rule(&self) -> String {
        let mut rule = self.condition();
        for (word, columns) in [("read", &self.read), ("write", &self.write)] {
            if let Some(columns) = columns {
                rule.push_str(&format!("; {word} {}", columns.join(", ")));
            }
        }
        for (column, value) in &self.set {
            rule.push_str(&format!("; set {column} = {value}"));
        }
        rule
    }

    fn condition(&self) -> String {
        match (&self.using, &self.check) {
            (Some(using), Some(check)) if using == check => using.clone(),
            (Some(using), Some(check)) => format!("using ({using}) with check ({check})"),
            (Some(using), None) => using.clone(),
            (None, Some(check)) => format!("with check ({check})"),
            (None, None) => "true".to_owned(),
        }
    }
}

async fn check(args: CheckArgs) -> Result<(), CliError> {
    let side = if args.check { "check" } else { "using" };
    let body = json!({ "table": args.table, side: args.text });
    let path = args.server.path(["policies", "check"]);
    let answer = args
        .server
        .client()?
        .send(Method::POST, &path, &body)
        .await?;
    let output = args.server.output();
    let verdict: Verdict = typed(answer.clone())?;
    match output.format() {
        Format::Json => output.line(&format!("{answer:#}"))?,
        Format::Human => output.line(&verdict.render(&args.text))?,
    }
    match verdict.valid {
        true => Ok(()),
        false => Err(CliError::Shown),
    }
}

impl Verdict {
    fn render(&self, source: &str) -> String {
        let mut blocks = vec![match self.valid {
            true => "valid".to_owned(),
            false => "not valid".to_owned(),
        }];
        blocks.extend(
            self.errors
                .iter()
                .map(|mistake| mistake.render(Some(source))),
        );
        blocks.extend(
            self.warnings
                .iter()
                .map(|warning| format!("  warning: {warning}")),
        );
        blocks.join("\n")
    }
}
