//! Requests to the control API as anybody: with any token or none, and with `If-Match`.

use axum::body::Body as AxumBody;
use http::header::IF_MATCH;
use serde_json::Value;

use super::api::Api;
use super::*;

impl Api {
    /// The same with another token; an empty one is none.
    pub(super) async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: impl Into<AxumBody>,
    ) -> (StatusCode, Value) {
        let response = self.send(token, (method, path, None), body).await;
        let status = response.status();
        let bytes = body::collect(response.into_body(), 1 << 20).await.unwrap();
        let value = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).as_ref())),
        };
        (status, value)
    }

    /// A request as it is: with a token, unless that is empty, and perhaps with `If-Match`.
    pub(super) async fn send(
        &self,
        token: &str,
        (method, path, seen): (&str, &str, Option<&str>),
        body: impl Into<AxumBody>,
    ) -> Response<Body> {
        let body = body
            .into()
            .map_err(|error| BodyError::Source(error.into()))
            .boxed_unsync();
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(seen) = seen {
            request = request.header(IF_MATCH, seen);
        }
        service(self.control.clone())(request.body(body).unwrap()).await
    }

    pub(super) fn admin_token(&self) -> &str {
        &self.token
    }
}
