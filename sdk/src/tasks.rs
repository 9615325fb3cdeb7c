//! Waiting, and work beside the answer.

use std::time::Duration;

use crate::bindings::imports::wasi::clocks::monotonic_clock;

/// Waits. Other requests of a shared instance go on meanwhile.
///
/// The time counts against the function's wall limit, not against its CPU limit.
pub async fn sleep(duration: Duration) {
    monotonic_clock::wait_for(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)).await;
}

/// Runs a future beside the current one, and after the answer if it takes longer.
///
/// It belongs to the invocation that spawned it: it acts for the same caller and ends with the
/// invocation's limits. Its result, panics apart, is nobody's concern; log what matters.
///
/// ```no_run
/// # use koyalite::{Request, Response, Result, log};
/// # async fn handle(_request: Request) -> Result<Response> {
/// koyalite::spawn(async {
///     koyalite::sleep(std::time::Duration::from_secs(1)).await;
///     log::info!("the caller has long had the answer");
/// });
/// Ok(Response::text("done\n"))
/// # }
/// ```
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(future);
}
