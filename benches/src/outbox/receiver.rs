//! Who gets the webhooks: `/ok/…` takes them at once and notes how old they are, `/hang/…` never answers.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::load::Numbers;

/// A running receiver. It ends with the bench.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    ages: Arc<Mutex<Vec<Duration>>>,
    hanging: Arc<AtomicUsize>,
}

/// A request that hangs, until its sender gives up.
struct Hanging(Arc<AtomicUsize>);

impl Hanging {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Deserialize)]
struct Event {
    timestamp: DateTime<Utc>,
}

impl Receiver {
    /// # Errors
    /// Where there is no port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self {
            url: format!("http://{}", listener.local_addr()?),
            ages: Arc::default(),
            hanging: Arc::default(),
        };
        let kept = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                let service = service_fn(move |request| {
                    let kept = kept.clone();
                    async move { Ok::<_, Infallible>(kept.answer(request).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(receiver)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        if request.uri().path().starts_with("/hang/") {
            let _hanging = Hanging::begin(&self.hanging);
            std::future::pending::<()>().await;
        }
        let body = request.into_body().collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        if let Ok(event) = serde_json::from_slice::<Event>(&body) {
            let age = (Utc::now() - event.timestamp).to_std().unwrap_or_default();
            self.ages().push(age);
        }
        Response::new(Empty::new())
    }

    fn ages(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came so far is no longer counted.
    pub(crate) fn forget(&self) {
        self.ages().clear();
    }

    /// How many hang now.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    /// How many came.
    pub(crate) fn count(&self) -> usize {
        self.ages().len()
    }

    /// How many in that time, and how old they were.
    ///
    /// # Errors
    /// Where none came.
    pub(crate) fn numbers(&self, took: Duration) -> anyhow::Result<Numbers> {
        let mut ages = self.ages().clone();
        ages.sort();
        let at = |share: usize| ages.get(ages.len() * share / 1000).copied();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = ages.len() as f64;
        Ok(Numbers {
            requests: ages.len() as u64,
            per_second: count / took.as_secs_f64().max(1e-6),
            p50: at(500).context("nothing arrived")?,
            p99: at(990).context("nothing arrived")?,
            p999: at(999).context("nothing arrived")?,
        })
    }
}
