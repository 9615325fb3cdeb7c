//! graphile-worker, from npm, in a version that is pinned here: two workers on a database of their own in
//! the same Postgres. It schedules by the minute, so a run waits for the next one.

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
/// Until the items are parsed and known to the database; more than that away is the next minute.
const REGISTERED_S: u64 = 20;

/// What one worker says at its end, in milliseconds.
#[derive(Deserialize)]
struct Said {
    enqueued: u64,
    done: Vec<u64>,
}

/// When the jobs were enqueued and when they were done.
pub(super) async fn measure(
    setting: &Setting,
    server: &Connection,
    tasks: u32,
) -> anyhow::Result<(Seen, Seen)> {
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let minute = (now + REGISTERED_S).div_ceil(60) * 60 * 1000;
    let worker = || worker(&folder, &own, tasks, minute);
    let (one, two) = tokio::try_join!(worker(), worker())?;
    let mut done = [one.done, two.done].concat();
    done.sort_unstable();
    ensure!(
        done.len() == tasks as usize,
        "{} jobs of {tasks} were done",
        done.len()
    );
    // One statement of the faster worker enqueues all of them.
    let first = one.enqueued.min(two.enqueued);
    let enqueued = vec![first; done.len()];
    Ok((seen(&enqueued)?, seen(&done)?))
}

async fn worker(folder: &Path, url: &str, tasks: u32, minute: u64) -> anyhow::Result<Said> {
    let output = Command::new("node")
        .arg("worker.mjs")
        .args([url, &tasks.to_string(), &minute.to_string()])
        .current_dir(folder)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("node does not start")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = text.lines().rev().find(|line| line.starts_with('{'));
    serde_json::from_str(said.with_context(|| format!("a worker said: {text}"))?)
        .context("a worker said something else")
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
