//! Builds everything, starts the listeners and the scheduler, drains on shutdown.

use crate::config::ServeConfig;

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Whatever keeps the node from starting.
pub fn run(_config: ServeConfig) -> anyhow::Result<()> {
    anyhow::bail!("the server is not assembled in this build")
}

/// Brings the database up to date and ends.
///
/// # Errors
/// Whatever keeps the database from being migrated.
pub fn migrate(_config: ServeConfig) -> anyhow::Result<()> {
    anyhow::bail!("the server is not assembled in this build")
}
