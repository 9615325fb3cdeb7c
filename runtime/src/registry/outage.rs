//! Whoever asks the database again and again says once that it cannot be asked, and once that it can.

use std::future::Future;
use std::time::Duration;

use super::RegistryError;

/// Between two tries of something that has to be written down.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How the last try went.
#[derive(Debug, Default)]
pub struct Outage(bool);

impl Outage {
    /// Takes what a try came to; `what` is held up while it fails. Answers it, or nothing.
    pub fn note<T>(&mut self, tried: Result<T, RegistryError>, what: &str) -> Option<T> {
        match (&tried, self.0) {
            (Err(error), false) => tracing::warn!(error = error.detail(), "{what}: held up"),
            (Ok(_), true) => tracing::info!("{what}: going on"),
            (Ok(_), false) | (Err(_), true) => {}
        }
        self.0 = tried.is_err();
        tried.ok()
    }
}

/// Tries again while the database is away, so many times and once a second. Anything else ends it.
pub(crate) async fn outlast<T, F>(tries: u64, attempt: impl Fn() -> F) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
{
    let mut tried = attempt().await;
    for _ in 1..tries {
        if !matches!(tried, Err(RegistryError::Unavailable(_))) {
            break;
        }
        tokio::time::sleep(TRY_AGAIN).await;
        tried = attempt().await;
    }
    tried
}
