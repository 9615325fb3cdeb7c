//! `koyalite webhooks` by itself: the endpoints of a project.

use clap::Args;
use serde::Deserialize;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::table;
use super::pages::{self, Items};

/// Which endpoints.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those whose last delivery went well or failed, or that are switched off
    #[arg(long, value_parser = ["active", "failing", "disabled"])]
    status: Option<String>,
    /// Only those that events of this type are delivered to
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    #[command(flatten)]
    server: ControlArgs,
}

/// An endpoint, as the control API shows it.
#[derive(Deserialize)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) target_url: String,
    pub(super) event_types: Vec<String>,
    pub(super) enabled: bool,
    pub(super) disabled_reason: Option<String>,
    pub(super) failures: i32,
    pub(super) secret: Option<String>,
}

impl Endpoint {
    /// In a word or two.
    pub(super) fn state(&self) -> String {
        match (self.enabled, self.failures, &self.disabled_reason) {
            (false, _, Some(reason)) => format!("off: {reason}"),
            (false, _, None) => "off".to_owned(),
            (true, 0, _) => "on".to_owned(),
            (true, failures, _) => format!("on, {failures} failures in a row"),
        }
    }
}

impl ListArgs {
    /// Lists them.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let path = self.server.path(["webhooks", "endpoints"]);
        let filter = [
            ("status", self.status.as_deref()),
            ("event_type", self.event_type.as_deref()),
        ];
        let answer = pages::all(&self.server.client()?, &path, &filter).await?;
        self.server
            .output()
            .show(answer, |endpoints: Items<Endpoint>| {
                let rows = endpoints.items.into_iter().map(|one| {
                    let (state, types) = (one.state(), one.event_types.join(" "));
                    [one.id, one.target_url, types, state]
                });
                table(
                    ["ENDPOINT", "TARGET", "TYPES", "STATE"],
                    rows.collect(),
                    "no such endpoints; add one with `koyalite webhooks create`",
                )
            })
    }
}
