//! `koyalite deployments`: what has served, with what shares, by whom and why; and other shares.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use anyhow::anyhow;

use super::args::ControlArgs;
use super::deploy_terms::WatchedArgs;
use super::error::CliError;
use super::output::{or_dash, table, typed};

/// List them, or make the next one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  koyalite deployments hello\n  \
                  koyalite deployments set-weights hello 4=25\n  \
                  koyalite deployments set-weights hello 3=50 4=50 --message \"half\"\n  \
                  koyalite deployments promote hello    all calls to the canary\n  \
                  koyalite rollback hello               all calls to the version beside it"
)]
pub(super) struct DeploymentsArgs {
    #[command(subcommand)]
    next: Option<Next>,
    /// The function
    #[arg(required = true)]
    function: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Next {
    /// Give versions other shares of the calls; the one that is active keeps the rest
    SetWeights(SetWeightsArgs),
    /// Give all calls to the canary
    Promote(PromoteArgs),
}

#[derive(Debug, Args)]
struct SetWeightsArgs {
    /// The function
    function: String,
    /// One or two versions with their percentages, as 4=25
    #[arg(required = true, num_args = 1..=2, value_name = "VERSION=PERCENT", value_parser = share)]
    shares: Vec<Share>,
    #[command(flatten)]
    said: WatchedArgs,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct PromoteArgs {
    /// The function
    function: String,
    #[command(flatten)]
    said: WatchedArgs,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Share {
    version: u32,
    weight: u32,
}

#[derive(Deserialize)]
struct Deployments {
    items: Vec<Deployment>,
}

#[derive(Deserialize)]
struct Deployment {
    number: u32,
    active: bool,
    versions: Vec<Share>,
    cause: Option<String>,
    message: Option<String>,
    policy_set: Option<String>,
    actor: Option<String>,
    created_at: String,
}

fn share(text: &str) -> Result<Share, String> {
    let read = || {
        let (version, weight) = text.split_once('=')?;
        Some(Share {
            version: version.parse().ok()?,
            weight: weight.trim_end_matches('%').parse().ok()?,
        })
    };
    read().ok_or_else(|| "write a version and its percentage, as 4=25".to_owned())
}

impl DeploymentsArgs {
    /// Lists them, or makes the next one.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.next {
            Some(Next::SetWeights(args)) => args.run().await,
            Some(Next::Promote(args)) => args.run().await,
            None => list(&self.server, &self.function.unwrap_or_default()).await,
        }
    }
}

async fn list(server: &ControlArgs, function: &str) -> Result<(), CliError> {
    let path = server.path(["functions", function, "deployments"]);
    let answer = server.client()?.list(&path).await?;
    server.output().show(answer, |list: Deployments| {
        let rows = list.items.into_iter().map(|one| {
            let state = if one.active { "active" } else { "" };
            [
                one.number.to_string(),
                state.to_owned(),
                shares(&one.versions),
                or_dash(one.cause),
                or_dash(one.policy_set.map(beginning)),
                or_dash(one.actor),
                one.created_at,
                one.message.unwrap_or_default(),
            ]
        });
        let header = [
            "NUMBER", "STATE", "VERSIONS", "CAUSE", "POLICIES", "BY", "CREATED", "MESSAGE",
        ];
        table(header, rows.collect(), "no deployments yet")
    })
}

/// Enough of a hash to tell it from others.
fn beginning(sha256: String) -> String {
    sha256.chars().take(12).collect()
}

/// As `3 (90 %), 4 (10 %)`, or one version alone.
fn shares(versions: &[Share]) -> String {
    let one = |share: &Share| match share.weight {
        100 => share.version.to_string(),
        weight => format!("{} ({weight} %)", share.version),
    };
    let all: Vec<String> = versions.iter().map(one).collect();
    all.join(", ")
}

impl SetWeightsArgs {
    async fn run(self) -> Result<(), CliError> {
        let current = current(&self.server, &self.function).await?;
        let shares = complete(&self.shares, &current)?;
        post(
            &self.server,
            &self.function,
            (&shares, &current, &self.said),
        )
        .await
    }
}

/// One share leaves its rest to the version that is active.
fn complete(given: &[Share], current: &Deployment) -> Result<Vec<Share>, CliError> {
    match given {
        [one] if one.weight < 100 => match current.versions.first() {
            Some(active) if active.version != one.version => Ok(vec![
                Share {
                    version: active.version,
                    weight: 100 - one.weight,
                },
                *one,
            ]),
            _ => Err(CliError::Usage(anyhow!(
                "version {} is active and has what others leave; name the other version too",
                one.version
            ))),
        },
        given => Ok(given.to_vec()),
    }
}

impl PromoteArgs {
    async fn run(self) -> Result<(), CliError> {
        let current = current(&self.server, &self.function).await?;
        let Some(canary) = current.versions.get(1) else {
            return Err(CliError::Usage(anyhow!(
                "{} has no canary: version {} has all calls",
                self.function,
                current.versions.first().map_or(0, |one| one.version)
            )));
        };
        let all = [Share {
            version: canary.version,
            weight: 100,
        }];
        post(&self.server, &self.function, (&all, &current, &self.said)).await
    }
}

/// The deployment that serves.
async fn current(server: &ControlArgs, function: &str) -> Result<Deployment, CliError> {
    let path = server.path(["functions", function, "deployments"]);
    let answer = server.client()?.get(&format!("{path}?limit=1")).await?;
    let list: Deployments = typed(answer)?;
    let newest = list.items.into_iter().next();
    newest.ok_or_else(|| CliError::Usage(anyhow!("{function} has no deployment")))
}

async fn post(
    server: &ControlArgs,
    function: &str,
    (wanted, current, said): (&[Share], &Deployment, &WatchedArgs),
) -> Result<(), CliError> {
    let wanted: Vec<Value> = wanted
        .iter()
        .map(|one| json!({ "version": one.version, "weight": one.weight }))
        .collect();
    // What was decided about the deployment that was seen is not to hit another one.
    let mut body = json!({ "versions": wanted, "after": current.number });
    said.say(&mut body);
    let path = server.path(["functions", function, "deployments"]);
    let answer = server.client()?.send(Method::POST, &path, &body).await?;
    server.output().show(answer, |made: Deployment| {
        format!("{function} runs version {}", shares(&made.versions))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_version_and_a_percentage() {
        let four = Share {
            version: 4,
            weight: 25,
        };
        assert_eq!(share("4=25"), Ok(four));
        assert_eq!(share("4=25%"), Ok(four));
        for bad in ["4", "4=", "=25", "v4=25", "4=a"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert_eq!(shares(&[four]), "4 (25 %)");
    }
}
