//! Waiting for something that another process does, with a deadline and a name for what was missed.
//!
//! Nothing in the tests sleeps in the hope that enough time has passed: they look until they see.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, interval, timeout};

/// Between two looks: short beside what is waited for, long enough to leave the processor to it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `look` sees something, and fails with `what` after `patience`.
pub(crate) async fn eventually<T, F>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + patience;
    let mut tick = interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "not seen within {patience:?}: {what}");
    }
}

/// The future's value, or a failure that names it.
pub(crate) async fn within<T>(
    what: &str,
    patience: Duration,
    future: impl Future<Output = T>,
) -> T {
    match timeout(patience, future).await {
        Ok(value) => value,
        Err(_) => panic!("not done within {patience:?}: {what}"),
    }
}
