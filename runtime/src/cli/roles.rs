//! `koyalite roles`: what people may do, by name.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::output::{or_dash, table};
use super::pages::Items;

/// List, create, change or delete.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite roles\n  \
                  koyalite roles create support --permissions project:read,log:read\n  \
                  koyalite roles change support --permissions project:read\n  \
                  koyalite roles delete support"
)]
pub(super) struct RolesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a role of permissions that you hold
    Create(RoleArgs),
    /// Give a role other permissions
    Change(RoleArgs),
    /// Delete a role that nobody has
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct RoleArgs {
    /// Its name
    name: String,
    /// All that it permits, with commas between
    #[arg(
        long,
        value_delimiter = ',',
        required = true,
        value_name = "PERMISSIONS"
    )]
    permissions: Vec<String>,
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
struct Role {
    name: String,
    built_in: bool,
    permissions: Vec<String>,
}

impl RolesArgs {
    /// Does what was asked.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(&self.server).await,
            Some(Action::Create(args)) => {
                let body = json!({ "name": args.name, "permissions": args.permissions });
                write(&args.server, (Method::POST, "/v1/roles"), &body).await
            }
            Some(Action::Change(args)) => {
                let path = format!("/v1/roles/{}", encode(&args.name));
                let body = json!({ "permissions": args.permissions });
                write(&args.server, (Method::PATCH, &path), &body).await
            }
            Some(Action::Delete(args)) => {
                let path = format!("/v1/roles/{}", encode(&args.name));
                args.server
                    .client()?
                    .send(Method::DELETE, &path, &json!({}))
                    .await?;
                args.server.output().line("deleted")
            }
        }
    }
}

async fn list(server: &ControlArgs) -> Result<(), CliError> {
    let answer = server.client()?.list("/v1/roles").await?;
    server.output().show(answer, |roles: Items<Role>| {
        let rows = roles.items.into_iter().map(|role| {
            let kind = if role.built_in { "built in" } else { "custom" };
            let permissions = Some(role.permissions.join(" ")).filter(|all| !all.is_empty());
            [role.name, kind.to_owned(), or_dash(permissions)]
        });
        table(["NAME", "KIND", "PERMISSIONS"], rows.collect(), "no roles")
    })
}

async fn write(
    server: &ControlArgs,
    (method, path): (Method, &str),
    body: &serde_json::Value,
) -> Result<(), CliError> {
    let answer = server.client()?.send(method, path, body).await?;
    server.output().show(answer, |role: Role| {
        format!("{} permits {}", role.name, role.permissions.join(", "))
    })
}
