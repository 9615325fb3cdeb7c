//! `koyalite rollback`: a new deployment of an old version.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::{ControlArgs, WaitArgs};
use super::error::CliError;

/// Of which function, to which version.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite rollback hello          to what ran before\n  \
                        koyalite rollback hello --to 3\n  \
                        koyalite rollback hello --with-policies"
)]
pub(super) struct RollbackArgs {
    /// The function
    function: String,
    /// The version to go to; without it, the one deployed before this one
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    /// Restore the policies that the version was last used with too; those made since are deleted
    #[arg(long)]
    with_policies: bool,
    /// Why, for the history
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Deployed {
    name: String,
    version: u32,
    url: String,
    policies: Option<Restored>,
}

#[derive(Deserialize)]
struct Restored {
    restored: Vec<String>,
    removed: Vec<String>,
}

impl RollbackArgs {
    /// Goes back.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let mut body = json!({ "with_policies": self.with_policies, "message": self.message });
        if let (Some(version), Some(fields)) = (self.to, body.as_object_mut()) {
            fields.insert("version".to_owned(), version.into());
        }
        let path = self.server.path(["functions", &self.function, "rollback"]);
        let path = self.wait.on(path);
        let answer = self
            .server
            .client()?
            .send(Method::POST, &path, &body)
            .await?;
        self.server.output().show(answer, |deployed: Deployed| {
            let mut text = format!("{} runs version {}", deployed.name, deployed.version);
            if let Some(Restored { restored, removed }) = &deployed.policies {
                let restored = restored.iter().map(|policy| ("restored", policy));
                let removed = removed.iter().map(|policy| ("removed", policy));
                for (what, policy) in restored.chain(removed) {
                    text.push_str(&format!("\n{what} the policy {policy}"));
                }
            }
            format!("{text}\n{}", deployed.url)
        })
    }
}
