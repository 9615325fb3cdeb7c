//! One step of a chore: a child process, its progress on one line, its output only if it fails.
//!
//! On a terminal a spinner shows the last line the child wrote; elsewhere (CI) a step is one line
//! when it starts. A step may have a time limit, after which the child is killed.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// What is kept of a child's output to explain a failure: the end, where compilers put the cause.
const LINES_KEPT: usize = 80;
/// Longer than any step that makes progress takes on a small machine.
const LIMIT_DEFAULT: Duration = Duration::from_secs(30 * 60);
/// A child may announce its own sub-steps by lines that start so.
const SUB_STEP: &str = "step: ";

/// A named piece of work that the user waits for.
pub(crate) struct Step {
    bar: ProgressBar,
    title: String,
    limit: Duration,
}

impl Step {
    /// Announces the step.
    pub(crate) fn start(title: &str) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.set_prefix(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        } else {
            eprintln!("  {title} ...");
            ProgressBar::hidden()
        };
        Self {
            bar,
            title: title.to_owned(),
            limit: LIMIT_DEFAULT,
        }
    }

    /// Kills the step's children after this long.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs one child to its end.
    ///
    /// # Errors
    /// Where it cannot be started, exits with another code than 0 or takes longer than the limit;
    /// the error carries the end of what it wrote.
    pub(crate) fn run(&self, command: &mut Command) -> anyhow::Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let lines = lines_of(&mut child);
        let output = self.follow(&lines, &mut child)?;
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for {program}"))?;
        if !status.success() {
            bail!("{} failed ({status}):\n{}", self.title, output.join("\n"));
        }
        Ok(())
    }

    fn follow(&self, lines: &Receiver<String>, child: &mut Child) -> anyhow::Result<Vec<String>> {
        let deadline = Instant::now() + self.limit;
        let mut kept = Vec::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.show(&line);
                    if kept.len() == LINES_KEPT {
                        kept.remove(0);
                    }
                    kept.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(kept),
                Err(RecvTimeoutError::Timeout) => {
                    child
                        .kill()
                        .context("cannot stop a child that takes too long")?;
                    child.wait().context("cannot wait for a stopped child")?;
                    bail!("{} took longer than {} s", self.title, self.limit.as_secs());
                }
            }
        }
    }

    fn show(&self, line: &str) {
        match line.strip_prefix(SUB_STEP) {
            Some(step) if self.bar.is_hidden() => eprintln!("    {step}"),
            _ => self.bar.set_message(line.trim().to_owned()),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Both outputs of the child, line by line; the channel closes when both have ended.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        send_lines(output, sender.clone());
    }
    if let Some(output) = child.stderr.take() {
        send_lines(output, sender);
    }
    receiver
}

fn send_lines(output: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The receiver is gone only after the step has failed.
            let _ = sender.send(line);
        }
    });
}
