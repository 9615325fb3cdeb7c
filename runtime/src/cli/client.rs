//! A small HTTP client for the control API and for the functions themselves.
//!
//! Plain HTTP/1.1 without redirects or retries: a deploy must not happen twice because a client
//! was impatient.

use std::convert::Infallible;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use chrono::Utc;
use http::{Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client as HyperClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::args::encode;
use super::error::CliError;
use super::output::typed;
use super::problem::ProblemDocument;
use super::session::{self, Session};

/// What is sent: everything from nothing to a streamed upload.
pub(super) type RequestBody = UnsyncBoxBody<Bytes, Infallible>;

/// No answer of the control API but a log is near this; more means that something else answers.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A list, or a part of one.
#[derive(Deserialize, Serialize)]
struct List {
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// A client for one server.
pub(super) struct Client {
    http: HyperClient<HttpConnector, RequestBody>,
    base: String,
    token: Option<String>,
    speaks: Speaks,
}

/// As whom a client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// With the token that it has, or with none.
    ByToken,
    /// With the access token of the session kept for this server, renewed when it ends.
    InSession,
}

impl Client {
    /// A client that speaks as whoever signed in at the server.
    pub(super) fn of_session(base: &str) -> Result<Client, CliError> {
        let client = Client::new(base, None)?;
        Ok(Client {
            speaks: Speaks::InSession,
            ..client
        })
    }

    /// A client for the server at `base`, speaking with `token` where there is one.
    pub(super) fn new(base: &str, token: Option<String>) -> Result<Client, CliError> {
        let base = base.trim_end_matches('/');
        if !base.starts_with("http://") {
            return Err(CliError::Usage(anyhow!(
                "the control URL must start with http:// (for example http://127.0.0.1:8081), not `{base}`; \
                 reach a remote server through a tunnel"
            )));
        }
        let http = HyperClient::builder(TokioExecutor::new()).build_http();
        Ok(Client {
            http,
            base: base.to_owned(),
            token,
            speaks: Speaks::ByToken,
        })
    }

    /// The session's access token, the next one if the kept one ends soon.
    async fn session_token(&self) -> Result<Option<String>, CliError> {
        let Some(kept) = session::read(&self.base)? else {
            return Ok(None);
        };
        if kept.is_fresh(Utc::now()) {
            return Ok(Some(kept.access_token));
        }
        let body = serde_json::json!({ "refresh_token": kept.refresh_token }).to_string();
        let request = self
            .request(Method::POST, "/v1/auth/refresh")
            .header(header::CONTENT_TYPE, "application/json")
            .body(full(body))
            .context("cannot make the request")?;
        let renewed = read_json(self.said_yes(request).await?).await?;
        let renewed: Session = typed(renewed)?;
        session::keep(&self.base, renewed.clone())?;
        Ok(Some(renewed.access_token))
    }

    /// `GET path`, answered as JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.json(Method::GET, path, empty()).await
    }

    /// A whole list, however many parts it is answered in.
    pub(super) async fn list(&self, path: &str) -> Result<Value, CliError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut whole: List = typed(self.get(path).await?)?;
        while let Some(cursor) = whole.next_cursor.take() {
            let next = format!("{path}{separator}cursor={}", encode(&cursor));
            let part: List = typed(self.get(&next).await?)?;
            whole.items.extend(part.items);
            whole.next_cursor = part.next_cursor;
        }
        Ok(serde_json::to_value(whole).context("cannot put the list together")?)
    }

    /// `DELETE path`.
    pub(super) async fn delete(&self, path: &str) -> Result<(), CliError> {
        self.json(Method::DELETE, path, empty()).await.map(drop)
    }

    /// Any method with a JSON body, answered as JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Value, CliError> {
        let text = serde_json::to_vec(body).context("cannot write the request as JSON")?;
        self.json(method, path, full(text)).await
    }

    /// A request with a body of another type than JSON, answered as JSON.
    pub(super) async fn upload(
        &self,
        path: &str,
        content_type: &str,
        content: (RequestBody, u64),
    ) -> Result<Value, CliError> {
        let (body, length) = content;
        let request = self
            .request(Method::PUT, path)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, length)
            .body(body)
            .context("cannot make the request")?;
        read_json(self.accepted(request).await?).await
    }

    /// `POST path` with a body of another type than JSON, answered as JSON.
    pub(super) async fn hand_in(
        &self,
        path: &str,
        content_type: &str,
        content: Vec<u8>,
    ) -> Result<Value, CliError> {
        let request = self
            .request(Method::POST, path)
            .header(header::CONTENT_TYPE, content_type)
            .body(full(content))
            .context("cannot make the request")?;
        read_json(self.accepted(request).await?).await
    }

    /// `GET path`, answered as a stream.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, CliError> {
        let request = self
            .request(Method::GET, path)
            .body(empty())
            .context("cannot make the request")?;
        Ok(self.accepted(request).await?.into_body())
    }

    /// Sends a request to any address, as it is: no token is added, every status is an answer.
    pub(super) async fn call(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, CliError> {
        let origin = match (request.uri().scheme_str(), request.uri().authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => self.base.clone(),
        };
        match self.http.request(request).await {
            Ok(response) => Ok(response),
            Err(source) if source.is_connect() => Err(CliError::Unreachable {
                base: origin,
                source,
            }),
            Err(source) => Err(CliError::Failed(
                anyhow::Error::new(source).context(format!("the connection to {origin} broke")),
            )),
        }
    }

    async fn json(&self, method: Method, path: &str, body: RequestBody) -> Result<Value, CliError> {
        let request = self
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .context("cannot make the request")?;
        read_json(self.accepted(request).await?).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(
                header::USER_AGENT,
                concat!("koyalite/", env!("CARGO_PKG_VERSION")),
            );
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// The response, if its status says yes.
    async fn accepted(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, CliError> {
        if self.speaks == Speaks::InSession
            && let Some(token) = self.session_token().await?
        {
            let bearer = header::HeaderValue::from_str(&format!("Bearer {token}"));
            let bearer = bearer.context("the kept session is damaged; sign in again")?;
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        self.said_yes(request).await
    }

    async fn said_yes(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, CliError> {
        let response = self.call(request).await?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(CliError::Refused(Box::new(read_problem(response).await?))),
        }
    }
}

/// No body.
pub(super) fn empty() -> RequestBody {
    Empty::new().boxed_unsync()
}

/// These bytes as the body.
pub(super) fn full(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into()).boxed_unsync()
}

/// The whole body as a problem document, or the status in words where it is none.
pub(super) async fn read_problem(
    response: Response<Incoming>,
) -> Result<ProblemDocument, CliError> {
    let status = response.status();
    let bytes = read(response).await?;
    Ok(match serde_json::from_slice::<ProblemDocument>(&bytes) {
        Ok(problem) if !problem.title.is_empty() => problem,
        Ok(_) | Err(_) => ProblemDocument::from_status(status),
    })
}

async fn read_json(response: Response<Incoming>) -> Result<Value, CliError> {
    let bytes = read(response).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let value = serde_json::from_slice(&bytes).context("the server's answer is not JSON")?;
    Ok(value)
}

async fn read(response: Response<Incoming>) -> Result<Bytes, CliError> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    // The error is a box of either the connection's or the limit's; both are said in its words.
    let body = body.map_err(|error| anyhow!("the answer broke off: {error}"))?;
    Ok(body.to_bytes())
}
