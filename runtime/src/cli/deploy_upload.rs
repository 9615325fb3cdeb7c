//! The upload of a deploy: manifest and component as one multipart body, with a progress bar.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use anyhow::Context;

use super::client::{Client, RequestBody};
use super::error::CliError;

/// Small enough that the bar moves on a slow line, large enough to cost nothing on a fast one.
const CHUNK_BYTES: usize = 64 << 10;

/// How often the spinner turns while the server compiles.
const TICK: Duration = Duration::from_millis(100);

/// The two parts.
pub(super) struct Upload {
    /// The text of `koyalite.toml`.
    pub(super) manifest: String,
    /// The bytes of the component.
    pub(super) component: Bytes,
}

/// Uploads with a bar on standard error (none where that is not a terminal).
pub(super) async fn upload(client: &Client, path: &str, parts: Upload) -> Result<Value, CliError> {
    let mib = parts.component.len() >> 20;
    let bar = ProgressBar::new(parts.component.len() as u64);
    let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {bytes}/{total_bytes}")
        .context("the progress bar's template")?;
    bar.set_style(style);
    bar.set_message("uploading");
    bar.enable_steady_tick(TICK);
    let boundary = format!("koyalite-{}", uuid::Uuid::new_v4().simple());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let answer = client
        .upload(path, &content_type, body(parts, &boundary, &bar))
        .await;
    bar.finish_and_clear();
    // A server that refuses in the middle closes the connection, and its word can be lost.
    answer.map_err(|error| match error {
        CliError::Failed(broken) => CliError::Failed(broken.context(format!(
            "the upload of {mib} MiB broke off; a server takes 64 MiB unless its operator says otherwise"
        ))),
        error => error,
    })
}

/// The body and its length in bytes.
fn body(parts: Upload, boundary: &str, bar: &ProgressBar) -> (RequestBody, u64) {
    let opening = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"manifest\"\r\n\
         content-type: application/toml\r\n\r\n{}\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"component\"; filename=\"component.wasm\"\r\n\
         content-type: application/wasm\r\n\r\n",
        parts.manifest
    );
    let closing = format!("\r\n--{boundary}--\r\n");
    let length = (opening.len() + parts.component.len() + closing.len()) as u64;

    let bar = bar.clone();
    let mut rest = parts.component;
    let component = std::iter::from_fn(move || {
        if rest.is_empty() {
            bar.set_message("compiling");
            return None;
        }
        let chunk = rest.split_to(rest.len().min(CHUNK_BYTES));
        bar.inc(chunk.len() as u64);
        Some(chunk)
    });
    let chunks = std::iter::once(Bytes::from(opening))
        .chain(component)
        .chain(std::iter::once(Bytes::from(closing)));
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    (StreamBody::new(stream::iter(frames)).boxed_unsync(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_length_announced_is_the_length_sent() {
        let parts = Upload {
            manifest: "name = \"hello\"\n".to_owned(),
            component: Bytes::from(vec![0; CHUNK_BYTES * 2 + 1]),
        };
        let (body, length) = body(parts, "edge", &ProgressBar::hidden());
        let sent = body.collect().await.unwrap().to_bytes();
        assert_eq!(sent.len() as u64, length);
        assert!(sent.starts_with(b"--edge\r\n") && sent.ends_with(b"\r\n--edge--\r\n"));
    }
}
