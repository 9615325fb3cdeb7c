//! `koyalite dev`: everything on this machine, a private Postgres included.

use clap::Args;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
pub(super) struct DevArgs {}

impl DevArgs {
    /// Runs.
    pub(super) fn run(self) -> Result<(), CliError> {
        Ok(())
    }
}
