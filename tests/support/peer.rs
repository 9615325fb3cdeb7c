//! A server that a guest sends requests to: plain bytes, so that it can also answer as no server should.
//! The path says how.

use std::os::fd::AsRawFd;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What was asked of it.
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    /// How the body was framed, and what it was.
    body: String,
}

/// Starts one; answers its address. It ends with the test's runtime.
pub(crate) async fn peer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                if let Some(asked) = read(&mut stream).await {
                    let _ = answer(stream.get_mut(), &asked).await;
                }
            });
        }
    });
    address
}

/// A port where nobody listens.
pub(crate) async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A port that takes no further connection: its queue is full, and nobody accepts. Holds while the
/// connections are held.
pub(crate) async fn stuck_port() -> (u16, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    #[expect(unsafe_code, reason = "the standard library has no smaller queue")]
    // SAFETY: two numbers go in, and no memory is touched.
    unsafe {
        libc::listen(listener.as_raw_fd(), 0)
    };
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    let moment = std::time::Duration::from_millis(200);
    while let Ok(Ok(stream)) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 64, "the queue takes everyone");
    }
    std::mem::forget(listener);
    (address.port(), held)
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let line = text_line(stream).await?;
    let mut headers = Vec::new();
    loop {
        let header = text_line(stream).await?;
        match header.split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let body = match (value("content-length"), value("transfer-encoding")) {
        (Some((_, length)), _) => {
            let mut body = vec![0; length.parse().ok()?];
            stream.read_exact(&mut body).await.ok()?;
            format!("sized {length} {}", String::from_utf8_lossy(&body))
        }
        (None, Some(_)) => format!("chunked {}", chunks(stream).await?),
        (None, None) => "none".to_owned(),
    };
    Some(Asked {
        line,
        headers,
        body,
    })
}

/// The data of all chunks, and the trailers after it.
async fn chunks(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut data = String::new();
    loop {
        let size = usize::from_str_radix(&text_line(stream).await?, 16).ok()?;
        let mut chunk = vec![0; size];
        stream.read_exact(&mut chunk).await.ok()?;
        data.push_str(&String::from_utf8_lossy(&chunk));
        if size == 0 {
            break;
        }
        text_line(stream).await?;
    }
    loop {
        match text_line(stream).await?.as_str() {
            "" => return Some(data),
            trailer => data.push_str(&format!(" {trailer}")),
        }
    }
}

async fn text_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn answer(stream: &mut TcpStream, asked: &Asked) -> std::io::Result<()> {
    let path = asked.line.split(' ').nth(1).unwrap_or_default();
    let (path, argument) = path
        .rsplit_once('/')
        .filter(|(before, _)| !before.is_empty())
        .unwrap_or((path, ""));
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    let chunked = format!("{head}transfer-encoding: chunked\r\n");
    let bytes = match path {
        "/saw" => {
            let named = asked.headers.iter().filter(|(name, _)| name == argument);
            let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
            sized(if values.is_empty() {
                "none".to_owned()
            } else {
                values.join(",")
            })
        }
        "/body" => sized(asked.body.clone()),
        "/status" => format!("HTTP/1.1 {argument} X\r\nconnection: close\r\n\r\n"),
        "/redirect" => "HTTP/1.1 302 Found\r\nlocation: /line\r\nconnection: close\r\n\r\n".into(),
        "/continue" => format!(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n{}",
            sized("after".into())
        ),
        "/headers" => {
            format!("{head}x-a: 1\r\nx-a: 2\r\nx-b:\r\nkeep-alive: 5\r\ncontent-length: 0\r\n\r\n")
        }
        "/sized" => sized("abcd".to_owned()),
        "/chunked" => format!("{chunked}\r\n2\r\nab\r\n2;x=y\r\ncd\r\n0\r\n\r\n"),
        "/close" => format!("{head}\r\nabcd"),
        "/trailers" => format!("{chunked}trailer: x-t\r\n\r\n4\r\nabcd\r\n0\r\nx-t: 1\r\n\r\n"),
        "/cut" => format!("{head}content-length: 10\r\n\r\nabc"),
        "/cut-chunks" => format!("{chunked}\r\n3\r\nabc\r\n"),
        "/big-head" => format!("{head}x-big: {}\r\n\r\n", "x".repeat(300 * 1024)),
        "/garbage" => "this is no HTTP\r\n\r\n".to_owned(),
        "/drop" => return Ok(()),
        "/hang" => return until_gone(stream).await,
        "/pause" => {
            let begun = format!("{head}content-length: 4\r\n\r\nab");
            stream.write_all(begun.as_bytes()).await?;
            return until_gone(stream).await;
        }
        _ => sized(asked.line.clone()),
    };
    stream.write_all(bytes.as_bytes()).await?;
    stream.shutdown().await
}

fn sized(body: String) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Says nothing more, until the other side has gone.
async fn until_gone(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0; 64]).await.map(drop)
}
