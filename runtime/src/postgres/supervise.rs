//! The life of the private Postgres, from the search for binaries to the shutdown.
//!
//! All of it happens on one thread of its own with a small runtime, for three reasons: on Linux the
//! server is told of our end when the *thread* that started it ends; the server's process id is
//! reaped and signalled in one place, so a signal never hits a stranger; and the blocking file work
//! here delays no request.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::error::PostgresError;
use super::find::{self, Installation, Major};
use super::install::{self, Source};
use super::layout::{self, DataDirLock, Layout};
use super::options::{Consent, Options, Progress};
use super::run_as::{self, RunAs};
use super::start::Server;
use super::stop::shut_down;
use super::{State, init, recover};

/// Who lived this long was well: the next death starts the back-off anew.
const HEALTHY: Duration = Duration::from_secs(10);
/// The second try in a row waits this long, each further one twice as long as the one before.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// A full disk is emptied by somebody some time; we want to be back soon after.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A boxed callback for progress.
pub(super) type OnProgress = Box<dyn Fn(Progress) + Send + Sync>;

/// What the thread and its owner talk through.
pub(super) struct Faces {
    pub(super) stop: CancellationToken,
    pub(super) state: watch::Sender<State>,
    /// Answered once, after the first start.
    pub(super) ready: oneshot::Sender<Connection>,
}

/// A cluster that is ours to run, and how.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) layout: Layout,
    pub(super) installation: Installation,
    pub(super) run_as: RunAs,
    pub(super) _lock: DataDirLock,
}

/// The body of the supervisor thread. Ends when asked to, or when the first start fails.
pub(super) fn run(
    options: Options,
    progress: OnProgress,
    faces: Faces,
) -> Result<(), PostgresError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| PostgresError::Io {
            action: "start the supervisor's runtime",
            source,
        })?;
    runtime.block_on(supervise(options, progress, faces))
}

async fn supervise(
    options: Options,
    progress: OnProgress,
    faces: Faces,
) -> Result<(), PostgresError> {
    let Faces { stop, state, ready } = faces;
    let Some(cluster) = stop
        .run_until_cancelled(prepare(&options, &*progress))
        .await
    else {
        return Ok(());
    };
    let cluster = cluster?;
    let connection = Connection::new(cluster.layout.socket_dir.clone());
    progress(Progress::Starting);
    let mut first = Some((ready, progress));
    let mut starts = 0;
    let mut attempt = 0;
    loop {
        let mut ready_at = None;
        let announce = || {
            ready_at = Some(Instant::now());
            starts += 1;
            state.send_replace(State::Ready { starts });
            if let Some((ready, progress)) = first.take() {
                progress(Progress::Ready);
                // An owner who left has cancelled `stop`, which is looked at next.
                let _owner_left = ready.send(connection.clone());
            }
        };
        match live(&cluster, &stop, announce).await {
            Ok(End::Asked) => {
                state.send_replace(State::Stopped);
                return Ok(());
            }
            Err(error) if starts == 0 => return Err(error),
            Err(error) => tracing::warn!(%error, attempt, "the private Postgres did not come back"),
            Ok(End::Died { status }) => {
                tracing::warn!(%status, "the private Postgres died; starting it again");
            }
        }
        if ready_at.is_some_and(|since: Instant| since.elapsed() >= HEALTHY) {
            attempt = 0;
        }
        attempt += 1;
        state.send_replace(State::Restarting { attempt });
        let pause = tokio::time::sleep(backoff(attempt));
        // A stop during the pause is answered by `live`, which then does nothing else.
        let _paused_or_asked = stop.run_until_cancelled(pause).await;
    }
}

/// How a life ended.
#[derive(Debug)]
enum End {
    Asked,
    Died { status: String },
}

/// One life of the server; `announce` is called when it accepts connections.
async fn live(
    cluster: &Cluster,
    stop: &CancellationToken,
    announce: impl FnOnce(),
) -> Result<End, PostgresError> {
    let layout = &cluster.layout;
    // Not cut short by a stop: what a dead server left behind is ours to end either way.
    recover::clear_the_way(layout).await?;
    if stop.is_cancelled() {
        return Ok(End::Asked);
    }
    let mut server = Server::spawn(cluster)?;
    // From here on every way out passes a shutdown: a server that starts slowly is one too.
    match stop.run_until_cancelled(server.ready(layout)).await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            if let Err(error) = shut_down(server, layout).await {
                tracing::warn!(%error, "a Postgres that did not start did not end either");
            }
            return Err(error);
        }
        None => return shut_down(server, layout).await.map(|()| End::Asked),
    }
    announce();
    match stop.run_until_cancelled(server.exited()).await {
        Some(status) => Ok(End::Died { status }),
        None => shut_down(server, layout).await.map(|()| End::Asked),
    }
}

