//! `koyalite keys`: the key ring of a `serve`, which makes none by itself: a node that lost its file
//! must not start with another one and find its secrets unreadable.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::keys::KeyRing;

use super::args::ControlArgs;
use super::command::wait_for;
use super::error::CliError;
use super::output::{Format, Output};

/// Create, rotate or reseal.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  koyalite keys create --file /etc/koyalite/keys.json\n  \
                        koyalite keys rotate --file /etc/koyalite/keys.json\n\n\
                        Several nodes: `keys rotate --file-only`, copy the file to every node, then \
                        `keys reseal`."
)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key ring that only you can read
    Create(FileArgs),
    /// Add a new active key, and have every stored secret sealed with it
    Rotate(RotateArgs),
    /// Have every stored secret sealed with the active key
    Reseal(ResealArgs),
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The key ring; one that is there is never overwritten by `create`
    #[arg(
        long,
        value_name = "FILE",
        env = "KOYALITE_KEY_FILE",
        default_value = "keys.json"
    )]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    ring: FileArgs,
    /// Write the file and ask no server to seal anything
    #[arg(long)]
    file_only: bool,
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Debug, Args)]
struct ResealArgs {
    #[command(flatten)]
    server: ControlArgs,
}

#[derive(Deserialize)]
struct Resealed {
    key: String,
    resealed: u64,
    unreadable: u64,
}

impl KeysArgs {
    /// Creates, rotates or reseals.
    pub(super) fn run(self) -> Result<(), CliError> {
        match self.action {
            Action::Create(FileArgs { file }) => create(&file),
            Action::Rotate(args) => rotate(&args),
            Action::Reseal(args) => {
                let done = wait_for_reseal(&args.server)?;
                report(&args.server, done)
            }
        }
    }
}

fn create(file: &Path) -> Result<(), CliError> {
    KeyRing::create(file)
        .context("no key ring was made")
        .map_err(CliError::Usage)?;
    let file = file.display();
    Output::new(Format::Human).line(&format!(
        "made the key ring {file}, readable by you alone\n  \
         give it to the server as `--key-file {file}` or KOYALITE_KEY_FILE, and keep a copy \
         with your backups: without it no stored secret can be read"
    ))
}

fn rotate(args: &RotateArgs) -> Result<(), CliError> {
    let file = &args.ring.file;
    let rotated = KeyRing::open(file).and_then(|ring| ring.rotate(file));
    let ring = rotated
        .context("the key ring is as it was")
        .map_err(CliError::Usage)?;
    let key = ring.active_id().to_string();
    let output = args.server.output();
    if args.file_only {
        return output.line(&format!(
            "{} has the new active key {key}\n  copy it to every node and to your backups, then \
             run `koyalite keys reseal`",
            file.display()
        ));
    }
    let done = wait_for_reseal(&args.server)?;
    if done.key != key {
        return Err(CliError::Failed(anyhow!(
            "{} has the new active key {key}, but the server has {}: give it this file, then run \
             `koyalite keys reseal`",
            file.display(),
            done.key
        )));
    }
    report(&args.server, done)
}

fn wait_for_reseal(server: &ControlArgs) -> Result<Resealed, CliError> {
    let mut answer = None;
    wait_for(async {
        let client = server.client()?;
        answer = Some(
            client
                .send(Method::POST, "/v1/keys/reseal", &json!({}))
                .await?,
        );
        Ok(())
    })?;
    super::output::typed(answer.unwrap_or_default())
}

fn report(server: &ControlArgs, done: Resealed) -> Result<(), CliError> {
    if done.unreadable > 0 {
        eprintln!(
            "{} stored secrets do not open: their key is not on the ring",
            done.unreadable
        );
    }
    server.output().line(&format!(
        "key {} is active; {} stored secrets were sealed with it anew",
        done.key, done.resealed
    ))
}
