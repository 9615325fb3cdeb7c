//! `koyalite versions`: every version of a function, newest first.

use clap::Args;
use serde::Deserialize;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{short_digest, table};

/// Of which function.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite versions hello\n  koyalite versions hello --json")]
pub(super) struct VersionsArgs {
    /// The function
    function: String,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Versions {
    items: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
    sha256: String,
    weight: u8,
    created_at: Option<String>,
}

impl VersionsArgs {
    /// Lists them.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["functions", &self.function, "versions"]);
        let answer = self.server.client()?.list(&path).await?;
        self.server.output().show(answer, |versions: Versions| {
            let rows = versions.items.into_iter().map(|version| {
                let state = match version.weight {
                    0 => String::new(),
                    100 => "active".to_owned(),
                    weight => format!("{weight} %"),
                };
                let digest = short_digest(&version.sha256).to_owned();
                let created = version.created_at.unwrap_or_default();
                [version.version.to_string(), state, digest, created]
            });
            table(
                ["VERSION", "STATE", "SHA-256", "CREATED"],
                rows.collect(),
                "no versions yet",
            )
        })
    }
}
