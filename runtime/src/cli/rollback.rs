//! `koyalite rollback`: a new deployment of an old version.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;

/// Of which function, to which version.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite rollback hello          to what ran before\n  \
                        koyalite rollback hello --to 3"
)]
pub(super) struct RollbackArgs {
    /// The function
    function: String,
    /// The version to go to; without it, the one deployed before this one
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Deployed {
    name: String,
    version: u32,
    url: String,
}

impl RollbackArgs {
    /// Goes back.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let body = match self.to {
            Some(version) => json!({ "version": version }),
            None => json!({}),
        };
        let path = self.server.path(["functions", &self.function, "rollback"]);
        let answer = self
            .server
            .client()?
            .send(Method::POST, &path, &body)
            .await?;
        self.server.output().show(answer, |deployed: Deployed| {
            format!(
                "{} runs version {}\n{}",
                deployed.name, deployed.version, deployed.url
            )
        })
    }
}
