//! An HTTP server that takes webhooks: it answers as it is told, and remembers what came.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use super::eventually;

const PATIENCE: Duration = Duration::from_secs(60);

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The bytes that Standard Webhooks signs.
    pub(crate) fn signed(&self) -> Vec<u8> {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        [format!("{id}.{at}.").as_bytes(), &self.body].concat()
    }

    /// Whether one of its signatures is by this secret (`whsec_…`): written again here, from the
    /// standard.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(&self.signed());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature")
            .split(' ')
            .any(|one| one == expected)
    }
}

/// How to answer: the request and how many of its id came before.
type Answering = dyn Fn(&Received, usize) -> Answer + Send + Sync;

/// An answer, or none for ever.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    With(u16, &'static str, String),
    Json(String),
    Silence,
}

/// A running receiver. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn start() -> Receiver {
        Receiver::answering(|_, _| Answer::Status(204)).await
    }

    /// One that answers as the script says.
    pub(crate) async fn answering(
        script: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            url: format!("http://{}", listener.local_addr().unwrap()),
            received: Arc::default(),
        };
        let (script, kept): (Arc<Answering>, _) = (Arc::new(script), receiver.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, kept) = (Arc::clone(&script), kept.clone());
                let service = service_fn(move |request| {
                    let (script, kept) = (Arc::clone(&script), kept.clone());
                    async move { kept.answer(request, script.as_ref()).await }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
        receiver
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        script: &Answering,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let received = Received {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body: body
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default(),
        };
        let before = {
            let mut all = self.received.lock().unwrap();
            let id = received.headers.get("webhook-id");
            let before = all.iter().filter(|one| one.headers.get("webhook-id") == id);
            let before = before.count();
            all.push(received.clone());
            before
        };
        let answer = Response::builder();
        Ok(match script(&received, before) {
            Answer::Status(status) => answer.status(status).body(Full::default()),
            Answer::With(status, name, value) => {
                let answer = answer.status(status).header(name, value);
                answer.body(Full::from("the receiver's own words\n"))
            }
            Answer::Json(text) => {
                let answer = answer.header("content-type", "application/json");
                answer.body(Full::from(text))
            }
            Answer::Silence => std::future::pending().await,
        }
        .unwrap())
    }

    /// All that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// All that came, once there are so many.
    pub(crate) async fn wait_for(&self, enough: usize) -> Vec<Received> {
        eventually("webhooks arrive", PATIENCE, async || {
            Some(self.received()).filter(|all| all.len() >= enough)
        })
        .await
    }
}
