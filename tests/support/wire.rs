//! The wire between a node and its Postgres, which a test can cut: a socket of its own that passes bytes
//! on, until it does not.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::database::Database;

/// Whether bytes pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
}

/// A wire. Ends with the test's runtime.
pub(crate) struct Wire {
    state: watch::Sender<State>,
    folder: Arc<TempDir>,
    url: String,
}

impl Wire {
    /// In front of that database.
    pub(crate) fn to(database: &Database) -> Wire {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let behind: PathBuf = database.socket();
        let socket = folder.path().join(behind.file_name().unwrap());
        let listener = UnixListener::bind(&socket).unwrap();
        let (state, seen) = watch::channel(State::Whole);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, behind.clone(), seen.clone()));
            }
        });
        Wire {
            url: database.url_by(folder.path()),
            state,
            folder,
        }
    }

    /// For `DATABASE_URL`.
    pub(crate) fn url(&self) -> &str {
        assert!(self.folder.path().exists());
        &self.url
    }

    /// From now on nothing passes: open connections end, new ones get no further than this.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Everything passes again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn pass(mut here: UnixStream, behind: PathBuf, mut seen: watch::Receiver<State>) {
    // Whoever connects while it is cut hears nothing at all, as from a machine that is off.
    if seen.wait_for(|state| *state == State::Whole).await.is_err() {
        return;
    }
    let Ok(mut there) = UnixStream::connect(behind).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut here, &mut there) => {}
        _ = seen.wait_for(|state| *state == State::Cut) => {}
    }
}
