//! `koyalite run`: one component, served by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use crate::egress::{AllowList, Policy};
use crate::registry::manifest::{Isolation, Limits};
use crate::server::Single;

use super::error::CliError;

/// The pattern that lets a component out everywhere.
const EVERYWHERE: &str = "*";

const EXAMPLES: &str = "\
Examples:
  koyalite run hello.wasm
  koyalite run hello.wasm --addr 127.0.0.1:0 --env GREETING=hi
  koyalite run client.wasm --allow-outbound https://api.example.com
  koyalite run client.wasm --allow-outbound '*'     everything, this machine included

The first line on standard error says where it listens. What the component prints appears here. It has
no project: calls of koyalite:host that need one are denied.";

/// What to serve, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// The component: wasi:http 0.3 or 0.2
    #[arg(value_name = "FILE")]
    component: PathBuf,

    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    addr: SocketAddr,

    /// A variable of the component's environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// An origin that it may send requests to, as in a manifest, or * for all; may be given several
    /// times
    #[arg(long, value_name = "PATTERN")]
    allow_outbound: Vec<String>,

    /// Serve many requests with one instance (0.3 components in Rust), instead of a fresh one each
    #[arg(long)]
    shared: bool,

    #[command(flatten)]
    limits: LimitArgs,
}

/// What a call may cost: as in a manifest, with the same defaults.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Memory of an instance
    #[arg(long, value_name = "MIB", default_value_t = Limits::DEFAULT.memory_mib,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.memory_mib))]
    memory_mib: u64,

    /// CPU time of a call
    #[arg(long, value_name = "MS", default_value_t = Limits::DEFAULT.cpu_ms,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.cpu_ms))]
    cpu_ms: u64,

    /// Until the answer begins
    #[arg(long, value_name = "MS", default_value_t = Limits::DEFAULT.first_byte_ms,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.first_byte_ms))]
    first_byte_ms: u64,

    /// Until everything is done
    #[arg(long, value_name = "MS", default_value_t = Limits::DEFAULT.wall_ms,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.wall_ms))]
    wall_ms: u64,

    /// Between two pieces of the answer
    #[arg(long, value_name = "MS", default_value_t = Limits::DEFAULT.silence_ms,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.silence_ms))]
    silence_ms: u64,

    /// The largest request body
    #[arg(long, value_name = "MIB", default_value_t = Limits::DEFAULT.body_mib,
          value_parser = clap::value_parser!(u64).range(1..=Limits::CAP.body_mib))]
    body_mib: u64,
}

impl RunArgs {
    /// Serves until it is told to stop.
    pub(super) fn run(self) -> Result<(), CliError> {
        let (outbound, reach) = way_out(&self.allow_outbound)?;
        let LimitArgs {
            memory_mib,
            cpu_ms,
            first_byte_ms,
            wall_ms,
            silence_ms,
            body_mib,
        } = self.limits;
        let single = Single {
            component: self.component,
            listen: self.addr,
            env: self.env,
            outbound,
            reach,
            isolation: match self.shared {
                true => Isolation::Shared,
                false => Isolation::Request,
            },
            limits: Limits {
                memory_mib,
                cpu_ms,
                first_byte_ms,
                wall_ms,
                silence_ms,
                body_mib,
                ..Limits::DEFAULT
            },
        };
        Ok(crate::server::run_single(single)?)
    }
}

/// Where the component may send. A named origin may be on this machine, as with `koyalite dev`; other
/// private networks take the star.
fn way_out(patterns: &[String]) -> Result<(AllowList, Policy), CliError> {
    if patterns.iter().any(|pattern| pattern == EVERYWHERE) {
        return Ok((AllowList::everything(), Policy::Anywhere));
    }
    let list = AllowList::parse(patterns).context("--allow-outbound");
    Ok((list.map_err(CliError::Usage)?, Policy::AllowLoopback))
}

fn variable(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err(anyhow!("write NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variable("A=b=c").unwrap(), pair("A", "b=c"));
        assert_eq!(variable("A=").unwrap(), pair("A", ""));
        assert!(variable("A").is_err());
        assert!(variable("=b").is_err());
    }

    #[test]
    fn only_the_star_alone_opens_private_networks() {
        let way = |pattern: &str| way_out(&[pattern.to_owned()]);
        assert_eq!(way("*").unwrap().1, Policy::Anywhere);
        assert_eq!(way("https://a.example").unwrap().1, Policy::AllowLoopback);
        assert!(way("*.com").is_err());
        assert!(way_out(&[]).unwrap().0.is_empty());
    }
}
