//! Whoever asks the database again and again says once that it cannot be asked, and once that it can.

use super::RegistryError;

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
