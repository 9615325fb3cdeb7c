//! What `cargo xtask bench` runs: one bench, its subjects in interleaved rounds, a table of medians
//! and the ratios between them.
//!
//! A bench ([`hello`], [`tables`], [`neighbours`], [`deploys`], [`density`], [`scheduler`], [`outbox`], [`nodes`],
//! [`vectors`], [`audit`]) starts what it needs ([`koyalite`], [`opponent`]), lists its
//! subjects and hands them to [`rounds`]; [`load`] drives one subject for one round, [`process`]
//! reads what it cost, [`report`] prints. What does not fit that is measured apart ([`bulk`]). The opponents ([`bare`], [`handwritten`]) are this same
//! program under another command, so that each is a process of its own; one is a program of others ([`reference`]).

mod audit;
mod bare;
mod bulk;
mod density;
mod deploys;
mod fixture;
mod handwritten;
mod hello;
mod koyalite;
mod load;
mod machine;
mod neighbours;
mod nodes;
mod opponent;
mod outbox;
mod process;
mod reference;
mod report;
mod requests;
mod rounds;
mod scheduler;
mod tables;
mod vectors;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "koyalite-bench", about = "Called by `cargo xtask bench`")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A constant answer: fresh instances, shared ones, JavaScript, bare hyper
    Hello {
        #[command(flatten)]
        setting: Setting,
        /// A `wasmtime` program, whose `serve` is measured beside
        #[arg(long, value_name = "PROGRAM")]
        reference: Option<PathBuf>,
    },
    /// Rows under policies: one by its key, a list, many inserted; against handlers by hand
    Tables(Setting),
    /// One node and two: what a request costs, how soon a deploy is served by the other
    Nodes(Setting),
    /// A well-behaved function beside a hundred hostile calls
    Neighbours {
        #[command(flatten)]
        setting: Setting,
        /// Only this attack (may be given several times)
        #[arg(long, value_name = "ATTACK")]
        only: Vec<String>,
    },
    /// A hello while large components are deployed
    Deploys {
        #[command(flatten)]
        setting: Setting,
        #[command(flatten)]
        sizes: deploys::Sizes,
    },
    /// Ten thousand functions on one node: start, memory, first calls
    Density {
        #[command(flatten)]
        setting: Setting,
        /// How many functions
        #[arg(long, default_value_t = 10_000)]
        functions: usize,
    },
    /// Many tasks due at one moment, on two nodes; many more that are not due
    Scheduler {
        #[command(flatten)]
        setting: Setting,
        #[command(flatten)]
        sizes: scheduler::Sizes,
    },
    /// Webhooks on one node and two: deliveries a second, beside endpoints that hang, cost of emitting
    Outbox {
        #[command(flatten)]
        setting: Setting,
        #[command(flatten)]
        sizes: outbox::Sizes,
    },
    /// The nearest rows for callers who see much or little; beside pgvector under row security
    Vectors {
        #[command(flatten)]
        setting: Setting,
        #[command(flatten)]
        sizes: vectors::Sizes,
    },
    /// What the audit record adds to a write of control data
    Audit(Setting),
    /// An opponent: bare hyper answering a constant
    ServeBare,
    /// An opponent: what `tables` does, written by hand
    ServeHandwritten(handwritten::Database),
}

/// Where things are, and how long to measure.
#[derive(Args, Clone)]
pub(crate) struct Setting {
    /// The `koyalite` program
    #[arg(long)]
    program: PathBuf,
    /// The folder of the built guests
    #[arg(long)]
    guests: PathBuf,
    /// How often each subject is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each time
    #[arg(long, value_parser = seconds, default_value = "3", value_name = "SECONDS")]
    time: Duration,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs(text.parse()?))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Hello { setting, reference } => hello::run(&setting, reference).await,
        Command::Tables(setting) => tables::run(&setting).await,
        Command::Neighbours { setting, only } => neighbours::run(&setting, &only).await,
        Command::Deploys { setting, sizes } => deploys::run(&setting, sizes).await,
        Command::Density { setting, functions } => density::run(&setting, functions).await,
        Command::Nodes(setting) => nodes::run(&setting).await,
        Command::Scheduler { setting, sizes } => scheduler::run(&setting, sizes).await,
        Command::Outbox { setting, sizes } => outbox::run(&setting, sizes).await,
        Command::Vectors { setting, sizes } => vectors::run(sizes, setting.json).await,
        Command::Audit(setting) => audit::run(&setting).await,
        Command::ServeBare => bare::serve().await,
        Command::ServeHandwritten(database) => handwritten::serve(&database).await,
    }
}
