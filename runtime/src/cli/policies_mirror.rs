//! `koyalite policies mirror`: whether Postgres enforces the policies beside the host.

use clap::{Args, ValueEnum};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::args::ControlArgs;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct MirrorArgs {
    /// What to do
    action: Action,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Write the policies into Postgres as row security, and keep them the same from now on
    On,
    /// Drop them there; the host goes on enforcing all policies
    Off,
    /// Say which it is
    Show,
}

#[derive(Deserialize)]
struct NativeMirror {
    enabled: bool,
}

impl MirrorArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["native-mirror"]);
        let client = self.server.client()?;
        let answer = match self.action {
            Action::Show => client.get(&path).await?,
            Action::On | Action::Off => {
                let enabled = matches!(self.action, Action::On);
                let wanted = json!({ "enabled": enabled });
                client.send(Method::PUT, &path, &wanted).await?
            }
        };
        self.server.output().show(answer, |mirror: NativeMirror| {
            let project = &self.server.project;
            match mirror.enabled {
                true => format!("on: Postgres enforces the policies of {project} beside the host"),
                false => format!("off: the host alone enforces the policies of {project}"),
            }
        })
    }
}
