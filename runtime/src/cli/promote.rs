//! `koyalite promote`: a function goes from one project to another, as from staging to production.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;

/// Which function, to which project.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite promote hello --project shop-staging --to shop\n  \
                  koyalite promote hello --to shop --with-policies\n  \
                  koyalite promote hello --to shop --version 3"
)]
pub(super) struct PromoteArgs {
    /// The function
    function: String,
    /// The project that it goes to
    #[arg(long, value_name = "PROJECT")]
    to: String,
    /// The version to take; without it, the one that serves
    #[arg(long = "version", value_name = "VERSION")]
    number: Option<u32>,
    /// Make the policies of this project those of the other too; what only that one has is deleted
    #[arg(long)]
    with_policies: bool,
    /// Why, for the history
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Deployed {
    name: String,
    version: u32,
    changed: bool,
    url: String,
    policies: Option<Taken>,
}

#[derive(Deserialize)]
struct Taken {
    restored: Vec<String>,
    removed: Vec<String>,
}

impl PromoteArgs {
    /// Takes it there.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let body = json!({
            "to": self.to, "version": self.number, "with_policies": self.with_policies,
            "message": self.message,
        });
        let path = self.server.path(["functions", &self.function, "promote"]);
        let client = self.server.client()?;
        let answer = client.send(Method::POST, &path, &body).await?;
        self.server.output().show(answer, |deployed: Deployed| {
            let runs = if deployed.changed {
                "now runs"
            } else {
                "runs already"
            };
            let (name, number) = (&deployed.name, deployed.version);
            let mut text = format!("{} {runs} {name} as version {number}", self.to);
            if let Some(Taken { restored, removed }) = &deployed.policies {
                let restored = restored.iter().map(|policy| ("took along", policy));
                let removed = removed.iter().map(|policy| ("removed", policy));
                for (what, policy) in restored.chain(removed) {
                    text.push_str(&format!("\n{what} the policy {policy}"));
                }
            }
            format!("{text}\n{}", deployed.url)
        })
    }
}
