//! `koyalite identity-providers`: servers whose tokens a project takes as those of its users.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;

/// Add, list or delete.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite identity-providers add auth0 --issuer https://acme.eu.auth0.com/ \
                  --audience https://shop.example \\\n    --jwks-url https://acme.eu.auth0.com/.well-known/jwks.json\n  \
                  koyalite identity-providers list\n  koyalite identity-providers delete auth0"
)]
pub(super) struct ProvidersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take the tokens of an identity server
    Add(AddArgs),
    /// List the servers whose tokens are taken
    List(ListArgs),
    /// Take a server's tokens no longer
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What it is called here
    name: String,
    /// `iss` of its tokens, letter for letter
    #[arg(long)]
    issuer: String,
    /// What `aud` of its tokens must name
    #[arg(long)]
    audience: String,
    /// Where its public keys are
    #[arg(long, value_name = "URL")]
    jwks_url: String,
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
    /// Its name or id
    provider: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Providers {
    items: Vec<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    name: String,
    issuer: String,
    audience: String,
    jwks_url: String,
}

impl ProvidersArgs {
    /// Adds, lists or deletes.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Add(args) => add(args).await,
            Action::List(args) => list(args).await,
            Action::Delete(args) => delete(args).await,
        }
    }
}

fn shown(providers: Vec<Provider>) -> String {
    let rows = providers
        .into_iter()
        .map(|it| [it.name, it.issuer, it.audience, it.jwks_url]);
    table(
        ["NAME", "ISSUER", "AUDIENCE", "KEYS"],
        rows.collect(),
        "no identity providers yet; `koyalite identity-providers add NAME` adds one",
    )
}

async fn add(args: AddArgs) -> Result<(), CliError> {
    let wanted = json!({
        "name": args.name, "issuer": args.issuer, "audience": args.audience,
        "jwks_url": args.jwks_url,
    });
    let path = args.server.path(["identity-providers"]);
    let answer = args
        .server
        .client()?
        .send(Method::POST, &path, &wanted)
        .await?;
    args.server
        .output()
        .show(answer, |provider: Provider| shown(vec![provider]))
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let path = args.server.path(["identity-providers"]);
    let answer = args.server.client()?.list(&path).await?;
    args.server
        .output()
        .show(answer, |providers: Providers| shown(providers.items))
}

async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let path = args.server.path(["identity-providers", &args.provider]);
    args.server.client()?.delete(&path).await?;
    let done = format!("tokens of {} are taken no longer", args.provider);
    args.server.output().line(&done)
}
