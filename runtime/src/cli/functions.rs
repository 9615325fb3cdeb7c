//! `koyalite functions`: what is deployed, and the switch to turn one off.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{short_digest, table};
use super::pages;

/// List, enable, disable, fetch again or delete.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite functions\n  koyalite functions --state off --json\n  \
                  koyalite functions disable hello\n  \
                  koyalite functions fetch hello   its component again, from where it came"
)]
pub(super) struct FunctionsArgs {
    #[command(subcommand)]
    switch: Option<Switch>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those whose name begins so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those that are on, or off
    #[arg(long, value_parser = ["on", "off"])]
    state: Option<String>,
    /// Only those that are served in this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Only those that the user with this id deployed last
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Switch {
    /// Serve a function again
    Enable(SwitchArgs),
    /// Stop serving a function; its versions stay
    Disable(SwitchArgs),
    /// Fetch a function's component again from the URL that it was deployed from
    Fetch(FetchArgs),
    /// Delete a function with its versions, schedules and logs
    Delete(SwitchArgs),
}

#[derive(Debug, Args)]
struct FetchArgs {
    /// The SHA-256 that it must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    #[command(flatten)]
    which: SwitchArgs,
}

#[derive(Debug, Args)]
struct SwitchArgs {
    /// The function
    function: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Functions {
    items: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    url: String,
    version: u32,
    sha256: String,
    enabled: bool,
}

impl FunctionsArgs {
    /// Lists, or flips the switch.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.switch {
            None => list(self.list).await,
            Some(Switch::Enable(args)) => set_enabled(args, true).await,
            Some(Switch::Disable(args)) => set_enabled(args, false).await,
            Some(Switch::Fetch(args)) => fetch(args).await,
            Some(Switch::Delete(args)) => delete(args).await,
        }
    }
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let enabled = args.state.as_deref().map(|state| match state {
        "on" => "true",
        _ => "false",
    });
    let filter = [
        ("name", args.name.as_deref()),
        ("enabled", enabled),
        ("region", args.region.as_deref()),
        ("user", args.user.as_deref()),
    ];
    let server = &args.server;
    let path = server.path(["functions"]);
    let answer = pages::all(&server.client()?, &path, &filter).await?;
    server.output().show(answer, |functions: Functions| {
        let rows = functions.items.into_iter().map(|function| {
            let state = if function.enabled { "on" } else { "off" };
            let digest = short_digest(&function.sha256).to_owned();
            [
                function.name,
                function.version.to_string(),
                state.to_owned(),
                digest,
                function.url,
            ]
        });
        table(
            ["NAME", "VERSION", "STATE", "SHA-256", "URL"],
            rows.collect(),
            "no functions yet; `koyalite deploy` makes one",
        )
    })
}

async fn delete(args: SwitchArgs) -> Result<(), CliError> {
    let path = args.server.path(["functions", &args.function]);
    args.server.client()?.delete(&path).await?;
    let done = format!("{} is deleted", args.function);
    args.server.output().line(&done)
}

#[derive(Deserialize)]
struct Fetched {
    name: String,
    version: u32,
    sha256: String,
    changed: bool,
}

async fn fetch(FetchArgs { sha256, which }: FetchArgs) -> Result<(), CliError> {
    let path = which.server.path(["functions", &which.function, "fetch"]);
    let client = which.server.client()?;
    let answer = client
        .send(Method::POST, &path, &json!({ "sha256": sha256 }))
        .await?;
    which.server.output().show(answer, |fetched: Fetched| {
        let verb = match fetched.changed {
            true => "runs",
            false => "already runs",
        };
        let digest = short_digest(&fetched.sha256);
        format!(
            "{} {verb} version {} ({digest})",
            fetched.name, fetched.version
        )
    })
}

async fn set_enabled(args: SwitchArgs, enabled: bool) -> Result<(), CliError> {
    let path = args.server.path(["functions", &args.function]);
    let answer = args
        .server
        .client()?
        .send(Method::PATCH, &path, &json!({ "enabled": enabled }))
        .await?;
    args.server.output().show(answer, |function: Function| {
        let state = if function.enabled { "on" } else { "off" };
        format!("{} is {state}", function.name)
    })
}
