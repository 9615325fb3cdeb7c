//! `koyalite secrets`: what functions read by name and nobody reads again. A value comes from a file,
//! from standard input or from a question, never from the command line, where every process of the
//! machine sees it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;
use super::secret_input;

/// Set, list or delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite secrets set STRIPE_KEY\n  \
                        koyalite secrets set STRIPE_KEY < key.txt\n  \
                        koyalite secrets list\n  koyalite secrets delete STRIPE_KEY")]
pub(super) struct SecretsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set a secret; functions whose manifest names it read the new value at once
    Set(SetArgs),
    /// List the names of the secrets
    List(ListArgs),
    /// Delete a secret
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Its name, as in `secrets = ["…"]` of a koyalite.toml
    name: String,
    /// Read the value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Secrets {
    items: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    updated_at: String,
}

impl SecretsArgs {
    /// Sets, lists or deletes.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Set(args) => set(args).await,
            Action::List(args) => list(args).await,
            Action::Delete(args) => delete(args).await,
        }
    }
}

async fn set(args: SetArgs) -> Result<(), CliError> {
    let value = match args.file.is_none() && io::stdin().is_terminal() {
        true => ask(&args.name),
        false => secret_input::read(args.file),
    };
    let body = json!({ "value": value.map_err(CliError::Usage)? });
    let path = args.server.path(["secrets", &args.name]);
    let client = args.server.client()?;
    client.send(Method::PUT, &path, &body).await?;
    let output = args.server.output();
    output.line(&format!("{} is set in {}", args.name, args.server.project))
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let path = args.server.path(["secrets"]);
    let answer = args.server.client()?.list(&path).await?;
    args.server.output().show(answer, |secrets: Secrets| {
        let rows = secrets.items.into_iter();
        let rows = rows.map(|secret| [secret.name, secret.updated_at]);
        table(
            ["NAME", "SET"],
            rows.collect(),
            "no secrets yet; `koyalite secrets set NAME` makes one",
        )
    })
}

async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let path = args.server.path(["secrets", &args.name]);
    args.server.client()?.delete(&path).await?;
    let done = format!("{} is deleted", args.name);
    args.server.output().line(&done)
}

/// Asks a person, whose screen does not show the answer.
fn ask(name: &str) -> anyhow::Result<String> {
    eprint!("value of {name} (not shown): ");
    io::stderr().flush().context("cannot ask")?;
    let silence = Silence::begin();
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    drop(silence);
    eprintln!();
    read.context("cannot read the terminal")?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(anyhow!("nothing was written")),
        value => Ok(value.to_owned()),
    }
}

/// While it lives the terminal shows nothing of what is typed.
struct Silence;

impl Silence {
    fn begin() -> Self {
        echo("-echo");
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        echo("echo");
    }
}

/// Where there is no `stty`, the value is seen while it is typed, and nowhere else.
fn echo(word: &str) {
    drop(Command::new("stty").arg(word).status());
}
