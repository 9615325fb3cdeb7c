//! `koyalite users`: people with an account.

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::args::{ControlArgs, encode};
use super::error::CliError;
use super::login;
use super::output::table;
use super::pages;

/// List, create, change or delete.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  koyalite users --role developer\n  \
                  koyalite users create bob@example.org --role developer < password.txt\n  \
                  koyalite users change 01a2046f-ac7e-7274-98ea-f6f71ddd6680 --role viewer\n  \
                  koyalite users delete 01a2046f-ac7e-7274-98ea-f6f71ddd6680 --transfer-to 01a2…"
)]
pub(super) struct UsersArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only those whose e-mail has this in it
    #[arg(long, value_name = "TEXT")]
    email: Option<String>,
    /// Only those with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an account; the password is one line of standard input
    Create(CreateArgs),
    /// Give a user another role or e-mail
    Change(ChangeArgs),
    /// Delete a user who owns no project
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Their e-mail
    email: String,
    /// Their role
    #[arg(long, default_value = "member")]
    role: String,
    /// Without a password: they cannot sign in until they are given one
    #[arg(long)]
    no_password: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// Their id
    id: String,
    /// Another role
    #[arg(long)]
    role: Option<String>,
    /// Another e-mail
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// Their id
    id: String,
    /// Who gets what they own; without this it is removed
    #[arg(long, value_name = "ID")]
    transfer_to: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct User {
    id: String,
    email: String,
    role: String,
    created_at: String,
}

impl UsersArgs {
    /// Does what was asked.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            None => list(&self.server, &self.email, &self.role).await,
            Some(Action::Create(args)) => create(args).await,
            Some(Action::Change(args)) => change(args).await,
            Some(Action::Delete(args)) => delete(args).await,
        }
    }
}

async fn list(
    server: &ControlArgs,
    email: &Option<String>,
    role: &Option<String>,
) -> Result<(), CliError> {
    let filter = [("email", email.as_deref()), ("role", role.as_deref())];
    let answer = pages::all(&server.client()?, "/v1/users", &filter).await?;
    server.output().show(answer, |users: pages::Items<User>| {
        let rows = users.items.into_iter();
        let rows = rows.map(|user| [user.email, user.role, user.id, user.created_at]);
        table(["EMAIL", "ROLE", "ID", "SINCE"], rows.collect(), "nobody")
    })
}

async fn create(args: CreateArgs) -> Result<(), CliError> {
    let mut body = json!({ "email": args.email, "role": args.role });
    if let (false, Some(fields)) = (args.no_password, body.as_object_mut()) {
        fields.insert("password".to_owned(), login::password()?.into());
    }
    let client = args.server.client()?;
    let answer = client.send(Method::POST, "/v1/users", &body).await?;
    say(&args.server, answer)
}

async fn change(args: ChangeArgs) -> Result<(), CliError> {
    let fields = [("role", args.role), ("email", args.email)];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let body: Map<String, Value> = given.collect();
    let path = format!("/v1/users/{}", encode(&args.id));
    let answer = args
        .server
        .client()?
        .send(Method::PATCH, &path, &body)
        .await?;
    say(&args.server, answer)
}

fn say(server: &ControlArgs, answer: Value) -> Result<(), CliError> {
    server.output().show(answer, |user: User| {
        format!("{} is {} ({})", user.email, user.role, user.id)
    })
}

async fn delete(args: DeleteArgs) -> Result<(), CliError> {
    let heir = args
        .transfer_to
        .map(|id| format!("?transfer_to={}", encode(&id)));
    let path = format!("/v1/users/{}{}", encode(&args.id), heir.unwrap_or_default());
    args.server
        .client()?
        .send(Method::DELETE, &path, &json!({}))
        .await?;
    args.server.output().line("deleted")
}
