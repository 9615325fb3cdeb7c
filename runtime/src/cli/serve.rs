//! `koyalite serve`: a node against the Postgres that the operator names.

use clap::Args;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {}

impl ServeArgs {
    /// Runs.
    pub(super) fn run(self) -> Result<(), CliError> {
        Ok(())
    }
}
