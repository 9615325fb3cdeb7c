//! `koyalite migrate`: the database comes to the state that this program expects, and nothing starts.

use clap::Args;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {}

impl MigrateArgs {
    /// Runs.
    pub(super) fn run(self) -> Result<(), CliError> {
        Ok(())
    }
}
