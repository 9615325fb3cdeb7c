//! What happened: one record per invocation, and the lines that guests logged.
//!
//! Recording never waits and never fails: lines go into a bounded queue, a writer appends them to
//! segment files, and what does not fit is counted. A failed invocation is kept where a successful
//! one would be dropped. Records are for people who look; nothing decides by them.
//!
//! `line` is the shape, `queue` what is kept under pressure, `writer` the task, `segment` the
//! files, `follow` the live view.

mod follow;
pub mod limits;
pub mod line;
mod queue;
mod segment;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::Stream;
use koyalite_policy::FunctionName;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::follow::Followers;
pub use self::limits::RecordLimits;
use self::line::Stored;
pub use self::line::{
    InvocationRecord, InvocationRef, Level, Outcome, RecordKind, RecordLine, Trigger,
};
pub use self::queue::Dropped;
use self::queue::Queue;
use self::segment::Segments;

/// Flushes that may be asked for at the same time; more askers wait in line.
const FLUSHES_WAITING_MAX: usize = 16;

/// Where what happened is told.
pub trait Ledger: Send + Sync + 'static {
    /// Takes a line that a guest logged; its length is already bounded.
    fn guest_line(&self, of: InvocationRef, level: Level, message: String);

    /// Takes the end of an invocation.
    fn invocation(&self, record: InvocationRecord);
}

impl Ledger for Records {
    fn guest_line(&self, of: InvocationRef, level: Level, message: String) {
        self.take(Stored::guest(of, level, message, Utc::now()));
    }

    fn invocation(&self, record: InvocationRecord) {
        self.take(Stored::invocation(record, Utc::now()));
    }
}

/// The records of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Records {
    queue: Arc<Queue>,
    followers: Followers,
    segments: Arc<Segments>,
    flush: mpsc::Sender<oneshot::Sender<()>>,
}

impl Records {
    /// Opens the folder and starts the writer. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(dir: &Path, limits: RecordLimits) -> std::io::Result<Records> {
        let segments = Arc::new(Segments::open(dir, limits)?);
        let (queue, incoming) = queue::new(limits.queue_lines_max);
        let (flush, flushes) = mpsc::channel(FLUSHES_WAITING_MAX);
        let queue = Arc::new(queue);
        tokio::spawn(writer::run(
            incoming,
            flushes,
            Arc::clone(&segments),
            queue.counts(),
        ));
        Ok(Records {
            queue,
            followers: Followers::default(),
            segments,
            flush,
        })
    }

    /// The last `limit` lines of a function, oldest first.
    pub async fn read(
        &self,
        project: Uuid,
        function: &FunctionName,
        limit: usize,
    ) -> Vec<RecordLine> {
        self.flush().await;
        let (segments, function) = (Arc::clone(&self.segments), function.clone());
        let read =
            tokio::task::spawn_blocking(move || segments.last_lines(project, &function, limit));
        // Fails only when the runtime goes down, and then nobody reads the answer.
        read.await.unwrap_or_default()
    }

    /// Removes the lines of a project, or of one function of it. Lines of a project that come later,
    /// from calls that have not ended, are not kept.
    ///
    /// # Errors
    /// When a file cannot be written again without them.
    pub async fn forget(
        &self,
        project: Uuid,
        function: Option<FunctionName>,
    ) -> std::io::Result<()> {
        self.segments.refuse(project, function.as_ref());
        self.flush().await;
        let segments = Arc::clone(&self.segments);
        let gone = move |stored: &Stored| {
            let of_function = function
                .as_ref()
                .is_none_or(|name| stored.function == *name);
            stored.project == project && of_function
        };
        let done = tokio::task::spawn_blocking(move || segments.remove(gone)).await;
        done.map_err(std::io::Error::other)?
    }

    /// Removes the lines of projects that are older than the project's time.
    ///
    /// # Errors
    /// When a file cannot be written again without them.
    pub async fn purge(&self, ages: HashMap<Uuid, DateTime<Utc>>) -> std::io::Result<()> {
        let segments = Arc::clone(&self.segments);
        let gone = move |stored: &Stored| {
            let until = ages.get(&stored.project);
            until.is_some_and(|until| stored.line.time < *until)
        };
        let done = tokio::task::spawn_blocking(move || segments.remove(gone)).await;
        done.map_err(std::io::Error::other)?
    }

    /// The lines of a function from now on. A follower that is too slow gets a line that says how
    /// many it missed.
    pub fn follow(
        &self,
        project: Uuid,
        function: &FunctionName,
    ) -> impl Stream<Item = RecordLine> + Send + use<> {
        self.followers.follow(project, function.clone())
    }

    /// What did not fit since the start.
    pub fn dropped(&self) -> Dropped {
        self.queue.counts().dropped()
    }

    /// Writes everything taken so far; call at shutdown.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.flush.send(done).await.is_ok() {
            let _ = written.await;
        }
    }

    fn take(&self, stored: Stored) {
        let stored = Arc::new(stored);
        self.followers.tell(&stored);
        self.queue.put(stored);
    }
}

#[cfg(test)]
mod tests;
