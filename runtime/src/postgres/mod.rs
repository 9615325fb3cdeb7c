//! A private Postgres that `koyalite dev` owns: found or fetched, initialised, started, kept
//! running, and taken down with us.
//!
//! It listens on a Unix socket in a folder that only its user may enter, never on TCP, and it keeps
//! `fsync` on. It reads no environment: every setting arrives in [`Options`]. Production names a
//! database of its own and never comes here.
//!
//! Read on in [`supervise`] (the story from first start to shutdown), then [`run_as`] (which user
//! it runs as, and why), [`start`] and [`recover`].

mod child;
mod connection;
mod error;
mod find;
mod init;
mod install;
mod layout;
mod log;
mod options;
mod recover;
mod run_as;
mod start;
mod stop;
mod supervise;
#[cfg(test)]
mod tests;
mod unpack;
#[cfg(any(not(target_os = "linux"), test))]
mod wrapper;

use std::thread;

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use connection::Connection;
pub use error::PostgresError;
pub use options::{Consent, Options, Progress};

/// What the supervised Postgres is doing. Waiters watch this instead of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Being found, initialised or started for the first time.
    Starting,
    /// Accepts connections. `starts` counts the times it came up, so a waiter can tell the server
    /// that died from the one that replaced it.
    Ready {
        /// 1 after the first start.
        starts: u32,
    },
    /// It died without being asked to; the next try is under way or waits for its back-off.
    Restarting {
        /// Tries since it last was ready, starting at 1.
        attempt: u32,
    },
    /// Shut down because we asked.
    Stopped,
}

/// A running private Postgres. Dropping it shuts Postgres down: that blocks for as long as a fast
/// shutdown takes (usually below 0.1 s), and never longer than the steps in `stop.rs` allow.
#[derive(Debug)]
pub struct Supervised {
    connection: Connection,
    state: watch::Receiver<State>,
    owner: Owner,
}

impl Supervised {
    /// Brings Postgres up on `options.data_dir`, creating the database on first use, and keeps it
    /// up: when it dies unasked it is recovered and started again on the same socket.
    ///
    /// Dropping the returned future before it is ready undoes the start.
    ///
    /// # Errors
    /// No usable server binaries, a data directory in use or unreachable, or a server that does
    /// not start. Nothing is left running then.
    pub async fn start(
        options: Options,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Self, PostgresError> {
        let stop = CancellationToken::new();
        let (state_tx, state) = watch::channel(State::Starting);
        let (ready_tx, ready) = oneshot::channel();
        let faces = supervise::Faces {
            stop: stop.clone(),
            state: state_tx,
            ready: ready_tx,
        };
        let thread = thread::Builder::new()
            .name("koyalite-postgres".to_owned())
            .spawn(move || supervise::run(options, Box::new(progress), faces))
            .map_err(|source| PostgresError::Io {
                action: "start the supervisor thread",
                source,
            })?;
        // From here on an early return, or a dropped future, takes the thread down with it.
        let mut owner = Owner {
            stop,
            thread: Some(thread),
        };
        match ready.await {
            Ok(connection) => Ok(Self {
                connection,
                state,
                owner,
            }),
            Err(_ended) => Err(owner.join().err().unwrap_or(PostgresError::Interrupted)),
        }
    }

    /// Where to connect. Stays the same for the life of this value, restarts included.
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The state now and every later change.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Shuts Postgres down and waits until it is gone.
    ///
    /// # Errors
    /// When processes of the server outlive every signal, which is worth telling the operator.
    pub async fn stop(mut self) -> Result<(), PostgresError> {
        self.owner.stop.cancel();
        // The thread drops its sender as its last act, so joining after that does not block.
        while self.state.changed().await.is_ok() {}
        self.owner.join()
    }
}

/// Holds the supervisor thread and ends it on drop.
#[derive(Debug)]
struct Owner {
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<Result<(), PostgresError>>>,
}

impl Owner {
    fn join(&mut self) -> Result<(), PostgresError> {
        match self.thread.take().map(thread::JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(PostgresError::SupervisorDied),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Err(error) = self.join() {
            tracing::warn!(%error, "the private Postgres did not shut down cleanly");
        }
    }
}
