//! Clears the way for a start after a violent death, ours or Postgres'.
//!
//! A killed postmaster leaves backends that hold the shared memory, so a new one refuses to start; a
//! killed KoyaLite may leave a whole server for a moment. Both are found by their working directory,
//! which for every process of a cluster is the cluster itself, and only then is a signal sent: a
//! number in a pid file may belong to a stranger by now.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::PostgresError;
use super::layout::Layout;
use super::stop::{Signal, send};

/// What a live server without an owner may take for a clean shutdown before it is cut short.
const FAST_MAX: Duration = Duration::from_secs(3);
/// A backend that ignores SIGQUIT for so long is stuck outside its own code.
const QUIT_MAX: Duration = Duration::from_secs(3);
/// The kernel frees a killed process at once unless it waits for a disk.
const KILL_MAX: Duration = Duration::from_secs(5);
/// They are not our children, so nobody tells us when they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Ends what is left of earlier servers of this cluster and removes their stale files. The caller
/// holds the lock of the data directory.
pub(super) async fn clear_the_way(layout: &Layout) -> Result<(), PostgresError> {
    take_down(&layout.pgdata).await?;
    layout.remove_stale_files()
}

/// Ends all processes of the cluster in `pgdata`.
pub(super) async fn take_down(pgdata: &Path) -> Result<(), PostgresError> {
    let left = processes_of(pgdata);
    if left.is_empty() {
        return Ok(());
    }
    tracing::info!(pids = ?left, "ending what an earlier Postgres left behind");
    if let Some(postmaster) = postmaster_of(pgdata).filter(|pid| left.contains(pid)) {
        send(postmaster, Signal::FastShutdown);
        if gone(pgdata, FAST_MAX).await {
            return Ok(());
        }
    }
    // Without a postmaster nobody can end them cleanly, and nothing is lost: what they committed is
    // in the write-ahead log.
    for (signal, patience) in [
        (Signal::ImmediateShutdown, QUIT_MAX),
        (Signal::Kill, KILL_MAX),
    ] {
        for pid in processes_of(pgdata) {
            send(pid, signal);
        }
        if gone(pgdata, patience).await {
            return Ok(());
        }
    }
    Err(PostgresError::Orphans {
        pids: processes_of(pgdata),
    })
}

async fn gone(pgdata: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !processes_of(pgdata).is_empty() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

/// The postmaster's id, as it wrote it down. May be long dead.
pub(super) fn postmaster_of(pgdata: &Path) -> Option<u32> {
    let text = fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// All living server processes that work in `pgdata`, postmaster and backends alike.
#[cfg(target_os = "linux")]
pub(super) fn processes_of(pgdata: &Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt;

    // Compared by identity, not by name: the folder may have been moved or be mounted elsewhere.
    let Ok(wanted) = fs::metadata(pgdata) else {
        return Vec::new();
    };
    let works_here = |process: &Path| {
        fs::metadata(process.join("cwd"))
            .is_ok_and(|cwd| cwd.dev() == wanted.dev() && cwd.ino() == wanted.ino())
    };
    // A shell or an editor may stand in the folder too.
    let is_server = |process: &Path| {
        fs::read_to_string(process.join("comm"))
            .is_ok_and(|name| matches!(name.trim_end(), "postgres" | "postmaster"))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, process)| works_here(process) && is_server(process))
        .map(|(pid, _)| pid)
        .collect()
}

/// The same without `/proc`: `lsof` comes with macOS. It prints a line `p<pid>` for each process, and
/// below it `n<path>` for the folder that the process works in.
#[cfg(not(target_os = "linux"))]
pub(super) fn processes_of(pgdata: &Path) -> Vec<u32> {
    let mut lsof = std::process::Command::new("lsof");
    lsof.args(["-a", "-c", "postgres", "-d", "cwd", "-F", "pn"])
        .env("PATH", "/usr/sbin:/usr/bin");
    // Where it is missing, a leftover makes Postgres itself refuse to start, and the supervisor
    // tries again until it is gone.
    let Ok(output) = lsof.output() else {
        return Vec::new();
    };
    let mut pid: Option<u32> = None;
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.split_at_checked(1) {
            Some(("p", number)) => pid = number.parse().ok(),
            Some(("n", path)) if Path::new(path) == pgdata => found.extend(pid),
            _ => {}
        }
    }
    found
}
