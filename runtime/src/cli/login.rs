//! `koyalite login`, `logout` and `whoami`: people at the control API. A password is read from the
//! terminal without showing it, or from standard input; never from the command line, where every
//! process of the machine sees it.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::client::Client;
use super::error::CliError;
use super::output::{or_dash, typed};
use super::session::{self, Session};

/// Sign in.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite login ada@example.org\n  \
                        koyalite login ada@example.org --sign-up\n  \
                        koyalite login ada@example.org < password.txt")]
pub(super) struct LoginArgs {
    /// Your e-mail
    email: String,
    /// Make an account first, where the server lets people do that
    #[arg(long)]
    sign_up: bool,
    #[command(flatten)]
    server: ControlArgs,
}

/// Sign out.
#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    #[command(flatten)]
    server: ControlArgs,
}

/// Say who is asking.
#[derive(Debug, Args)]
pub(super) struct WhoamiArgs {
    #[command(flatten)]
    server: ControlArgs,
}

impl LoginArgs {
    /// Signs in and keeps the session.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = match self.sign_up {
            true => "/v1/auth/sign-up",
            false => "/v1/auth/sign-in",
        };
        let claimed = json!({ "email": self.email, "password": password()? });
        // As nobody: what is kept or given for other commands says nothing here.
        let client = Client::new(&self.server.control, None)?;
        let answer = client.send(Method::POST, path, &claimed).await?;
        let signed_in: Session = typed(answer)?;
        let user = serde_json::to_value(&signed_in.user).context("cannot write the answer")?;
        session::keep(&self.server.control, signed_in)?;
        // The tokens are in the file; on a terminal they would only be seen by others.
        self.server
            .output()
            .show(user, |user: session::SessionUser| {
                format!("signed in as {} ({})", user.email, user.role)
            })
    }
}

impl LogoutArgs {
    /// Ends the session and forgets it.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let Some(_) = session::read(&self.server.control)? else {
            return Err(CliError::Usage(anyhow!(
                "nobody is signed in at {}",
                self.server.control
            )));
        };
        let client = Client::of_session(&self.server.control)?;
        let ended = client
            .send(Method::POST, "/v1/auth/sign-out", &json!({}))
            .await;
        match ended {
            // A session that the server has ended already is as good as signed out of.
            Err(CliError::Refused(problem)) if problem.is_unauthorized() => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        session::forget(&self.server.control)?;
        self.server.output().line("signed out")
    }
}

#[derive(Deserialize)]
struct Whoami {
    subject: String,
    role: String,
    permissions: Vec<String>,
    user: Option<session::SessionUser>,
}

impl WhoamiArgs {
    /// Asks the server.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let answer = self.server.client()?.get("/v1/auth/user").await?;
        self.server.output().show(answer, |who: Whoami| {
            let permissions = Some(who.permissions.join(", ")).filter(|all| !all.is_empty());
            let name = who.user.map_or(who.subject, |user| user.email);
            format!(
                "{name}\nrole         {}\npermissions  {}",
                who.role,
                or_dash(permissions)
            )
        })
    }
}

/// The password.
pub(super) fn password() -> Result<String, CliError> {
    secret_line("password")
}

/// One line that nobody sees, asked for by its name.
pub(super) fn secret_line(name: &str) -> Result<String, CliError> {
    let unread = || format!("cannot read the {name}");
    if io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        let asked = format!("{name}: ");
        terminal.write_str(&asked).map_err(CliError::Output)?;
        return Ok(terminal.read_secure_line().with_context(unread)?);
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.with_context(unread)?;
    let secret = line.trim_end_matches(['\r', '\n']).to_owned();
    match secret.is_empty() {
        true => Err(CliError::Usage(anyhow!(
            "write the {name} to standard input, as one line"
        ))),
        false => Ok(secret),
    }
}
