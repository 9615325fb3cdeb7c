//! `koyalite token`: project tokens for development, and control tokens: the one in use, the first
//! one of an installation, and others for other operators. `token_replace` puts one in another's place.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use anyhow::{Context, anyhow};

use crate::config::{Flags, Raw, ServeConfig};

use super::args::{ControlArgs, encode};
use super::client::Client;
use super::command::wait_for;
use super::error::CliError;
use super::output::{Format, Output, table};
use super::pages;
use super::token_replace::ReplaceArgs;

/// How long a development token lives unless told otherwise: an hour, so that one forgotten in a
/// shell history is soon worthless.
pub(super) const DEFAULT_TTL_S: u32 = 3600;

/// Create, show, bootstrap, operator, list, replace or revoke.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite token create --subject alice\n  \
                        koyalite token create --subject bob --claims '{\"team\": 7}' --ttl 600\n  \
                        export KOYALITE_TOKEN=$(koyalite token show)\n  \
                        koyalite token bootstrap --key-file keys.json\n  \
                        koyalite token operator --role developer --subject ci --ttl 86400\n  \
                        koyalite token list --status active\n  \
                        koyalite token replace")]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// A token of the project, for calling functions as some user
    Create(CreateArgs),
    /// The control token that commands here would use
    Show(ShowArgs),
    /// The first control token of an installation: printed once, to whoever asks first
    Bootstrap(Box<BootstrapArgs>),
    /// A control token for another operator
    Operator(OperatorArgs),
    /// The control tokens that were given out
    List(ListArgs),
    /// Put another control token in the place of one; that of the file, unless an id says which
    Replace(ReplaceArgs),
    /// Take a control token back
    Revoke(RevokeArgs),
}

/// Which database and key ring, as `serve` and `migrate` take them.
#[derive(Debug, Args)]
struct BootstrapArgs {
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct OperatorArgs {
    /// Who it is for: a name, as the log will show it
    #[arg(long)]
    subject: String,
    /// What they may do
    #[arg(long)]
    role: String,
    /// Seconds until it expires, a year at most [default: 30 days]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Its id, as `koyalite token list` shows it
    id: String,
    #[command(flatten)]
    server: ControlArgs,
}

/// A control token as the list has it.
#[derive(Deserialize)]
struct Listed {
    id: String,
    subject: String,
    role: String,
    expires_at: String,
    revoked_at: Option<String>,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The user: what policies see as auth.uid()
    #[arg(long)]
    subject: String,
    /// Further claims, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = parse_claims)]
    claims: Option<Value>,
    /// Seconds until it expires
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TTL_S)]
    ttl: u32,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those for subjects that begin so
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only those with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Only those that are good still, that have ended, or that were taken back
    #[arg(long, value_parser = ["active", "expired", "revoked"])]
    status: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    server: ControlArgs,
}

/// A minted token.
#[derive(Deserialize)]
pub(super) struct Minted {
    /// What goes after `Authorization: Bearer`.
    pub(super) token: String,
}

impl TokenArgs {
    /// Creates or shows.
    pub(super) fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Create(args) => wait_for(create(args)),
            Action::Show(args) => show(&args),
            Action::Bootstrap(args) => bootstrap(*args),
            Action::Operator(args) => wait_for(operator(args)),
            Action::List(args) => wait_for(list(args)),
            Action::Replace(args) => wait_for(args.run()),
            Action::Revoke(args) => wait_for(revoke(args)),
        }
    }
}

fn bootstrap(args: BootstrapArgs) -> Result<(), CliError> {
    let config = ServeConfig::serve(Raw::gather(args.flags))?;
    let token = crate::server::bootstrap(config)?;
    Output::new(Format::Human).line(token.expose())
}

async fn operator(args: OperatorArgs) -> Result<(), CliError> {
    let mut body = json!({ "subject": args.subject, "role": args.role });
    if let (Some(ttl), Some(fields)) = (args.ttl, body.as_object_mut()) {
        fields.insert("ttl_s".to_owned(), ttl.into());
    }
    let client = args.server.client()?;
    let answer = client.send(Method::POST, "/v1/tokens", &body).await?;
    args.server
        .output()
        .show(answer, |minted: Minted| minted.token)
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let filter = [
        ("subject", args.subject.as_deref()),
        ("role", args.role.as_deref()),
        ("status", args.status.as_deref()),
    ];
    let answer = pages::all(&args.server.client()?, "/v1/tokens", &filter).await?;
    args.server
        .output()
        .show(answer, |tokens: pages::Items<Listed>| {
            let rows = tokens.items.into_iter().map(|one| {
                let until = match one.revoked_at {
                    Some(at) => format!("taken back {at}"),
                    None => one.expires_at,
                };
                [one.subject, one.role, until, one.id]
            });
            table(
                ["SUBJECT", "ROLE", "UNTIL", "ID"],
                rows.collect(),
                "no tokens were given out",
            )
        })
}

async fn revoke(args: RevokeArgs) -> Result<(), CliError> {
    let path = format!("/v1/tokens/{}", encode(&args.id));
    args.server
        .client()?
        .send(Method::DELETE, &path, &json!({}))
        .await?;
    args.server.output().line("taken back")
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let client = args.server.client()?;
    let path = args.server.path(["tokens"]);
    let answer = mint(&client, &path, (&args.subject, args.claims, args.ttl)).await?;
    // The bare token, so that `$(koyalite token create …)` is all a script needs.
    args.server
        .output()
        .show(answer, |minted: Minted| minted.token)
}

/// Asks for a project token of (subject, claims, seconds to live).
pub(super) async fn mint(
    client: &Client,
    path: &str,
    (subject, claims, ttl_s): (&str, Option<Value>, u32),
) -> Result<Value, CliError> {
    let mut body = json!({ "subject": subject, "ttl_s": ttl_s });
    if let (Some(claims), Some(fields)) = (claims, body.as_object_mut()) {
        fields.insert("claims".to_owned(), claims);
    }
    client.send(Method::POST, path, &body).await
}

fn show(args: &ShowArgs) -> Result<(), CliError> {
    match args.server.control_token()? {
        Some(token) => args.server.output().line(&token),
        None => Err(CliError::Usage(anyhow!(
            "no control token: set KOYALITE_TOKEN, or work in a folder where `koyalite dev` has run"
        ))),
    }
}

/// A JSON object, from the command line.
pub(super) fn parse_claims(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("not JSON")?;
    match value.is_object() {
        true => Ok(value),
        false => Err(anyhow!(
            "claims are a JSON object, for example {{\"team\": 7}}"
        )),
    }
}
