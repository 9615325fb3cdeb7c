//! What KoyaLite is measured against, each a process of its own: this program under another command.

use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use crate::process::Process;

/// A running opponent. It ends when this is dropped.
pub(crate) struct Opponent {
    pub(crate) process: Process,
    /// `http://ADDRESS`
    pub(crate) base: String,
}

impl Opponent {
    /// Starts this program with these arguments and reads where it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub(crate) async fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("an opponent without output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        let process = Process::new(child)?;
        let base = format!("http://{}", line.trim());
        anyhow::ensure!(!line.is_empty(), "the opponent {arguments:?} did not start");
        Ok(Self { process, base })
    }
}

/// The opponent's side: a port, told to whoever started us.
///
/// # Errors
/// Where there is no port.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}
