//! `koyalite jwt-secret`: the secret that a project's user tokens are signed with. It comes from a
//! file or standard input, never from the command line, where every process of the machine sees it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::secret_input;

/// Show, set or rotate.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite jwt-secret show\n  \
                        koyalite jwt-secret set < secret.txt\n  \
                        koyalite jwt-secret set --file secret.txt\n  \
                        koyalite jwt-secret rotate")]
pub(super) struct JwtSecretArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the secret, for the server that signs your users' tokens
    Show(ShowArgs),
    /// Use a secret of yours; tokens signed with the former one are refused from now on
    Set(SetArgs),
    /// Make a new secret and print it; tokens signed with the former one are refused from now on
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Read it from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Shown {
    secret: String,
    encoding: String,
}

impl JwtSecretArgs {
    /// Shows, sets or rotates.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Show(args) => show(args).await,
            Action::Set(args) => set(args).await,
            Action::Rotate(args) => rotate(args).await,
        }
    }
}

async fn show(args: ShowArgs) -> Result<(), CliError> {
    let path = args.server.path(["jwt-secret"]);
    let answer = args.server.client()?.get(&path).await?;
    args.server.output().show(answer, Shown::bare)
}

async fn set(args: SetArgs) -> Result<(), CliError> {
    let secret = secret_input::read(args.file).map_err(CliError::Usage)?;
    let path = args.server.path(["jwt-secret"]);
    let body = json!({ "secret": secret });
    let client = args.server.client()?;
    client.send(Method::PUT, &path, &body).await?;
    args.server.output().line(&format!(
        "the tokens of {}'s users are verified with it from now on",
        args.server.project
    ))
}

async fn rotate(args: RotateArgs) -> Result<(), CliError> {
    let path = args.server.path(["jwt-secret"]);
    let client = args.server.client()?;
    let answer = client.send(Method::PUT, &path, &json!({})).await?;
    args.server.output().show(answer, Shown::bare)
}

impl Shown {
    /// The bare secret, so that `$(koyalite jwt-secret show)` is all a script needs.
    fn bare(self) -> String {
        if self.encoding != "text" {
            eprintln!(
                "the key is what this {} stands for, not its text",
                self.encoding
            );
        }
        self.secret
    }
}
