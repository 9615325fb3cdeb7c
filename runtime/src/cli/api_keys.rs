//! `koyalite api-keys`: keys that programs call a project's functions with.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;
use super::pages;

/// Create, list or delete.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite api-keys create website\n  \
                        koyalite api-keys create nightly-job --scope service --expires 2027-01-01T00:00:00Z\n  \
                        koyalite api-keys list\n  koyalite api-keys delete website")]
pub(super) struct ApiKeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, this once
    Create(CreateArgs),
    /// List the keys, when they were last used, and when they end
    List(ListArgs),
    /// Delete a key; whoever sends it is refused from then on
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What it is called
    name: String,
    /// As whom its bearer calls
    #[arg(long, default_value = "anon")]
    scope: Scope,
    /// When it ends, as 2027-01-01T00:00:00Z; left out: never
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    /// As nobody
    Anon,
    /// As the function that is called: `service_role`
    Service,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Service => "service",
        }
    }
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those whose name begins so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those that begin so themselves
    #[arg(long, value_name = "KEY")]
    prefix: Option<String>,
    /// Only those with this scope
    #[arg(long)]
    scope: Option<Scope>,
    /// Only those that are good still, or no more
    #[arg(long, value_parser = ["active", "expired"])]
    status: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// Its name or id
    key: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Keys {
    items: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    prefix: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

#[derive(Deserialize)]
struct Made {
    key: String,
}

impl ApiKeysArgs {
    /// Creates, lists or deletes.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Create(args) => create(args).await,
            Action::List(args) => list(args).await,
            Action::Delete(args) => delete(args).await,
        }
    }
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let wanted =
        json!({ "name": args.name, "scopes": [args.scope.word()], "expires_at": args.expires });
    let (client, path) = (args.server.client()?, args.server.path(["api-keys"]));
    let answer = client.send(Method::POST, &path, &wanted).await?;
    // The bare key, so that `$(koyalite api-keys create …)` is all a script needs.
    args.server.output().show(answer, |made: Made| made.key)
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let path = args.server.path(["api-keys"]);
    let filter = [
        ("name", args.name.as_deref()),
        ("prefix", args.prefix.as_deref()),
        ("scope", args.scope.map(Scope::word)),
        ("status", args.status.as_deref()),
    ];
    let answer = pages::all(&args.server.client()?, &path, &filter).await?;
    args.server.output().show(answer, |keys: Keys| {
        let rows = keys.items.into_iter().map(|key| {
            let never = || "never".to_owned();
            [
                key.name,
                format!("{}…", key.prefix),
                key.scopes.join(", "),
                key.last_used_at.unwrap_or_else(never),
                key.expires_at.unwrap_or_else(never),
            ]
        });
        table(
            ["NAME", "KEY", "SCOPES", "LAST USED", "ENDS"],
            rows.collect(),
            "no keys yet; `koyalite api-keys create NAME` makes one",
        )
    })
}

async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let path = args.server.path(["api-keys", &args.key]);
    args.server.client()?.delete(&path).await?;
    let done = format!("{} is deleted", args.key);
    args.server.output().line(&done)
}
