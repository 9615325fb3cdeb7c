//! `koyalite members`: who belongs to a project, and whether its functions' users may sign up.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;
use super::pages::{self, Items};

/// List, put or remove.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite members --project shop\n  \
                  koyalite members put bob@example.org --role developer\n  \
                  koyalite members remove bob@example.org\n  koyalite members sign-up on"
)]
pub(super) struct MembersArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only those with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put a user into the project, or give them another role there
    Put(PutArgs),
    /// Take a user out of the project
    Remove(RemoveArgs),
    /// Whether anybody may become a user of the project's functions
    SignUp(SignUpArgs),
}

#[derive(Debug, Args)]
struct PutArgs {
    /// Their e-mail or id
    user: String,
    /// Their role in this project
    #[arg(long)]
    role: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// Their e-mail or id
    user: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct SignUpArgs {
    /// on or off; without it, how it is
    switch: Option<Switch>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Deserialize)]
struct Member {
    user_id: String,
    email: String,
    role: String,
    created_at: String,
}

#[derive(Deserialize)]
struct SignUp {
    enabled: bool,
}

impl MembersArgs {
    /// Does what was asked.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(&self.server, self.role.as_deref()).await,
            Some(Action::Put(args)) => put(args).await,
            Some(Action::Remove(args)) => {
                let path = args.server.path(["members", &args.user]);
                args.server
                    .client()?
                    .send(Method::DELETE, &path, &json!({}))
                    .await?;
                args.server.output().line("removed")
            }
            Some(Action::SignUp(args)) => sign_up(args).await,
        }
    }
}

async fn list(server: &ControlArgs, role: Option<&str>) -> Result<(), CliError> {
    let path = server.path(["members"]);
    let answer = pages::all(&server.client()?, &path, &[("role", role)]).await?;
    server.output().show(answer, |members: Items<Member>| {
        let rows = members.items.into_iter();
        let rows = rows.map(|one| [one.email, one.role, one.user_id, one.created_at]);
        let empty = "no members yet; `koyalite members put` adds one";
        table(["EMAIL", "ROLE", "ID", "SINCE"], rows.collect(), empty)
    })
}

async fn put(args: PutArgs) -> Result<(), CliError> {
    let path = args.server.path(["members", &args.user]);
    let body = json!({ "role": args.role });
    let answer = args
        .server
        .client()?
        .send(Method::PUT, &path, &body)
        .await?;
    args.server.output().show(answer, |member: Member| {
        format!(
            "{} is {} in {}",
            member.email, member.role, args.server.project
        )
    })
}

async fn sign_up(args: SignUpArgs) -> Result<(), CliError> {
    let path = args.server.path(["sign-up"]);
    let client = args.server.client()?;
    let answer = match args.switch {
        None => client.get(&path).await?,
        Some(switch) => {
            let body = json!({ "enabled": switch == Switch::On });
            client.send(Method::PUT, &path, &body).await?
        }
    };
    args.server.output().show(answer, |sign_up: SignUp| {
        let state = if sign_up.enabled { "on" } else { "off" };
        format!("sign-up is {state}")
    })
}
