//! `wasmtime serve`: the host that everybody can have, with the same components.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::process::Process;

/// More requests than a bench makes: an instance is never put away for its age.
const FOR_EVER: &str = "1000000000";

/// How it treats instances.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// As it comes: 0.2 fresh, 0.3 used for 128 requests, 16 at a time.
    Default,
    /// A fresh one for each request.
    Fresh,
    /// One for as many requests as there are.
    Reuse,
}

/// A running `wasmtime serve`. It ends when this is dropped.
pub(crate) struct Reference {
    pub(crate) process: Process,
    /// `http://ADDRESS/`
    pub(crate) url: String,
}

impl Reference {
    /// Serves one component on a free port.
    ///
    /// # Errors
    /// Where it does not come up.
    pub(crate) async fn start(
        wasmtime: &Path,
        component: &Path,
        mode: Mode,
    ) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::new(wasmtime);
        command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]);
        match mode {
            Mode::Default => {}
            Mode::Fresh => drop(command.args(["--max-instance-reuse-count", "1"])),
            Mode::Reuse => drop(command.args(["--max-instance-reuse-count", FOR_EVER])),
        }
        let mut child = command
            .arg(component)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", wasmtime.display()))?;
        let said = child.stderr.take().context("wasmtime without output")?;
        let mut lines = BufReader::new(said).lines();
        let mut url = None;
        while let Some(line) = lines.next_line().await? {
            if let Some(at) = line.find("http://") {
                url = line.get(at..).map(str::to_owned);
                break;
            }
        }
        // What it says later must go somewhere, or it stands still.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url =
            url.with_context(|| format!("wasmtime does not serve {}", component.display()))?;
        Ok(Self {
            process: Process::new(child)?,
            url,
        })
    }
}
