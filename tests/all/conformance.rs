//! `docs/conformance.md`, row by row: what it says of `wasi:http` is what `koyalite run` does.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Message, Single, closed_port, peer, root, stuck_port, within};

/// The least that the table must have: rows do not go away unnoticed.
const ROWS_MIN: usize = 120;

/// One row of the table.
struct Row {
    line: usize,
    clause: String,
    guests: Vec<&'static str>,
    request: String,
    answer: String,
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let rows = text.lines().enumerate().filter_map(|(at, line)| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let guests = match *cells.get(1)? {
            "0.2" => vec!["conformance-02"],
            "0.3" => vec!["conformance-03"],
            "both" => vec!["conformance-02", "conformance-03"],
            _ => return None,
        };
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        Some(Row {
            line: at + 1,
            clause: cells[0].to_owned(),
            guests,
            request: code(cells[2]),
            answer: code(cells[3]),
        })
    });
    rows.collect()
}

/// Bytes to send, and whether the connection's sending side ends with them.
fn request(text: &str, host: &str) -> (Vec<u8>, bool) {
    let (method, rest) = text.split_once(' ').unwrap();
    let (target, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (headers, rest) = bracketed(rest);
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in [("host", host), ("te", "trailers")] {
        if !headers.iter().any(|header| header.starts_with(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    for header in headers.iter().filter(|header| !header.ends_with(": ")) {
        head.push_str(&format!("{header}\r\n"));
    }
    if let Some(raw) = rest.strip_prefix("<! ") {
        return (format!("{head}\r\n{raw}").into_bytes(), true);
    }
    let body = if let Some(chunks) = rest.strip_prefix("<<") {
        let mut parts = chunks.split(" + ");
        let data = parts.next().unwrap_or_default().trim();
        let mut body = String::new();
        for piece in data.split('~').filter(|piece| !piece.is_empty()) {
            body.push_str(&format!("{:x}\r\n{piece}\r\n", piece.len()));
        }
        let trailers: String = parts.map(|trailer| format!("{trailer}\r\n")).collect();
        head.push_str("transfer-encoding: chunked\r\n");
        format!("{body}0\r\n{trailers}\r\n")
    } else if let Some(body) = rest.strip_prefix("< ") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
        body.to_owned()
    } else {
        String::new()
    };
    (format!("{head}\r\n{body}").into_bytes(), false)
}

/// The `[…]` at the beginning, and what follows them.
fn bracketed(mut rest: &str) -> (Vec<String>, &str) {
    let mut found = Vec::new();
    while let Some(inside) = rest.strip_prefix('[') {
        // A bracket inside, as in `[host: [::1]:81]`, has no blank behind it.
        let ends = inside.match_indices(']').map(|(at, _)| at);
        let last = |at: &usize| matches!(inside.as_bytes().get(at + 1), None | Some(b' '));
        let end = ends.into_iter().find(last).expect("a closing bracket");
        found.push(inside[..end].to_owned());
        rest = inside[end + 1..].strip_prefix(' ').unwrap_or_default();
    }
    (found, rest)
}

/// What comes back, if the connection is closed after the answer.
async fn exchange(authority: &str, (bytes, is_end): (Vec<u8>, bool)) -> Message {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    // Who refuses early may not read everything.
    let _ = stream.write_all(&bytes).await;
    if is_end {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = within("an answer", Duration::from_secs(30), reading).await;
    let mut message = Message::read(&answer);
    // Its length is that of another method's answer.
    message.is_cut &= !bytes.starts_with(b"HEAD ");
    message
}

/// What of the answer is not as the row says.
fn difference(expected: &str, got: &Message) -> Option<String> {
    let (status, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    let (headers, rest) = bracketed(rest);
    let mut parts = rest.split(" + ");
    let body = parts.next().unwrap_or_default();
    let trailers: Vec<&str> = parts.collect();
    let seen: Vec<String> = got
        .trailers
        .iter()
        .map(|(n, v)| format!("{n}: {v}"))
        .collect();
    let headers_fit = headers.iter().all(|header| match header.split_once(": ") {
        Some((name, value)) => got.has_header(name) && got.header(name) == value,
        None => !got.has_header(header),
    });
    let body_fits = match body.split_at_checked(2) {
        Some(("= ", text)) => got.body == text && !got.is_cut,
        Some(("~ ", text)) => got.body.contains(text),
        _ => body == "cut" && got.is_cut,
    };
    let fits = status == got.status.to_string() && headers_fit && body_fits && seen == trailers;
    (!fits).then(|| format!("{got:?}"))
}

#[tokio::test]
async fn what_the_table_says_of_wasi_http_is_so() {
    let rows = rows();
    assert!(rows.len() >= ROWS_MIN, "{} rows", rows.len());
    let peer = peer().await;
    let (stuck, _held) = stuck_port().await;
    let closed = closed_port().await;
    let mut served = BTreeMap::new();
    for guest in ["conformance-02", "conformance-03"] {
        served.insert(
            guest,
            Single::start(guest, &["--allow-outbound", "*"]).await,
        );
    }
    let mut wrong = Vec::new();
    for row in &rows {
        for guest in &row.guests {
            let authority = served[guest].authority();
            let fill = |text: &str| {
                text.replace("{to}", &format!("scheme=http&to={peer}&path="))
                    .replace("{host}", authority)
                    .replace("{peer}", &peer)
                    .replace("{closed}", &closed.to_string())
                    .replace("{stuck}", &stuck.to_string())
                    .replace("{100 KiB}", &"x".repeat(100 * 1024))
            };
            let asked = request(&fill(&row.request), authority);
            let got = exchange(authority, asked).await;
            if let Some(got) = difference(&fill(&row.answer), &got) {
                let Row {
                    line,
                    clause,
                    request,
                    answer,
                    ..
                } = row;
                wrong.push(format!(
                    "docs/conformance.md:{line} ({clause}), {guest}\n  {request}\n  expected {answer}\n  got {got}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
