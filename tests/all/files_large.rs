//! A file of any length takes the same memory, on its way in and on its way out.

use std::time::Duration;

use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::files::{file, own_files};
use crate::support::{ALICE, Settings, TestApp, within};

/// Enough to tell; `cargo xtask test --long` asks for five gibibytes.
const MIB: u64 = 192;

/// What a transfer may hold: parts, pieces, and what the allocator keeps of them.
pub(super) const GROWTH_KIB: u64 = 64 * 1024;

fn mebibytes() -> u64 {
    Settings::number("FILE_MIB").unwrap_or(MIB)
}

/// Watches how much memory the server takes, until the work is done; the most, and what was worked out.
pub(super) async fn watched<T>(app: &TestApp, work: impl Future<Output = T>) -> (u64, T) {
    let mut peak = 0;
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            done = &mut work => return (peak, done),
            _ = ticks.tick() => peak = peak.max(app.process.resident_kib()),
        }
    }
}

async fn send(app: &TestApp, path: &str, token: &str) -> String {
    let mib = mebibytes();
    let mut stream = TcpStream::connect(app.functions_authority()).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        mib << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..mib {
        stream.write_all(&piece).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_large_file_takes_as_little_memory_as_a_small_one() {
    let app = TestApp::start().await;
    let project = own_files(&app).await;
    let alice = project.token(ALICE).await;
    let mib = mebibytes();
    let patience = Duration::from_secs(60 + mib / 4);
    let path = format!("/files/{}/large", project.name);
    let before = app.process.resident_kib();
    let sent = watched(&app, send(&app, &path, &alice));
    let (sending, answer) = within("an upload", patience, sent).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let call = file(&project, Method::GET, "large").bearer(&alice);
    let fetched = async { call.open().await.count().await };
    let fetched = watched(&app, fetched);
    let (fetching, (bytes, ended)) = within("a download", patience, fetched).await;
    ended.unwrap();
    assert_eq!(bytes, mib << 20);
    println!("{mib} MiB: {before} KiB before, at most {sending} in, {fetching} out");
    for peak in [sending, fetching] {
        let grown = peak.saturating_sub(before);
        assert!(grown < GROWTH_KIB, "the server grew by {grown} KiB");
    }
}
