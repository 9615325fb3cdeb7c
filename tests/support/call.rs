//! One HTTP request, built and sent. Every call has a connection of its own, so that nothing of one
//! test lives in another's runtime.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, Method, Request, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::answer::{Answer, Opened};
use super::within;

/// Nothing that a test waits for takes longer, whatever the machine is busy with.
const PATIENCE: Duration = Duration::from_secs(60);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request to be sent.
#[must_use = "a call does nothing until it is sent"]
pub(crate) struct Call {
    request: Request<Body>,
}

impl Call {
    /// To `base` (scheme and authority) and `path`.
    pub(crate) fn new(method: Method, base: &str, path: &str) -> Call {
        let mut request = Request::new(full(Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{base}{path}").parse().unwrap();
        Call { request }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Call {
        let value = HeaderValue::from_str(value).unwrap();
        self.request.headers_mut().append(name, value);
        self
    }

    /// With words after the path, which has none yet.
    pub(crate) fn query(mut self, words: &str) -> Call {
        let uri = format!("{}?{words}", self.request.uri());
        *self.request.uri_mut() = uri.parse().unwrap();
        self
    }

    /// Instead of whatever credential the call has.
    pub(crate) fn bearer(mut self, token: &str) -> Call {
        self = self.anonymous();
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn anonymous(mut self) -> Call {
        self.request.headers_mut().remove(header::AUTHORIZATION);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Call {
        *self.request.body_mut() = full(body.into());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Call {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Sends pieces as they come, with no length told beforehand.
    pub(crate) fn stream(mut self, pieces: impl Stream<Item = Bytes> + Send + 'static) -> Call {
        let frames = pieces.map(|piece| Ok(Frame::data(piece)));
        *self.request.body_mut() = StreamBody::new(frames).boxed_unsync();
        self
    }

    /// Sends, and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        let what = self.what();
        within(&what, PATIENCE, async { self.open().await.rest().await }).await
    }

    /// Sends, and hands over the answer as soon as its head is there.
    pub(crate) async fn open(self) -> Opened {
        let what = self.what();
        match within(&what, PATIENCE, client().request(self.request)).await {
            Ok(response) => Opened::new(what, response),
            Err(error) => panic!("{what}: {error:?}"),
        }
    }

    /// Sends, and hands over the answer as soon as its head is there; `None` where the connection
    /// broke before.
    pub(crate) async fn open_or_broken(self) -> Option<Opened> {
        let what = self.what();
        let sent = within(&what, PATIENCE, client().request(self.request)).await;
        sent.ok().map(|response| Opened::new(what, response))
    }

    /// Sends; `None` where there was no answer, because nobody listens or the connection broke.
    pub(crate) async fn attempt(self) -> Option<Answer> {
        let what = self.what();
        let trying = async {
            let response = client().request(self.request).await.ok()?;
            Opened::new(what.clone(), response).attempt_rest().await
        };
        within(&what, PATIENCE, trying).await
    }

    fn what(&self) -> String {
        format!("{} {}", self.request.method(), self.request.uri())
    }
}

fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}
