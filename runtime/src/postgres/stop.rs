//! Ends a running server: politely, then firmly, and never without a bound.
//!
//! Every way down is safe for committed data; the impolite ones only make the next start replay the
//! write-ahead log.

use std::time::Duration;

use super::error::PostgresError;
use super::layout::Layout;
use super::recover;
use super::start::Server;

/// A fast shutdown writes a checkpoint: 1.5 s were measured for 36 MB of changes on a slow disk.
/// Longer than this and a replay at the next start is the better deal for who waits.
const FAST_MAX: Duration = Duration::from_secs(10);
/// The postmaster gives its children five seconds after SIGQUIT before it kills them itself.
const QUIT_MAX: Duration = Duration::from_secs(6);
/// After SIGKILL there is nothing left to wait for but the kernel.
const KILL_MAX: Duration = Duration::from_secs(5);

/// What Postgres understands, by what it does to a postmaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Cut sessions off, write a checkpoint, leave.
    FastShutdown,
    /// Leave at once, without a checkpoint.
    ImmediateShutdown,
    /// The kernel's way.
    Kill,
}

/// Shuts the server down and leaves nothing of it behind.
pub(super) async fn shut_down(mut server: Server, layout: &Layout) -> Result<(), PostgresError> {
    server.log.expect_shutdown();
    let steps = [
        (Signal::FastShutdown, FAST_MAX),
        (Signal::ImmediateShutdown, QUIT_MAX),
        (Signal::Kill, KILL_MAX),
    ];
    for (signal, patience) in steps {
        if let Some(pid) = server.postmaster(layout) {
            send(pid, signal);
        }
        match tokio::time::timeout(patience, server.exited()).await {
            Ok(status) => {
                tracing::debug!(%status, "the private Postgres has ended");
                break;
            }
            Err(_late) => tracing::warn!(?signal, "the private Postgres takes long to end"),
        }
    }
    // A killed postmaster cannot take its children along.
    recover::take_down(&layout.pgdata).await
}

/// Sends a signal to a process that was just seen to be a server of ours. That it may have ended in
/// between is no error: that is what the signal was for.
#[expect(
    unsafe_code,
    reason = "the standard library sends no signal but SIGKILL"
)]
pub(super) fn send(pid: u32, signal: Signal) {
    // Zero and negative numbers would address whole groups of processes.
    let Some(pid) = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 1) else {
        return;
    };
    let number = match signal {
        Signal::FastShutdown => libc::SIGINT,
        Signal::ImmediateShutdown => libc::SIGQUIT,
        Signal::Kill => libc::SIGKILL,
    };
    // SAFETY: kill takes two numbers and touches no memory of ours.
    unsafe { libc::kill(pid, number) };
}
