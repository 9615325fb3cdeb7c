//! `koyalite tables policy-readable`: whether policies read a table past its own.

use clap::{Args, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct PolicyReadableArgs {
    /// The table
    table: String,
    /// Whether its own policies are left out inside `exists` and `in (select …)` of policies
    setting: Setting,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Setting {
    /// Policies see all of its rows; whoever asks for rows of it sees no more than before
    On,
    /// Policies see what the caller may read of it
    Off,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    policy_readable: bool,
}

impl PolicyReadableArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let enabled = matches!(self.setting, Setting::On);
        let path = self.server.path(["tables", &self.table, "policy-readable"]);
        let client = self.server.client()?;
        let wanted = json!({ "enabled": enabled });
        let answer = client.send(Method::PUT, &path, &wanted).await?;
        let show = |table: Table| match table.policy_readable {
            true => format!("policies read all of {}", table.name),
            false => format!("policies read of {} what the caller may read", table.name),
        };
        self.server.output().show(answer, show)
    }
}
