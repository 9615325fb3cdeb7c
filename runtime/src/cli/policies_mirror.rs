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
    /// Of this table alone, in place of all tables of the project
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
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
    tables: Vec<String>,
}

#[derive(Deserialize)]
struct Table {
    name: String,
    native_mirror: bool,
}

impl MirrorArgs {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.server.client()?;
        let wanted = json!({ "enabled": matches!(self.action, Action::On) });
        if let Some(table) = &self.table {
            let path = self.server.path(["tables", table]);
            let answer = match self.action {
                Action::Show => client.get(&path).await?,
                Action::On | Action::Off => {
                    let path = self.server.path(["tables", table, "native-mirror"]);
                    client.send(Method::PUT, &path, &wanted).await?
                }
            };
            return self
                .server
                .output()
                .show(answer, |table: Table| table.text());
        }
        let path = self.server.path(["native-mirror"]);
        let answer = match self.action {
            Action::Show => client.get(&path).await?,
            Action::On | Action::Off => client.send(Method::PUT, &path, &wanted).await?,
        };
        let show = |mirror: NativeMirror| mirror.text(&self.server.project);
        self.server.output().show(answer, show)
    }
}

impl NativeMirror {
    fn text(&self, project: impl std::fmt::Display) -> String {
        match (self.enabled, self.tables.as_slice()) {
            (true, _) => format!("on: Postgres enforces the policies of {project} beside the host"),
            (false, []) => format!("off: the host alone enforces the policies of {project}"),
            (false, tables) => format!(
                "off: the host alone enforces the policies of {project}; Postgres too those of {}",
                tables.join(", ")
            ),
        }
    }
}

impl Table {
    fn text(&self) -> String {
        let name = &self.name;
        match self.native_mirror {
            true => format!("on: Postgres enforces the policies of {name} beside the host"),
            false => format!("off: {name} is mirrored only where all of the project is"),
        }
    }
}
