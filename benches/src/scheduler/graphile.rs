//! graphile-worker, from npm, in a version that is pinned here: two workers on a database of their own in
//! the same Postgres. It schedules by the minute, so a run waits for the next one.
//!
//! Its crontab takes time by the square of its items (a join that is not indexed), so only so many are given
//! to it; all of them it gets as jobs that are due in that minute, which leaves the enqueueing out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use koyalite_runtime::postgres::Connection;
use serde::Deserialize;
use tokio::process::Command;

use super::Seen;
use crate::Setting;

const PACKAGE: &str = "graphile-worker@0.16.6";
const SCRIPT: &str = include_str!("graphile.mjs");
const DATABASE: &str = "graphile";
/// Items of the crontab at most: a few seconds of its statement.
const ITEMS_MAX: u32 = 10_000;
/// Until the items are parsed and known to the database; less than that away is the minute after.
const REGISTERED: Duration = Duration::from_secs(20);
/// The same for jobs, a hundred thousand of which are made in some ten seconds.
const MADE: Duration = Duration::from_secs(45);

/// What one worker says at its end, in milliseconds.
#[derive(Deserialize)]
struct Said {
    enqueued: u64,
    done: Vec<u64>,
}

/// What it came to.
pub(super) struct Graphile {
    /// When items of the crontab were enqueued and done.
    pub(super) cron: (Seen, Seen),
    /// When as many jobs as there were tasks were done.
    pub(super) jobs: Seen,
}

/// Measures both.
pub(super) async fn measure(
    setting: &Setting,
    server: &Connection,
    tasks: u32,
) -> anyhow::Result<Graphile> {
    let folder = install(setting).await?;
    let url = server.url();
    let own = url.replacen(
        &format!("/{}?", server.database()),
        &format!("/{DATABASE}?"),
        1,
    );
    let (client, connection) = url
        .parse::<tokio_postgres::Config>()?
        .connect(tokio_postgres::NoTls)
        .await?;
    tokio::spawn(connection);
    client
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .await?;
    // Before either worker: two that find no tables both make them, and one of them dies of it.
    node(&folder, &["tables", &own]).await?;
    let items = tasks.min(ITEMS_MAX).to_string();
    let (enqueued, done) = workers(&folder, ["cron", &own, &items, &minute(REGISTERED)?]).await?;
    let (all, then) = (tasks.to_string(), minute(MADE)?);
    node(&folder, &["jobs", &own, &all, &then]).await?;
    let (_, jobs) = workers(&folder, ["work", &own, &all, &then]).await?;
    Ok(Graphile {
        cron: (enqueued, done),
        jobs,
    })
}

/// The first minute that is so far away, in milliseconds.
fn minute(away: Duration) -> anyhow::Result<String> {
    let from = SystemTime::now().duration_since(UNIX_EPOCH)? + away;
    Ok((from.as_secs().div_ceil(60) * 60 * 1000).to_string())
}

/// Two workers, until all is done: when the first of them had enqueued it, and when each was done.
async fn workers(folder: &Path, arguments: [&str; 4]) -> anyhow::Result<(Seen, Seen)> {
    let worker = || worker(folder, arguments);
    let (one, two) = tokio::try_join!(worker(), worker())?;
    let mut done = [one.done, two.done].concat();
    done.sort_unstable();
    let [_, _, wanted, _] = arguments;
    ensure!(
        done.len().to_string() == wanted,
        "{} jobs of {wanted} were done",
        done.len()
    );
    // One statement of the faster worker enqueues all of them.
    let enqueued = vec![one.enqueued.min(two.enqueued); done.len()];
    Ok((seen(&enqueued)?, seen(&done)?))
}

async fn worker(folder: &Path, arguments: [&str; 4]) -> anyhow::Result<Said> {
    let text = node(folder, &arguments).await?;
    let said = text.lines().rev().find(|line| line.starts_with('{'));
    serde_json::from_str(said.with_context(|| format!("a worker said: {text}"))?)
        .context("a worker said something else")
}

/// What the script writes, once it has come to a good end.
async fn node(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut node = Command::new("node");
    node.arg("worker.mjs").args(arguments).current_dir(folder);
    let output = node.kill_on_drop(true).output().await;
    let output = output.context("node does not start")?;
    ensure!(
        output.status.success(),
        "a worker ended badly: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The package beside the guests, fetched once.
async fn install(setting: &Setting) -> anyhow::Result<PathBuf> {
    let target = setting.guests.parent().context("guests without a folder")?;
    let folder = target.join("graphile-worker");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("worker.mjs"), SCRIPT)?;
    if !folder.join("node_modules/graphile-worker").exists() {
        std::fs::write(folder.join("package.json"), "{\"private\": true}")?;
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            PACKAGE,
        ]);
        let installed = npm.current_dir(&folder).stdout(Stdio::null()).status();
        let status = installed.await.context("npm does not start")?;
        ensure!(status.success(), "npm cannot install {PACKAGE}");
    }
    Ok(folder)
}

fn seen(sorted: &[u64]) -> anyhow::Result<Seen> {
    let at = |share: usize| {
        let place = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
        let value = sorted.get(place).context("nothing was done");
        value.map(|milliseconds| Duration::from_millis(*milliseconds))
    };
    Ok(Seen {
        count: sorted.len() as u64,
        p50: at(50)?,
        p99: at(99)?,
        last: at(100)?,
    })
}
