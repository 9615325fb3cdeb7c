//! One connection: HTTP/1 or HTTP/2 by its first bytes, each request checked and handed on.
//!
//! Ends when the peer closes, when nothing arrives in time, when a drain finds it idle, or when
//! the drain's time is up.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::CONNECTION;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{ListenerLimits, Peer};
use crate::http::body::{self, Body, BodyError};
use crate::http::framing::Framing;
use crate::http::tls::Tls;
use crate::http::{Code, Problem, request_form, request_id};

/// The two signals that end a connection from our side.
pub(super) struct Ends {
    /// Finish what is in flight, then close.
    pub(super) drain: CancellationToken,
    /// Close now.
    pub(super) cut: CancellationToken,
}

/// What the request path tells the connection, and the socket tells the request path.
#[derive(Default)]
struct Signs {
    /// A request has arrived. Until then only our own clock bounds the wait: hyper's starts once
    /// it knows which version of HTTP it is reading.
    has_begun: AtomicBool,
    /// The bytes seen so far could be read in two ways.
    is_ambiguous: AtomicBool,
}

/// Our end of a connection.
pub(super) struct End {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<Tls>>,
}

/// Serves one connection to its end. Boxed within: room for both kinds of stream would be moved about
/// with the one that there is.
pub(super) async fn serve<S, F>(end: End, limits: ListenerLimits, service: S, ends: Ends)
where
    S: Fn(Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let End { stream, peer, tls } = end;
    let stream = match at_home(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!(%error, "a connection could not be taken over"),
    };
    // Answers are written whole; waiting for an acknowledgement would only add 40 ms to small ones.
    let _ = stream.set_nodelay(true);
    give_up_after(&stream, limits.send_timeout);
    let Some(tls) = tls else {
        let plain = (stream, peer, Scheme::HTTP);
        return Box::pin(speak(plain, limits, service, ends)).await;
    };
    let greeting = tls.acceptor().accept(stream);
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(limits.header_read_timeout, greeting) => greeted,
        () = ends.cut.cancelled() => return,
    };
    match greeted {
        Ok(Ok(stream)) => {
            let encrypted = (stream, peer, Scheme::HTTPS);
            Box::pin(speak(encrypted, limits, service, ends)).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
        Err(_elapsed) => tracing::debug!("no TLS came about in time"),
    }
}

/// Serves HTTP on a stream of bytes.
async fn speak<IO, S, F>(
    (stream, peer, scheme): (IO, SocketAddr, Scheme),
    limits: ListenerLimits,
    service: S,
    ends: Ends,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Fn(Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let signs = Arc::new(Signs::default());
    let watched = Watched {
        stream,
        framing: Framing::default(),
        signs: Arc::clone(&signs),
    };
    let service = Arc::new(service);
    let for_requests = Arc::clone(&signs);
    let drain = ends.drain.clone();
    let per_request = service_fn(move |request| {
        let (service, signs) = (Arc::clone(&service), Arc::clone(&for_requests));
        let is_last = drain.is_cancelled() && request.version() != Version::HTTP_2;
        let from = From {
            peer,
            scheme: scheme.clone(),
        };
        async move {
            let answer = answer(request, from, &signs, service.as_ref()).await;
            Ok::<_, Infallible>(if is_last { closing(answer) } else { answer })
        }
    });
    let builder = builder(&limits);
    let connection = builder.serve_connection(TokioIo::new(watched), per_request);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return report(ended),
        () = first_request_overdue(&limits, &signs) => return,
        () = ends.drain.cancelled() => {}
    }
    // A connection that was accepted during the drain has its one request still to come.
    if signs.has_begun.load(Ordering::Relaxed) {
        connection.as_mut().graceful_shutdown();
    }
    tokio::select! {
        biased;
        ended = connection.as_mut() => report(ended),
        () = first_request_overdue(&limits, &signs) => {}
        () = ends.cut.cancelled() => {}
    }
}

/// Lets the kernel end the connection where nothing of what was sent is taken for so long. By our own clock a
/// peer that is slow could not be told from one that is gone.
fn give_up_after(stream: &TcpStream, time: Duration) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(time)) {
        tracing::debug!(%error, "a connection without a time-out for sending");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, time);
}

/// The stream with the runtime that it is served on: it was accepted on another.
fn at_home(stream: TcpStream) -> std::io::Result<TcpStream> {
    match crate::cores::current() {
        Some(_) => TcpStream::from_std(stream.into_std()?),
        None => Ok(stream),
    }
}

fn builder(limits: &ListenerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read_timeout);
    builder
}

/// Ready when the connection's first request has not arrived in time; else never.
async fn first_request_overdue(limits: &ListenerLimits, signs: &Signs) {
    tokio::time::sleep(limits.header_read_timeout).await;
    if signs.has_begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// What a connection says of its requests.
struct From {
    peer: SocketAddr,
    scheme: Scheme,
}

async fn answer<S, F>(
    request: Request<Incoming>,
    from: From,
    signs: &Signs,
    service: &S,
) -> Response<Body>
where
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Response<Body>>,
{
    signs.has_begun.store(true, Ordering::Relaxed);
    let (mut parts, incoming) = request.into_parts();
    let form = match signs.is_ambiguous.load(Ordering::Relaxed) {
        true => Err(Problem::new(
            Code::BadFraming,
            "the length of the body must be said once, by content-length or by transfer-encoding",
        )),
        false => request_form::settle(&mut parts, &from.scheme),
    };
    if let Err(problem) = form {
        let refusal = problem.into_response(request_id::of(&parts.headers));
        // HTTP/2 frames its messages itself: nothing after this stream is in doubt.
        return if parts.version == Version::HTTP_2 {
            refusal
        } else {
            closing(refusal)
        };
    }
    parts.extensions.insert(Peer(from.peer));
    let body = match incoming.is_end_stream() {
        true => body::empty(),
        false => incoming.map_err(BodyError::Client).boxed_unsync(),
    };
    service(Request::from_parts(parts, body)).await
}

/// Asks hyper to close after this answer. HTTP/2 forbids the header, and hyper removes it there.
fn closing(mut response: Response<Body>) -> Response<Body> {
    if response.version() != Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn report(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    // Peers break connections all day; only someone who is looking for it wants to know.
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The socket, with its incoming bytes shown to [`Framing`] before hyper parses them.
struct Watched<IO> {
    stream: IO,
    framing: Framing,
    signs: Arc<Signs>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let was_in_chunks = self.framing.is_in_chunks();
        self.framing
            .watch(buffer.filled().get(before..).unwrap_or_default());
        if self.framing.is_ambiguous() && was_in_chunks {
            // Its request is being served: what is left to refuse is the rest of it.
            return Poll::Ready(Err(std::io::ErrorKind::InvalidData.into()));
        }
        if self.framing.is_ambiguous() {
            self.signs.is_ambiguous.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
