//! The attacks, and the callers that keep one going.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

/// As many as one function may have at once.
const CALLERS: usize = 100;

/// After a refusal, so that the callers are no flood of their own.
const PAUSE: Duration = Duration::from_millis(5);

/// What is called, and the names of what comes of it.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) rate: &'static str,
    pub(super) p99: &'static str,
    path: &'static str,
    /// Sent with POST, if there is anything.
    body: &'static [u8],
}

/// More than what is on its way between the two ends of a connection.
static LARGE: [u8; 2 << 20] = [7; 2 << 20];

macro_rules! attack {
    ($name:literal, $path:literal) => {
        attack!($name, $path, &[])
    };
    ($name:literal, $path:literal, $body:expr) => {
        Attack {
            name: $name,
            rate: concat!($name, ": rate"),
            p99: concat!($name, ": p99"),
            path: $path,
            body: $body,
        }
    };
}

pub(super) const SOLO: Attack = attack!("solo", "hostile/sleep");

pub(super) const ATTACKS: &[Attack] = &[
    attack!("spin", "hostile/spin"),
    attack!("spin in a callback", "hostile/spin-in-callback"),
    attack!("poll storm", "hostile/poll-storm"),
    attack!("poll storm, 0.2", "hostile-02/poll-storm"),
    attack!("memory", "hostile/grow"),
    attack!("recursion", "hostile/recurse"),
    attack!("subtasks", "hostile/subtasks"),
    attack!("lingering tasks", "hostile/linger"),
    attack!("busy lingering tasks", "hostile/linger-busy"),
    attack!("panic in drop", "hostile/panic-in-drop"),
    attack!("log lines", "hostile/log-lines"),
    attack!("printed lines", "hostile-02/print-lines"),
    attack!("random bytes", "hostile/random"),
    attack!("calls itself", "hostile/call-self"),
    attack!("body not read", "hostile/never-read", &LARGE),
    attack!("body read late", "hostile/answer-first", &LARGE),
    attack!("huge header", "hostile/huge-header"),
    attack!("many headers", "hostile/many-headers"),
    attack!("drip", "hostile/drip"),
    attack!("torrent", "hostile/torrent"),
    attack!("leaked handles", "hostile-02/leak-handles"),
    attack!("leaked headers", "hostile-02/leak-headers"),
    attack!("trailers", "hostile-02/trailers"),
];

/// The callers of an attack. They end when this is dropped.
pub(super) struct Attackers {
    callers: JoinSet<()>,
    begun: Arc<AtomicUsize>,
}

impl Attack {
    /// Starts the callers. `base` ends where the functions' names begin.
    pub(super) fn begin(&self, base: &str) -> Attackers {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let begun = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let url = format!("{base}{}", self.path);
            let (client, begun) = (client.clone(), Arc::clone(&begun));
            let body = Bytes::from_static(self.body);
            callers.spawn(async move {
                loop {
                    begun.fetch_add(1, Ordering::Relaxed);
                    if !call(&client, &url, body.clone()).await {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            });
        }
        Attackers { callers, begun }
    }
}

/// Whether there was a whole answer. What it says does not matter.
async fn call(client: &Client<HttpConnector, Full<Bytes>>, url: &str, body: Bytes) -> bool {
    let method = match body.is_empty() {
        true => Method::GET,
        false => Method::POST,
    };
    let request = Request::builder().method(method).uri(url);
    let Ok(request) = request.body(Full::new(body)) else {
        return false;
    };
    let Ok(response) = client.request(request).await else {
        return false;
    };
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

impl Attackers {
    /// Waits until every caller has begun.
    pub(super) async fn at_it(&self) {
        while self.begun.load(Ordering::Relaxed) < CALLERS {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends all of them.
    pub(super) async fn end(mut self) {
        self.callers.shutdown().await;
    }
}
