//! The request that a function answers.
//!
//! Nothing is fetched from the host before it is asked for: a function that looks at neither
//! headers nor body pays for neither.

use std::cell::{OnceCell, RefCell};

use serde::de::DeserializeOwned;

use crate::bindings::imports::{wasi::http::types as raw, wit_future};
use crate::{Body, Error, Headers, Method, Result, text};

/// The header by which the host says where the function is mounted.
const BASE_PATH: &str = "koyalite-base-path";

/// A request. All readers take `&self`; the body can be read once.
#[derive(Debug)]
pub struct Request {
    /// Gone once the body is read.
    raw: RefCell<Option<raw::Request>>,
    method: OnceCell<Method>,
    uri: OnceCell<String>,
    headers: OnceCell<Headers>,
}

impl Request {
    pub(crate) fn new(raw: raw::Request) -> Self {
        Self {
            raw: RefCell::new(Some(raw)),
            method: OnceCell::new(),
            uri: OnceCell::new(),
            headers: OnceCell::new(),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.method.get_or_init(|| {
            self.ask(|raw| raw.get_method().into())
                .unwrap_or(Method::Get)
        })
    }

    /// Path and query as the caller sent them, for example `/f/demo/todo/7?full=1`.
    pub fn uri(&self) -> &str {
        let ask = || self.ask(raw::Request::get_path_with_query).flatten();
        self.uri
            .get_or_init(|| ask().unwrap_or_else(|| "/".to_owned()))
    }

    /// Where the function is mounted, for example `/f/demo/todo`: what links to itself begin with.
    pub fn base_path(&self) -> &str {
        self.header(BASE_PATH).unwrap_or("")
    }

    /// The path below the function's own, with a leading slash and as it was sent (not decoded):
    /// `/7` of `/f/demo/todo/7`.
    pub fn path(&self) -> &str {
        let path = self.uri().split('?').next().unwrap_or("/");
        text::below(path, self.base_path())
    }

    /// The parts of [`Request::path`] between its slashes, empty ones left out.
    pub fn segments(&self) -> Vec<&str> {
        self.path()
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect()
    }

    /// The first query parameter of this name, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let found = self
            .query_pairs()
            .into_iter()
            .find(|(other, _)| other == name);
        found.map(|(_, value)| value)
    }

    /// All query parameters, decoded, in order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        let query = self.uri().split_once('?').map_or("", |(_, query)| query);
        text::query_pairs(query).collect()
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        let ask = || self.ask(|raw| Headers::from_raw(&raw.get_headers()));
        self.headers.get_or_init(|| ask().unwrap_or_default())
    }

    /// The first value of one header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)
    }

    /// The body, to be read piece by piece.
    ///
    /// # Errors
    /// Where the body was read before.
    pub fn body(&self) -> Result<Body> {
        // The host's request goes away with its body: keep what may be asked for later.
        self.method();
        self.uri();
        self.headers();
        let Some(raw) = self.raw.borrow_mut().take() else {
            return Err(Error::internal("the request's body was read before"));
        };
        let (_, read) = wit_future::new(|| Ok(()));
        let (stream, end) = raw::Request::consume_body(raw, read);
        Ok(Body::new(stream, end))
    }

    /// The whole body.
    ///
    /// # Errors
    /// Where it is over the function's limit (413), broke off (400) or was read before (500).
    pub async fn bytes(&self) -> Result<Vec<u8>> {
        self.body()?.bytes().await
    }

    /// The whole body as text.
    ///
    /// # Errors
    /// As [`Request::bytes`], and 400 where it is not UTF-8.
    pub async fn text(&self) -> Result<String> {
        String::from_utf8(self.bytes().await?)
            .map_err(|_| Error::bad_request("the body must be UTF-8 text"))
    }

    /// The whole body, from JSON.
    ///
    /// # Errors
    /// As [`Request::bytes`], and 400 with the reason where it is not the JSON that `T` is.
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::bad_request(format!("the body is not as expected: {error}")))
    }

    fn ask<T>(&self, question: impl FnOnce(&raw::Request) -> T) -> Option<T> {
        self.raw.borrow().as_ref().map(question)
    }
}
