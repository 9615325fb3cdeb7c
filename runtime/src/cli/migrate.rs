//! `koyalite migrate`: the database comes to the state that this program expects, and nothing starts.

use clap::Args;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
pub struct MigrateArgs {}

impl MigrateArgs {
    /// Runs.
    pub fn run(self) -> Result<(), CliError> {
        Ok(())
    }
}
