//! `koyalite dev`: everything on this machine, a private Postgres included.

use clap::Args;

use crate::config::{Flags, Raw, ServeConfig};
use crate::server::Mode;

use super::error::CliError;

/// Where and with what.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite dev\n  \
                        koyalite dev --data-dir /tmp/try --listen 127.0.0.1:9080 --control-listen 127.0.0.1:9081")]
pub(super) struct DevArgs {
    #[command(flatten)]
    flags: Flags,
}

impl DevArgs {
    /// Serves until it is told to stop.
    pub(super) fn run(self) -> Result<(), CliError> {
        let config = ServeConfig::dev(Raw::gather(self.flags))?;
        Ok(crate::server::run(config, Mode::Dev)?)
    }
}
