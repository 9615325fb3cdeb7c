//! What really happens on a socket: each case talks raw bytes to a listener on loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::*;
use crate::http::body;

/// Far beyond what any of these take; a test that hits it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    drain: CancellationToken,
    done: tokio::task::JoinHandle<Drained>,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

/// `/slow` answers once released; anything else at once, with the length of the body it read.
async fn start(limits: ListenerLimits) -> Server {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), limits)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let drain = CancellationToken::new();
    let signals = (Arc::clone(&entered), Arc::clone(&release));
    let service = move |request: Request<Body>| {
        let (entered, release) = signals.clone();
        async move {
            if request.uri().path() == "/slow" {
                entered.notify_one();
                release.notified().await;
            }
            let read = body::collect(request.into_body(), 1 << 20).await;
            Response::new(body::full(format!(
                "read {}",
                read.map_or(0, |bytes| bytes.len())
            )))
        }
    };
    let done = tokio::spawn(listener.serve(service, drain.clone()));
    Server {
        address,
        drain,
        done,
        entered,
        release,
    }
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    read_to_close(&mut stream).await
}

async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer also is a close.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server did not close the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_with_two_readings_are_a_400_and_the_end_of_the_connection() {
    let server = start(ListenerLimits::default()).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for head in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n",
        "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x03\x03 not a request\r\n\r\n",
    ] {
        let answer = exchange(server.address, format!("{head}{smuggled}").as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 "),
            "{head:?} got {answer:?}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{head:?} got {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_document() {
    let server = start(ListenerLimits::default()).await;
    let answer = exchange(
        server.address,
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    )
    .await;
    assert!(answer.contains("koyalite-source: gateway\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"bad_framing""#), "{answer}");
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = start(ListenerLimits::default()).await;
    let answer = exchange(
        server.address,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi\
          POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
          GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    for read in ["read 2", "read 3", "read 0"] {
        assert!(answer.contains(read), "{answer}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let limits = ListenerLimits {
        headers_max: 10,
        header_bytes_max: 8192,
        ..Default::default()
    };
    let server = start(limits).await;
    let many = "x: y\r\n".repeat(20);
    let long = format!("x: {}\r\n", "y".repeat(10_000));
    for headers in [many, long] {
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        let answer = exchange(server.address, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn a_peer_that_never_finishes_a_head_is_dropped() {
    let header_read_timeout = Duration::from_millis(100);
    let server = start(ListenerLimits {
        header_read_timeout,
        ..Default::default()
    })
    .await;
    for sent in [
        "",
        "P",
        "GET / HTTP/1.1\r\nhost: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = exchange(server.address, sent.as_bytes()).await;
        assert!(!answer.contains("200 OK"), "{sent:?} got {answer:?}");
    }
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_a_free_slot() {
    let server = start(ListenerLimits {
        connections_max: 1,
        ..Default::default()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first
        .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    server.entered.notified().await;
    let second = tokio::spawn(exchange(
        server.address,
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ));
    server.release.notify_one();
    assert!(read_to_close(&mut first).await.contains("200 OK"));
    assert!(second.await.unwrap().contains("200 OK"));
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_still_answers_new_ones_meanwhile() {
    let server = start(ListenerLimits::default()).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    server.entered.notified().await;
    server.drain.cancel();
    let meanwhile = exchange(server.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(
        meanwhile.contains("200 OK") && meanwhile.contains("connection: close"),
        "{meanwhile}"
    );
    server.release.notify_one();
    assert!(read_to_close(&mut slow).await.contains("read 0"));
    assert_eq!(server.done.await.unwrap(), Drained { cut: 0 });
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_drain_ends_at_once_when_connections_are_idle_and_cuts_what_never_ends() {
    let idle = start(ListenerLimits::default()).await;
    let mut kept = TcpStream::connect(idle.address).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    idle.drain.cancel();
    assert_eq!(idle.done.await.unwrap(), Drained { cut: 0 });

    let drain_timeout = Duration::from_millis(50);
    let stuck = start(ListenerLimits {
        drain_timeout,
        ..Default::default()
    })
    .await;
    let mut slow = TcpStream::connect(stuck.address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    stuck.entered.notified().await;
    stuck.drain.cancel();
    assert_eq!(stuck.done.await.unwrap(), Drained { cut: 1 });
    assert_eq!(read_to_close(&mut slow).await, "");
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_served() {
    let server = start(ListenerLimits::default()).await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let uri = format!("http://{}/a", server.address);
    let request = Request::post(uri).body(body::full("hello")).unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.version(), http::Version::HTTP_2);
}
