//! Requests from a function to the hosts that its manifest allows.
//!
//! ```toml
//! [outbound]
//! allow = ["https://api.example.com"]
//! ```
//!
//! ```no_run
//! use koyalite::{Request, Response, Result, fetch};
//!
//! async fn handle(_request: Request) -> Result<Response> {
//!     let answer = fetch::get("https://api.example.com/rates").send().await?;
//!     Ok(Response::bytes(answer.bytes().await?).with_status(answer.status()))
//! }
//! # koyalite::export!(handle);
//! ```
//!
//! Everything else is refused by the host before a connection is opened.

use std::cell::RefCell;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::wasi::http::{client, types as raw};
use crate::bindings::imports::{wit_future, wit_stream};
use crate::{Body, Headers, Method, Sender, text};

/// A `GET`.
pub fn get(address: &str) -> Outgoing {
    Outgoing::new(Method::Get, address)
}

/// A `POST`.
pub fn post(address: &str) -> Outgoing {
    Outgoing::new(Method::Post, address)
}

/// A request being made.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Outgoing {
    method: Method,
    address: String,
    headers: Headers,
    body: Option<Vec<u8>>,
}

impl Outgoing {
    /// A request of any method to an absolute address.
    pub fn new(method: Method, address: &str) -> Self {
        Self {
            method,
            address: address.to_owned(),
            headers: Headers::default(),
            body: None,
        }
    }

    /// Sets a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.set(name, value.into());
        self
    }

    /// Sets the body.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Sets the body to a value as JSON.
    ///
    /// # Errors
    /// Where the value cannot be JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> crate::Result<Self> {
        let bytes = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(bytes))
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// Where the address is no address, the manifest does not allow it, or nobody answers.
    pub async fn send(self) -> Result<Answer, Error> {
        let raw = self.into_raw()?;
        let answer = client::send(raw).await.map_err(Error::from_code)?;
        Ok(Answer::new(answer))
    }

    fn into_raw(mut self) -> Result<raw::Request, Error> {
        let invalid = |why: &str| Error {
            kind: ErrorKind::Invalid,
            message: why.to_owned(),
        };
        let (scheme, authority, path) = text::split_address(&self.address)
            .ok_or_else(|| invalid("an address is like https://api.example.com/path"))?;
        let scheme = match scheme {
            "https" => raw::Scheme::Https,
            "http" => raw::Scheme::Http,
            _ => return Err(invalid("an address begins with https:// or http://")),
        };
        if let Some(body) = &self.body {
            self.headers.set("content-length", body.len().to_string());
        }
        let fields = self
            .headers
            .into_raw()
            .map_err(|error| invalid(&error.to_string()))?;
        let (trailers, read_trailers) = wit_future::new(|| Ok(None));
        let contents = self.body.map(|body| {
            let (stream, read) = wit_stream::new();
            wit_bindgen::spawn_local(async move {
                // Who does not read the body says so in the answer.
                let _ = Sender::new(stream).send(body).await;
                drop(trailers);
            });
            read
        });
        let (request, _) = raw::Request::new(fields, contents, read_trailers, None);
        request
            .set_method(&self.method.into())
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(Some(&path)))
            .map_err(|()| invalid("the method or address has forbidden characters"))?;
        Ok(request)
    }
}

/// The answer to an [`Outgoing`] request.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: Headers,
    raw: RefCell<Option<raw::Response>>,
}

impl Answer {
    fn new(raw: raw::Response) -> Self {
        let headers = Headers::from_raw(&raw.get_headers());
        Self {
            status: raw.get_status_code(),
            headers,
            raw: RefCell::new(Some(raw)),
        }
    }

    /// The status. Statuses of failure are answers too, not errors.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body, to be read piece by piece.
    ///
    /// # Errors
    /// Where the body was read before.
    pub fn body(&self) -> crate::Result<Body> {
        let Some(raw) = self.raw.borrow_mut().take() else {
            return Err(crate::Error::internal("the answer's body was read before"));
        };
        let (_, read) = wit_future::new(|| Ok(()));
        let (stream, end) = raw::Response::consume_body(raw, read);
        Ok(Body::new(stream, end))
    }

    /// The whole body.
    ///
    /// # Errors
    /// Where it breaks off.
    pub async fn bytes(&self) -> crate::Result<Vec<u8>> {
        self.body()?.bytes().await
    }

    /// The whole body, from JSON.
    ///
    /// # Errors
    /// Where it breaks off or is not the JSON that `T` is.
    pub async fn json<T: DeserializeOwned>(&self) -> crate::Result<T> {
        Ok(serde_json::from_slice(&self.bytes().await?)?)
    }
}

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// Whose turn it is to act.
    pub kind: ErrorKind,
    /// One sentence for people.
    pub message: String,
}

/// Kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is not one that can be sent.
    Invalid,
    /// The manifest does not allow this address, or a limit was reached.
    Denied,
    /// Nobody answered in time.
    Timeout,
    /// The connection could not be made or broke.
    Failed,
}

impl Error {
    fn from_code(code: raw::ErrorCode) -> Self {
        use raw::ErrorCode as Code;
        let kind = match code {
            Code::HttpRequestDenied
            | Code::DestinationIpProhibited
            | Code::DestinationIpUnroutable
            | Code::ConnectionLimitReached => ErrorKind::Denied,
            Code::ConnectionTimeout
            | Code::ConnectionReadTimeout
            | Code::ConnectionWriteTimeout
            | Code::HttpResponseTimeout
            | Code::DnsTimeout => ErrorKind::Timeout,
            Code::HttpRequestMethodInvalid | Code::HttpRequestUriInvalid => ErrorKind::Invalid,
            _ => ErrorKind::Failed,
        };
        Self {
            kind,
            message: format!("the request failed: {code}"),
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Invalid => "outbound_invalid",
            ErrorKind::Denied => "outbound_denied",
            ErrorKind::Timeout => "outbound_timeout",
            ErrorKind::Failed => "outbound_failed",
        }
    }

    /// What the function's own caller is told, where the function does not handle the error.
    pub(crate) fn status(&self) -> u16 {
        match self.kind {
            ErrorKind::Invalid => 500,
            ErrorKind::Denied | ErrorKind::Failed => 502,
            ErrorKind::Timeout => 504,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
