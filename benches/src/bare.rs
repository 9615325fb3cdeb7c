//! The ceiling: hyper answering a constant, or a body with itself, and nothing behind it.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;

use crate::opponent;

/// As long as what the hello guests answer.
const ANSWER: &[u8] = b"hello, world\n";

/// Serves until it is killed.
///
/// # Errors
/// Where there is no port to listen on.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = opponent::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    Ok(Response::new(match request.uri().path() {
        "/echo" => Either::Left(request.into_body()),
        _ => Either::Right(Full::new(Bytes::from_static(ANSWER))),
    }))
}

type Answer = Either<Incoming, Full<Bytes>>;
