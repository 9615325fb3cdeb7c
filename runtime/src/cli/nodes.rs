//! `koyalite nodes`: which nodes there are, and which state of the control data each serves.

use clap::Args;
use serde::Deserialize;

use super::args::ControlArgs;
use super::error::CliError;
use super::output::{or_dash, table};
use super::pages::Items;

/// Of which server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite nodes\n  koyalite nodes --json")]
pub(super) struct NodesArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    region: String,
    state: String,
    seq: i64,
    version: String,
    address: Option<String>,
    started_at: String,
    seen_at: String,
}

impl NodesArgs {
    /// Lists them.
    pub(super) async fn run(self) -> Result<(), CliError> {
        let answer = self.server.client()?.list("/v1/nodes").await?;
        self.server.output().show(answer, |nodes: Items<Node>| {
            let rows = nodes.items.into_iter().map(|node| {
                [
                    node.name,
                    node.region,
                    node.state,
                    node.seq.to_string(),
                    node.version,
                    or_dash(node.address),
                    node.started_at,
                    node.seen_at,
                ]
            });
            table(
                [
                    "NAME", "REGION", "STATE", "SEQ", "VERSION", "ADDRESS", "STARTED", "SEEN",
                ],
                rows.collect(),
                "no nodes",
            )
        })
    }
}
