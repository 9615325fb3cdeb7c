//! Creates the cluster, all or nothing: `initdb` works in `pgdata.tmp`, and only a finished cluster
//! gets the name that servers are started from.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::connection::{DATABASE, SUPERUSER};
use super::error::PostgresError;
use super::layout::hand_over;
use super::supervise::Cluster;
use super::{child, recover};

/// Locale `C` with UTF-8, because it is the same on every system and for every version: sort order
/// never changes under an index when the operating system is upgraded, and upper and lower case fold
/// ASCII only, as the policy language promises.
///
/// `--no-sync` saves seconds of one `fsync` a file; [`sync_all`] makes up for it at once.
const ARGUMENTS: [&str; 6] = [
    "--encoding=UTF8",
    "--locale=C",
    "--auth=trust",
    "--no-sync",
    "--no-instructions",
    "--username",
];

/// Makes the cluster. `pgdata` must not exist, or be empty.
pub(super) async fn initialise(cluster: &Cluster) -> Result<(), PostgresError> {
    let layout = &cluster.layout;
    let unfinished = &layout.pgdata_tmp;
    // A killed predecessor's initdb may still be at work in it.
    recover::take_down(unfinished).await?;
    match fs::remove_dir_all(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(PostgresError::path("remove", unfinished)(error));
        }
        Ok(()) | Err(_) => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(unfinished)
        .map_err(PostgresError::path("create", unfinished))?;
    hand_over(unfinished, cluster.run_as.file_owner())?;
    run_initdb(cluster, unfinished).await?;
    create_database(cluster, unfinished).await?;
    sync_all(unfinished).await;
    fs::rename(unfinished, &layout.pgdata)
        .map_err(PostgresError::path("create", &layout.pgdata))?;
    File::open(&layout.root)
        .and_then(|dir| dir.sync_all())
        .map_err(PostgresError::path("sync", &layout.root))
}

async fn run_initdb(cluster: &Cluster, target: &Path) -> Result<(), PostgresError> {
    let mut command = Command::new(cluster.installation.bin.join("initdb"));
    command
        .args(ARGUMENTS)
        .arg(SUPERUSER)
        .arg("--pgdata")
        .arg(target)
        .stdin(Stdio::null());
    let child = spawn(&mut command, cluster).map_err(failed_to_run)?;
    finish(child, "initdb").await
}

/// In single-user mode, so that the database is part of the all or nothing, and without `fsync`
/// for the same reason as above: 0.1 s instead of a checkpoint that writes every file twice.
async fn create_database(cluster: &Cluster, target: &Path) -> Result<(), PostgresError> {
    let mut command = Command::new(cluster.installation.bin.join("postgres"));
    command
        .args(["--single", "-F", "-c", "exit_on_error=on", "-D"])
        .arg(target)
        .arg("template1");
    let mut child = spawn(command.stdin(Stdio::piped()), cluster).map_err(failed_to_run)?;
    if let Some(mut statements) = child.stdin.take() {
        let statement = format!("CREATE DATABASE {DATABASE} STRATEGY file_copy\n");
        statements
            .write_all(statement.as_bytes())
            .await
            .map_err(failed_to_run)?;
    }
    finish(child, "postgres --single").await
}

fn spawn(command: &mut Command, cluster: &Cluster) -> io::Result<Child> {
    // A fixed zone also spares initdb a search through the system's zone files.
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    child::become_user(command, cluster.run_as, &cluster.layout.root)?;
    command.spawn()
}

async fn finish(child: Child, program: &'static str) -> Result<(), PostgresError> {
    let output = child.wait_with_output().await.map_err(failed_to_run)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PostgresError::Init {
        program,
        status: output.status.to_string(),
        output: said,
    })
}

fn failed_to_run(source: io::Error) -> PostgresError {
    PostgresError::Io {
        action: "create a database cluster",
        source,
    }
}

/// One flush of the file system instead of a thousand of files (0.1 s against 4 s). Best effort: the
/// tool is missing on some systems, and an empty cluster is quickly made again.
async fn sync_all(dir: &Path) {
    let mut command = Command::new("/bin/sync");
    command
        .arg("-f")
        .arg(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if !command.status().await.is_ok_and(|status| status.success()) {
        tracing::debug!("the new cluster was left to the system to flush");
    }
}
