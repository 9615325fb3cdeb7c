//! The one task that writes: collects what is queued, appends it in one go, at the latest after
//! the flush interval. A disk that takes nothing more costs lines, never an invocation.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::limits::FLUSH_INTERVAL;
use super::line::Stored;
use super::queue::{Counts, Incoming};
use super::segment::Segments;

/// Lines taken from the queue at once; a batch of guests' longest lines is 8 MiB.
const BATCH_LINES_MAX: usize = 1024;

/// Runs until every sender is gone, then writes the rest.
pub(super) async fn run(
    mut incoming: Incoming,
    mut flushes: mpsc::Receiver<oneshot::Sender<()>>,
    segments: Arc<Segments>,
    counts: Arc<Counts>,
) {
    let mut clock = tokio::time::interval(FLUSH_INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = clock.tick() => None,
            asked = flushes.recv() => match asked {
                Some(done) => Some(done),
                None => return write_all(&mut incoming, &segments, &counts).await,
            },
        };
        write_all(&mut incoming, &segments, &counts).await;
        if let Some(done) = asked {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

async fn write_all(incoming: &mut Incoming, segments: &Arc<Segments>, counts: &Counts) {
    loop {
        let mut batch = take_batch(incoming);
        if batch.is_empty() {
            return;
        }
        batch.retain(|stored| segments.takes(stored.project));
        let mut bytes = Vec::new();
        batch.iter().for_each(|stored| stored.write_to(&mut bytes));
        let segments = Arc::clone(segments);
        let written = tokio::task::spawn_blocking(move || segments.append(bytes)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, lines = batch.len(), "records could not be written");
            batch
                .iter()
                .for_each(|stored| counts.count(stored.weight()));
        }
    }
}

fn take_batch(incoming: &mut Incoming) -> Vec<Arc<Stored>> {
    let reserve = std::iter::from_fn(|| incoming.reserve.try_recv().ok());
    let lines = std::iter::from_fn(|| incoming.lines.try_recv().ok());
    reserve.chain(lines).take(BATCH_LINES_MAX).collect()
}
