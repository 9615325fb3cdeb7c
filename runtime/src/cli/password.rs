//! `koyalite password`: your own at the control API, forgotten, set by the code of a mail, or changed. What
//! is secret is read from the terminal without showing it, or from standard input, one line each.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::args::ControlArgs;
use super::client::Client;
use super::error::CliError;
use super::login::secret_line;
use super::session;

/// Forgot, reset or change.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite password forgot ada@example.org\n  \
                        koyalite password reset\n  \
                        printf '%s\\n' \"$CODE\" \"$NEW\" | koyalite password reset\n  \
                        koyalite password change"
)]
pub(super) struct PasswordArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Ask for a mail with a code for another password
    Forgot(ForgotArgs),
    /// Set another password by the code of the mail; asks for the code, then for the password
    Reset(DoorArgs),
    /// Set another password in the session of `koyalite login`; asks for the one so far first
    Change(DoorArgs),
}

#[derive(Debug, Args)]
struct ForgotArgs {
    /// Your e-mail
    email: String,
    #[command(flatten)]
    door: DoorArgs,
}

#[derive(Debug, Args)]
struct DoorArgs {
    #[command(flatten)]
    server: ControlArgs,
}

impl PasswordArgs {
    /// Does one of them.
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Forgot(args) => forgot(args).await,
            Action::Reset(args) => reset(args.server).await,
            Action::Change(args) => change(args.server).await,
        }
    }
}

async fn forgot(args: ForgotArgs) -> Result<(), CliError> {
    let server = args.door.server;
    let client = Client::new(&server.control, None)?;
    let body = json!({ "email": args.email });
    let path = "/v1/auth/password/forgot";
    client.send(Method::POST, path, &body).await?;
    // The server does not say whether anybody has that address, so neither do we.
    server.output().line(
        "if there is an account of that address, a mail with a code is on its way: `koyalite password reset`",
    )
}

async fn reset(server: ControlArgs) -> Result<(), CliError> {
    let body = json!({ "token": secret_line("code")?, "password": secret_line("new password")? });
    let client = Client::new(&server.control, None)?;
    let path = "/v1/auth/password/reset";
    client.send(Method::POST, path, &body).await?;
    session::forget(&server.control)?;
    let said = "the password is set, and all sessions have ended: `koyalite login`";
    server.output().line(said)
}

async fn change(server: ControlArgs) -> Result<(), CliError> {
    if session::read(&server.control)?.is_none() {
        let message = anyhow!("nobody is signed in at {}", server.control);
        return Err(CliError::Usage(message));
    }
    let body =
        json!({ "current": secret_line("password so far")?, "new": secret_line("new password")? });
    let client = Client::of_session(&server.control)?;
    let path = "/v1/auth/password";
    client.send(Method::POST, path, &body).await?;
    let said = "the password is set; your other sessions have ended";
    server.output().line(said)
}