/// How long the lock of a folder is waited for. Whoever has just let go of it may have been starting
/// another program at that moment, and a child that is not yet that program holds all that its parent
/// had open.
const LOCK_MAX: Duration = Duration::from_millis(500);

/// Between two tries.
const LOCK_RETRY: Duration = Duration::from_millis(10);

async fn open(data_dir: &Path) -> Result<(Layout, DataDirLock), PostgresError> {
    let end = Instant::now() + LOCK_MAX;
    loop {
        match Layout::open(data_dir) {
            Err(PostgresError::InUse { .. }) if Instant::now() < end => {
                tokio::time::sleep(LOCK_RETRY).await;
            }
            opened => return opened,
        }
    }
}

/// Finds binaries and a user, and makes the cluster where there is none.
pub(super) async fn prepare(
    options: &Options,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Cluster, PostgresError> {
    // The lock comes before everything that takes time: two at once shall not both download.
    let (layout, lock) = open(&options.data_dir).await?;
    progress(Progress::Looking);
    let installation = installation(options, &layout, progress).await?;
    let me = layout::my_ids(&layout.root)?;
    let run_as = run_as::choose(me, &layout, &installation.bin).await?;
    tracing::debug!(?installation, ?run_as, "chose a Postgres");
    let cluster = Cluster {
        layout,
        installation,
        run_as,
        _lock: lock,
    };
    let layout = &cluster.layout;
    layout.prepare_socket_dir(run_as.file_owner())?;
    if layout.cluster_version()?.is_some() {
        layout::hand_over(&layout.pgdata, run_as.file_owner())?;
    } else {
        progress(Progress::Initialising {
            major: cluster.installation.major.number(),
        });
        init::initialise(&cluster).await?;
    }
    Ok(cluster)
}

async fn installation(
    options: &Options,
    layout: &Layout,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Installation, PostgresError> {
    let found = find::look(options).await?;
    let version = layout.cluster_version()?;
    let pinned = version.as_deref().and_then(Major::parse);
    let chosen = find::select(&found.installations, pinned);
    // A version that we do not support at all is pinned to nothing that could be found.
    if let Some(installation) = chosen.filter(|_| pinned.is_some() == version.is_some()) {
        return Ok(installation.clone());
    }
    let bundle_fits = pinned.is_none_or(|major| major.number() == install::BUNDLE_MAJOR);
    match (options.consent, version) {
        (Consent::Install, None) => {}
        (Consent::Install, Some(_)) if pinned.is_some() && bundle_fits => {}
        (Consent::Refuse, None) => {
            return Err(PostgresError::NotFound {
                looked_in: found.looked_in,
            });
        }
        (_, Some(wanted)) => {
            let majors: Vec<_> = found
                .installations
                .iter()
                .map(|one| one.major.to_string())
                .collect();
            let found = if majors.is_empty() {
                "none".to_owned()
            } else {
                majors.join(", ")
            };
            let data_dir = fs::canonicalize(&layout.pgdata).unwrap_or(layout.pgdata.clone());
            return Err(PostgresError::WrongMajor {
                data_dir,
                wanted,
                found,
            });
        }
    }
    install::install(&Source::pinned()?, options, progress).await
}

/// The first try after a healthy life is made at once.
fn backoff(attempt: u32) -> Duration {
    let Some(doublings) = attempt.checked_sub(2) else {
        return Duration::ZERO;
    };
    let factor = 2u32.saturating_pow(doublings);
    BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_starts_at_nothing_and_stays_bounded() {
        let check = |attempt, wanted_ms| {
            assert_eq!(
                backoff(attempt),
                Duration::from_millis(wanted_ms),
                "{attempt}"
            );
        };
        check(1, 0);
        check(2, 100);
        check(3, 200);
        check(7, 3200);
        check(8, 5000);
        check(u32::MAX, 5000);
    }
}
