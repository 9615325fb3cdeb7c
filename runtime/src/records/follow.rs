//! The live view: every line to whoever follows its function. Costs nothing without followers, and
//! a slow follower loses lines instead of slowing anyone down.

use std::sync::Arc;

use futures::{Stream, stream};
use koyalite_policy::FunctionName;
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::limits::FOLLOWER_LINES_MAX;
use super::line::{InvocationRef, Level, RecordLine, Stored};

/// Everyone who follows something on this node.
#[derive(Debug, Clone)]
pub(super) struct Followers(broadcast::Sender<Arc<Stored>>);

impl Default for Followers {
    fn default() -> Followers {
        Followers(broadcast::Sender::new(FOLLOWER_LINES_MAX))
    }
}

impl Followers {
    pub(super) fn tell(&self, stored: &Arc<Stored>) {
        if self.0.receiver_count() > 0 {
            // Fails only when the last follower has just left.
            let _ = self.0.send(Arc::clone(stored));
        }
    }

    pub(super) fn follow(
        &self,
        project: Uuid,
        function: FunctionName,
    ) -> impl Stream<Item = RecordLine> + Send + use<> {
        let start = (self.0.subscribe(), project, function);
        stream::unfold(start, |(mut lines, project, function)| async move {
            let line = next(&mut lines, project, &function).await?;
            Some((line, (lines, project, function)))
        })
    }
}

async fn next(
    lines: &mut broadcast::Receiver<Arc<Stored>>,
    project: Uuid,
    function: &FunctionName,
) -> Option<RecordLine> {
    loop {
        match lines.recv().await {
            Ok(stored) if stored.project == project && stored.function == *function => {
                return Some(stored.line.clone());
            }
            Ok(_) => {}
            Err(RecvError::Lagged(count)) => return Some(missed(project, function, count)),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn missed(project: Uuid, function: &FunctionName, count: u64) -> RecordLine {
    let function = function.clone();
    let of = InvocationRef {
        project,
        function,
        version: 0,
        invocation: Uuid::nil(),
    };
    // The count is of all functions on this node: an upper bound for this one.
    let message = format!("up to {count} lines were skipped: this reader is too slow");
    Stored::guest(of, Level::Warn, message, chrono::Utc::now()).line
}
