//! Requests that set a bench up: one each, the whole answer, anything but a success is an error.

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Sends one and reads its answer.
///
/// # Errors
/// Where there is no answer, or one that is no success; the error has its text.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> anyhow::Result<Bytes> {
    let mut request = Request::builder().method(&method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await;
    let response = response.with_context(|| format!("{method} {url}"))?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let text = || String::from_utf8_lossy(&body).into_owned();
    anyhow::ensure!(status.is_success(), "{method} {url}: {status} {}", text());
    Ok(body)
}
