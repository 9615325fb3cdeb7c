//! Starts the server on an existing cluster and waits until it answers.
//!
//! Settings are given on the command line, not written into the cluster: a new version of KoyaLite
//! brings its own along, and an old one finds nothing strange.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};
use tokio::time::sleep;

use super::child;
use super::error::PostgresError;
use super::layout::Layout;
use super::log::Log;
use super::recover::postmaster_of;
use super::supervise::Cluster;

/// Replaying all the write-ahead log that can pile up between two checkpoints (1 GB) takes about a
/// minute on a slow disk.
const READY_MAX: Duration = Duration::from_secs(300);
/// A start takes 30 to 80 ms.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// In `postmaster.pid`: the line that says how far the server is.
const STATUS_LINE: usize = 7;

/// Everything that is not a matter of the cluster's place.
const SETTINGS: &[&str] = &[
    // The socket is the only door.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "cluster_name=koyalite",
    // The log shall hold neither statements nor the values in them: no statement is logged, and
    // messages about failed ones, which quote values, rank below `log`.
    "logging_collector=off",
    "log_destination=stderr",
    "log_line_prefix=",
    "lc_messages=C",
    "log_statement=none",
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "log_min_duration_statement=-1",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
    "log_error_verbosity=terse",
    // A node takes up to sixty, and several may share one server: those of a developer, or of tests.
    "max_connections=300",
    "timezone=UTC",
    "log_timezone=UTC",
    // Compiling a plan costs more than the short statements of an edge function ever save.
    "jit=off",
];

/// After a crash Postgres flushes every file of the cluster, 2.4 s in a fresh one; flushing the file
/// system as a whole does the same in 0.1 s. Only Linux can.
const RECOVERY: &[&str] = if cfg!(target_os = "linux") {
    &["recovery_init_sync_method=syncfs"]
} else {
    &[]
};

/// A server that we started and have not seen end.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Where a shell watches over the server: its end tells of ours. Taken out of the child, because
    /// waiting for a child closes what is in it.
    _alive: Option<ChildStdin>,
    pub(super) log: Log,
}

impl Server {
    /// Starts the server. Call from the thread that outlives it.
    pub(super) fn spawn(cluster: &Cluster) -> Result<Self, PostgresError> {
        let io = |source| PostgresError::Io {
            action: "start postgres",
            source,
        };
        let mut command = command(cluster);
        child::become_user(&mut command, cluster.run_as, &cluster.layout.root).map_err(io)?;
        let mut child = command.spawn().map_err(io)?;
        let pipe = child
            .stderr
            .take()
            .ok_or_else(|| io(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            _alive: child.stdin.take(),
            child,
            log: Log::follow(pipe),
        })
    }

    /// Waits until connections are accepted.
    pub(super) async fn ready(&mut self, layout: &Layout) -> Result<(), PostgresError> {
        let became_ready = async {
            while !says_ready(layout) {
                sleep(LOOK_EVERY).await;
            }
        };
        let end = tokio::select! {
            biased;
            status = self.child.wait() => Some(describe(status)),
            result = tokio::time::timeout(READY_MAX, became_ready) => match result {
                Ok(()) => return Ok(()),
                Err(_late) => None,
            },
        };
        let output = self.log.last_words().await;
        match end {
            Some(status) => Err(PostgresError::Start { status, output }),
            None => Err(PostgresError::StartTimeout {
                seconds: READY_MAX.as_secs(),
                output,
            }),
        }
    }

    /// Waits for the end and says how it came about.
    pub(super) async fn exited(&mut self) -> String {
        describe(self.child.wait().await)
    }

    /// Whom to signal; `None` once it has ended, so that a reused number is never hit.
    pub(super) fn postmaster(&self, layout: &Layout) -> Option<u32> {
        let child = self.child.id()?;
        // Elsewhere the child is the shell around the server.
        if cfg!(target_os = "linux") {
            Some(child)
        } else {
            postmaster_of(&layout.pgdata)
        }
    }
}

fn describe(status: std::io::Result<std::process::ExitStatus>) -> String {
    status.map_or_else(
        |error| format!("an unknown status ({error})"),
        |status| status.to_string(),
    )
}

/// The file is known to be this server's: the way was cleared before the start.
fn says_ready(layout: &Layout) -> bool {
    let Ok(text) = fs::read_to_string(layout.pgdata.join("postmaster.pid")) else {
        return false;
    };
    text.lines()
        .nth(STATUS_LINE)
        .is_some_and(|status| status.trim() == "ready")
}

fn command(cluster: &Cluster) -> Command {
    let program = cluster.installation.bin.join("postgres");
    #[cfg(target_os = "linux")]
    let mut command = {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        command
    };
    #[cfg(not(target_os = "linux"))]
    let mut command = super::wrapper::wrap(&program);
    configure(&mut command, cluster);
    command
}

/// Adds everything that follows the program's name.
pub(super) fn configure(command: &mut Command, cluster: &Cluster) {
    let layout = &cluster.layout;
    // Nothing of ours may steer the server: PG*, LD_*, or a locale that it does not have.
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    command.arg("-D").arg(&layout.pgdata);
    for setting in SETTINGS.iter().chain(RECOVERY) {
        command.arg("-c").arg(setting);
    }
    // The setting is a list, so a comma in the path needs the quotes.
    let socket_dir = layout.socket_dir.to_string_lossy().replace('"', "\"\"");
    command
        .arg("-c")
        .arg(format!("unix_socket_directories=\"{socket_dir}\""));
    command
        .arg("-c")
        .arg(format!("port={}", super::connection::PORT));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
}
