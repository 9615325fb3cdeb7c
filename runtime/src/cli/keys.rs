//! `koyalite keys`: the key ring of a `serve`, which makes none by itself: a node that lost its file
//! must not start with another one and find its secrets unreadable.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::keys::KeyRing;

use super::error::CliError;
use super::output::{Format, Output};

/// Create.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  koyalite keys create --file /etc/koyalite/keys.json")]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key ring that only you can read
    Create(CreateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Where to write it; a file that is there is never overwritten
    #[arg(
        long,
        value_name = "FILE",
        env = "KOYALITE_KEY_FILE",
        default_value = "keys.json"
    )]
    file: PathBuf,
}

impl KeysArgs {
    /// Creates.
    pub(super) fn run(self) -> Result<(), CliError> {
        let Action::Create(CreateArgs { file }) = self.action;
        KeyRing::create(&file)
            .context("no key ring was made")
            .map_err(CliError::Usage)?;
        let file = file.display();
        Output::new(Format::Human).line(&format!(
            "made the key ring {file}, readable by you alone\n  \
             give it to the server as `--key-file {file}` or KOYALITE_KEY_FILE, and keep a copy \
             with your backups: without it no stored secret can be read"
        ))
    }
}
