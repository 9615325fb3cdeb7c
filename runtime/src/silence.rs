//! How long nothing has come: the clock of a body that may not pause for ever. It runs only while
//! somebody waits, so most bodies never start it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// The clock.
#[derive(Debug, Default)]
pub struct Silence(Option<Pin<Box<Sleep>>>);

impl Silence {
    /// Something has come.
    pub fn broken(&mut self) {
        self.0 = None;
    }

    /// Nothing has come yet; ready once that has lasted as long as `limit`.
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let begun = || Box::pin(tokio::time::sleep(limit));
        self.0.get_or_insert_with(begun).as_mut().poll(cx)
    }
}
