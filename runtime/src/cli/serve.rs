//! `koyalite serve`: a node against the Postgres that the operator names.

use clap::Args;

use crate::config::{Flags, Raw, ServeConfig};
use crate::server::Mode;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DATABASE_URL=postgres://koyalite@db/koyalite koyalite serve \
                        --key-file /etc/koyalite/keys.json\n  koyalite serve --config node.toml"
)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    flags: Flags,
}

impl ServeArgs {
    /// Serves until it is told to stop.
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = ServeConfig::serve(Raw::gather(self.flags))?;
        Ok(crate::server::run(config, Mode::Serve)?)
    }
}
