//! Calls at a steady rate, whatever becomes of those before, from a thread of their own: what uploads the
//! components does not delay them.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use futures::FutureExt as _;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::load::Numbers;

type Caller = Client<HttpConnector, Empty<Bytes>>;

/// What is called, and how often a second.
pub(super) struct Calls {
    pub(super) url: String,
    pub(super) rate: u32,
}

impl Calls {
    /// Calls for as long as something else goes on.
    ///
    /// # Errors
    /// Where a call gets no answer, or another than a success.
    pub(super) async fn during<T>(
        &self,
        meanwhile: impl Future<Output = T>,
    ) -> anyhow::Result<(Numbers, T)> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (url, every) = (self.url.clone(), Duration::from_secs(1) / self.rate);
        let (tell, told) = oneshot::channel();
        let caller = std::thread::Builder::new().name("callers".to_owned());
        caller.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let outcome = called(runtime, &url, every, stopped);
            drop(tell.send(outcome));
        })?;
        let outcome = meanwhile.await;
        drop(stop);
        let numbers = told.await.context("the callers' thread has ended")??;
        Ok((numbers, outcome))
    }
}

fn called(
    mut runtime: tokio::runtime::Builder,
    url: &str,
    every: Duration,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<Numbers> {
    let runtime = runtime.enable_all().build()?;
    let begun = Instant::now();
    let times = runtime.block_on(times(url, every, stopped))?;
    numbers(times, begun.elapsed())
}

/// How long each call took.
async fn times(
    url: &str,
    every: Duration,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<Vec<Duration>> {
    let client: Caller = Client::builder(TokioExecutor::new()).build_http();
    let mut tick = interval(every);
    // A tick that comes late is still a call that was due.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut calls, mut times) = (JoinSet::new(), Vec::new());
    let mut stopped = stopped.fuse();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = tick.tick() => {
                let (client, url) = (client.clone(), url.to_owned());
                calls.spawn(async move { one(&client, &url).await });
            }
        }
        while let Some(ended) = calls.try_join_next() {
            times.push(ended??);
        }
    }
    while let Some(ended) = calls.join_next().await {
        times.push(ended??);
    }
    Ok(times)
}

/// One call, to the end of its answer. From when it is sent: a timer is a millisecond late as often as not,
/// which would hide what is measured.
async fn one(client: &Caller, url: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let request = Request::get(url).body(Empty::new())?;
    let response = client.request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    anyhow::ensure!(status.is_success(), "{url} answered {status}");
    Ok(begun.elapsed())
}

fn numbers(mut times: Vec<Duration>, took: Duration) -> anyhow::Result<Numbers> {
    times.sort();
    let at = |share: usize| {
        let time = times.get(times.len() * share / 1000).copied();
        time.context("nothing was called")
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = times.len() as f64;
    Ok(Numbers {
        requests: times.len() as u64,
        per_second: count / took.as_secs_f64().max(1e-6),
        p50: at(500)?,
        p99: at(990)?,
        p999: at(999)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_a_hundred_may_be_slower_than_the_p99() {
        let millis = (1..=1000).map(Duration::from_millis).collect();
        let seen = numbers(millis, Duration::from_secs(2)).unwrap();
        assert_eq!(seen.p99, Duration::from_millis(991));
        assert_eq!(seen.per_second.round(), 500.0);
        assert!(numbers(Vec::new(), Duration::from_secs(1)).is_err());
    }
}
