//! Requests byte for byte, for what no proper client would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// Sends the bytes on a connection of their own and answers all that came back until the server
/// closed it, or until it said nothing for a while.
pub(crate) async fn raw(authority: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    // A server that refuses early may close before it has read everything: that is its right.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let quiet = Duration::from_secs(2);
    let mut piece = [0; 4096];
    let reading = async {
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(quiet, stream.read(&mut piece)).await {
            answer.extend_from_slice(&piece[..read]);
        }
    };
    within("the end of a raw answer", Duration::from_secs(30), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}
