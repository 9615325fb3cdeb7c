//! An HTTP server that has files, and some paths that no honest one has: `/redirect` leads to `/elsewhere`,
//! `/cut` breaks off, `/endless` never ends, `/told` says that it is longer than anybody takes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A running server. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct FileServer {
    base: String,
    files: Arc<Mutex<BTreeMap<String, Bytes>>>,
    redirected: Arc<AtomicUsize>,
}

impl FileServer {
    pub(crate) async fn start() -> FileServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = FileServer {
            base: format!("http://{}", listener.local_addr().unwrap()),
            files: Arc::default(),
            redirected: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = serving.answer(request.uri().path());
                    async { Ok::<_, Infallible>(answer) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// What is at a path from now on.
    pub(crate) fn put(&self, path: &str, bytes: Bytes) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// How often somebody came by the redirect.
    pub(crate) fn redirected(&self) -> usize {
        self.redirected.load(Ordering::SeqCst)
    }

    fn answer(&self, path: &str) -> Response<Body> {
        let answer = Response::builder();
        let piece = || Ok(Frame::data(Bytes::from(vec![0; 1 << 20])));
        let answer = match path {
            "/redirect" => answer
                .status(302)
                .header("location", "/elsewhere")
                .body(empty()),
            "/elsewhere" => {
                self.redirected.fetch_add(1, Ordering::SeqCst);
                answer.status(200).body(empty())
            }
            "/cut" => {
                let cut = vec![piece(), Err(std::io::Error::other("cut"))];
                answer.body(StreamBody::new(stream::iter(cut)).boxed_unsync())
            }
            "/endless" => {
                let endless = stream::iter(std::iter::repeat_with(piece));
                answer.body(StreamBody::new(endless).boxed_unsync())
            }
            "/told" => {
                let endless = stream::iter(std::iter::repeat_with(piece));
                let answer = answer.header("content-length", 1_u64 << 40);
                answer.body(StreamBody::new(endless).boxed_unsync())
            }
            path => match self.files.lock().unwrap().get(path).cloned() {
                Some(bytes) => {
                    let whole = Full::new(bytes).map_err(|never| match never {});
                    answer.body(whole.boxed_unsync())
                }
                None => answer.status(404).body(empty()),
            },
        };
        answer.unwrap()
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
