//! `koyalite migrate`: the database comes to the state that this program expects, and nothing starts.

use clap::Args;

use crate::config::{Flags, Raw, ServeConfig};

use super::error::CliError;

/// Which database.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  DATABASE_URL=postgres://koyalite@db/koyalite koyalite migrate \
                        --key-file /etc/koyalite/keys.json"
)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    flags: Flags,
}

impl MigrateArgs {
    /// Migrates and ends.
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = ServeConfig::serve(Raw::gather(self.flags))?;
        Ok(crate::server::migrate(config)?)
    }
}
