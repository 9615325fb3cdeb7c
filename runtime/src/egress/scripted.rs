//! Both ends of the tests: a resolver that answers as scripted, and a real server on loopback.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::connect::Resolve;

/// Gives each lookup the next answer; after the last, no more.
pub(super) struct ScriptedResolver {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
}

impl ScriptedResolver {
    pub(super) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(answer).collect()),
        })
    }

    pub(super) fn answers_left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

impl Resolve for ScriptedResolver {
    fn resolve(&self, _name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let next = self.answers.lock().unwrap().pop_front();
        Box::pin(async { next.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

/// A server that answers `/redirect` with a redirect, `/close` by closing afterwards, `/hang` never,
/// and anything else with the request's head as it arrived.
pub(super) struct EchoServer {
    pub(super) address: SocketAddr,
    served: Arc<AtomicUsize>,
}

impl EchoServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&served);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                let service = service_fn(move |request| answer(request, Arc::clone(&counter)));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), service));
            }
        });
        Self { address, served }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

async fn answer(
    request: Request<Incoming>,
    served: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    served.fetch_add(1, Ordering::SeqCst);
    let response = Response::builder();
    let response = match request.uri().path() {
        "/redirect" => response
            .status(StatusCode::FOUND)
            .header("location", "/elsewhere"),
        "/close" => response.header("connection", "close"),
        "/hang" => std::future::pending().await,
        _ => response,
    };
    let head = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.headers()
    );
    Ok(response.body(Full::new(Bytes::from(head))).unwrap())
}
