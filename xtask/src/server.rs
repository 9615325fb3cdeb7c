//! A `koyalite dev` of our own: started, known to be ready, stopped; what it says goes to a file.

use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{paths, signals, step::Step};

/// Where `koyalite dev` listens unless it is told otherwise.
const FUNCTIONS_PORT: u16 = 8080;
const CONTROL_PORT: u16 = 8081;
/// A start takes a second; downloading Postgres first takes as long as the network likes.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// Longer than the server's own patience with requests in flight.
const STOP_PATIENCE: Duration = Duration::from_secs(45);
/// What is shown of its log when something went wrong.
const LAST_LINES: usize = 20;

/// The running server.
pub(crate) struct Server {
    child: Child,
    program: PathBuf,
    data: PathBuf,
    /// `http://ADDRESS` of the functions listener.
    pub(crate) functions: String,
    /// `http://ADDRESS` of the control listener.
    pub(crate) control: String,
}

impl Server {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// Where it ends instead; the error has its last lines.
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start_by(&[], program, data)
    }

    /// The same by another program, in whose words the server's own follow.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn start_by(
        launcher: &[String],
        program: &Path,
        data: &Path,
    ) -> anyhow::Result<Self> {
        let functions = address("functions", FUNCTIONS_PORT)?;
        let control = address("control", CONTROL_PORT)?;
        std::fs::create_dir_all(paths::root().join("target"))?;
        let log = File::create(log_file()).context("cannot write the server's log")?;
        let mut words = launcher.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or(program.as_os_str()));
        command.args(words);
        command.arg("dev").arg("--data-dir").arg(data);
        command.args(["--listen", &functions, "--control-listen", &control]);
        // Whoever calls for the demo wants its Postgres as well.
        command.args(["--yes", "--log-format", "text"]);
        command.env("NO_COLOR", "1");
        command.current_dir(paths::root()).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        signals::tie_to_us(&mut command);
        let child = command.spawn().context("cannot start koyalite dev")?;
        let mut server = Self {
            child,
            program: program.to_owned(),
            data: data.to_owned(),
            functions: format!("http://{functions}"),
            control: format!("http://{control}"),
        };
        if let Err(error) = server.wait_until_ready() {
            server.stop()?;
            return Err(error.context(server.last_words()));
        }
        println!(
            "  functions {}, control {}",
            server.functions, server.control
        );
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let _step = Step::start("waiting until it is ready");
        let deadline = Instant::now() + START_PATIENCE;
        // A server that was killed leaves its file behind, so the process in it must be ours.
        let ours = format!("\"pid\":{}", self.child.id());
        while Instant::now() < deadline {
            let said = std::fs::read_to_string(self.data.join("ready.json")).unwrap_or_default();
            if said.split([',', '{', '}']).any(|field| field == ours) {
                return Ok(());
            }
            self.check_alive()?;
            signals::moment();
        }
        bail!(
            "koyalite dev was not ready after {} s",
            START_PATIENCE.as_secs()
        )
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says so if it has ended, or if somebody wants us to.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("koyalite dev ended by itself ({status})");
        }
        if signals::asked_to_stop() {
            bail!("stopped");
        }
        Ok(())
    }

    /// Stays until Ctrl-C.
    ///
    /// # Errors
    /// Where the server ends before.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        println!("Ctrl-C stops it.");
        while !signals::asked_to_stop() {
            self.check_alive()?;
            signals::moment();
        }
        Ok(())
    }

    /// Runs another command of the same program against this server: its standard output.
    ///
    /// # Errors
    /// Where it fails; the error is what it said.
    pub(crate) fn koyalite(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.client(arguments, Stdio::piped())
    }

    /// The same, with its progress and its complaints on the terminal.
    ///
    /// # Errors
    /// Where it fails.
    pub(crate) fn koyalite_visibly(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.client(arguments, Stdio::inherit())
    }

    fn client(&self, arguments: &[&str], complaints: Stdio) -> anyhow::Result<String> {
        let token = std::fs::read_to_string(self.token_file()).context("no control token")?;
        let output = Command::new(&self.program)
            .args(arguments)
            .args(["--project", "demo", "--control", &self.control])
            .env("KOYALITE_TOKEN", token.trim())
            .current_dir(paths::root())
            .stdin(Stdio::null())
            .stderr(complaints)
            .output()
            .context("cannot start koyalite")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`koyalite {}` failed\n{}", arguments.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        signals::end(&mut self.child, STOP_PATIENCE)
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read(log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        let end = lines.get(from..).unwrap_or_default().join("\n  ");
        format!(
            "the end of the server's log ({}):\n  {end}",
            log_file().display()
        )
    }

    /// Where its administrator's token is.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.data.join("token")
    }

    /// Where its output goes.
    pub(crate) fn log_file(&self) -> PathBuf {
        log_file()
    }

    /// The program that runs.
    pub(crate) fn program(&self) -> &Path {
        self.program
            .strip_prefix(paths::root())
            .unwrap_or(&self.program)
    }
}

fn log_file() -> PathBuf {
    paths::root().join("target/demo.log")
}

/// The usual address, or one that is free.
fn address(what: &str, usual: u16) -> anyhow::Result<String> {
    if TcpListener::bind(("127.0.0.1", usual)).is_ok() {
        return Ok(format!("127.0.0.1:{usual}"));
    }
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let free = free.context("no free port on 127.0.0.1")?;
    println!("  port {usual} is taken, so the {what} listener is at {free} this time");
    Ok(free.to_string())
}
