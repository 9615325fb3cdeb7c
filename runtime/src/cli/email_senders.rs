//! `koyalite email sign`, `return-path` and `bounce`: how mail of an address is signed, and what comes back.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;

/// Signs mail of an address.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The address
    address: String,
    /// Names the key among those of the domain
    #[arg(long, default_value = "koyalite")]
    selector: String,
    /// rsa-sha256 or ed25519-sha256
    #[arg(long, default_value = "rsa-sha256")]
    algorithm: String,
    /// A file with a key that is there already; without it, one is made
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    server: ControlArgs,
}

/// Where bounces of an address go to.
#[derive(Debug, Args)]
pub(super) struct ReturnPathArgs {
    /// The address that mail is sent from
    address: String,
    /// Where bounces go to; without it, to the address itself
    to: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

/// Hands in a bounce.
#[derive(Debug, Args)]
pub(super) struct BounceArgs {
    /// The notification as it came; - is standard input
    file: PathBuf,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Senders {
    items: Vec<Sender>,
}

#[derive(Deserialize)]
struct Sender {
    id: String,
    address: String,
}

#[derive(Deserialize)]
struct Dkim {
    record_name: String,
    record: String,
}

#[derive(Deserialize)]
struct Noted {
    message: String,
    bounced: bool,
    suppressed: bool,
    reason: String,
}

/// The id of the sender with that address.
async fn id_of(server: &ControlArgs, address: &str) -> Result<String, CliError> {
    let path = server.path(["email", "senders"]);
    let answer = server.client()?.list(&path).await?;
    let senders: Senders =
        serde_json::from_value(answer).context("the server's answer is not a list of senders")?;
    let mut senders = senders.items.into_iter();
    let found = senders.find(|sender| sender.address == address);
    let unknown = || CliError::Failed(anyhow!("the project does not send from {address}"));
    Ok(found.ok_or_else(unknown)?.id)
}

impl SignArgs {
    /// Signs, and tells what the DNS has to say.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let key = self.key.as_ref().map(|file| {
            std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))
                .map_err(CliError::Usage)
        });
        let body = json!({
            "selector": self.selector, "algorithm": self.algorithm, "private_key": key.transpose()?,
        });
        let id = id_of(&self.server, &self.address).await?;
        let path = self.server.path(["email", "senders", &id, "dkim"]);
        let client = self.server.client()?;
        let answer = client.send(Method::PUT, &path, &body).await?;
        self.server.output().show(answer, |dkim: Dkim| {
            format!(
                "signed from now on; receivers look for this TXT record:\n{}\n{}",
                dkim.record_name, dkim.record
            )
        })
    }
}

impl ReturnPathArgs {
    /// Sets it.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let id = id_of(&self.server, &self.address).await?;
        let path = self.server.path(["email", "senders", &id, "return-path"]);
        let client = self.server.client()?;
        let body = json!({ "address": self.to });
        client.send(Method::PUT, &path, &body).await?;
        let to = self.to.unwrap_or(self.address);
        self.server.output().line(&format!("bounces go to {to}"))
    }
}

impl BounceArgs {
    /// Hands it in.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let bytes = match self.file.to_str() {
            Some("-") => {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .read_to_end(&mut bytes)
                    .context("cannot read standard input")?;
                bytes
            }
            _ => std::fs::read(&self.file)
                .with_context(|| format!("cannot read {}", self.file.display()))
                .map_err(CliError::Usage)?,
        };
        let path = self.server.path(["email", "bounces"]);
        let client = self.server.client()?;
        let answer = client.hand_in(&path, "message/rfc822", bytes).await?;
        self.server.output().show(answer, |noted: Noted| {
            let what = match (noted.bounced, noted.suppressed) {
                (false, _) => "nothing changes",
                (true, false) => "bounced",
                (true, true) => "bounced; its recipient takes no more mail",
            };
            format!("{}: {what} ({})", noted.message, noted.reason)
        })
    }
}
