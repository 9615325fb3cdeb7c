//! The response of a function: made whole, or written while the caller reads.

use std::pin::Pin;

use serde::Serialize;

use crate::bindings::imports::koyalite::host::files;
use crate::bindings::imports::wasi::http::types::{self as raw, ErrorCode};
use crate::bindings::imports::{wit_future, wit_stream};
use crate::body::Incoming;
use crate::files::Download;
use crate::{Error, Headers, Result, Sender, log};

/// A response, built by chaining:
///
/// ```no_run
/// # use koyalite::{Response, Result};
/// # fn example() -> Result<Response> {
/// let created = Response::json(&["a", "b"])?.with_status(201).with_header("location", "/7");
/// # Ok(created)
/// # }
/// ```
#[must_use]
pub struct Response {
    status: u16,
    headers: Headers,
    content: Content,
}

enum Content {
    Empty,
    Whole(Vec<u8>),
    Stream(Writer),
    File(Incoming<(), files::Error>),
}

type Writing = Pin<Box<dyn Future<Output = Result<()>>>>;
type Writer = Box<dyn FnOnce(Sender) -> Writing>;

impl Response {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Headers::default(),
            content: Content::Empty,
        }
    }

    /// 200 with plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::whole("text/plain; charset=utf-8", text.into().into_bytes())
    }

    /// 200 with HTML.
    pub fn html(html: impl Into<String>) -> Self {
        Self::whole("text/html; charset=utf-8", html.into().into_bytes())
    }

    /// 200 with bytes of no particular type; see [`Response::with_header`] to name one.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::whole("application/octet-stream", bytes.into())
    }

    /// 200 with a value as JSON.
    ///
    /// # Errors
    /// Where the value cannot be JSON, for example a map whose keys are not text.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::whole("application/json", serde_json::to_vec(value)?))
    }

    /// 200 with a body that `write` produces while the caller already reads it.
    ///
    /// The response leaves at once; the writing goes on for as long as it takes, within the
    /// function's wall limit. An error breaks the body off, so that the caller does not take half of
    /// it for the whole.
    ///
    /// ```no_run
    /// # use koyalite::{Request, Response, Result};
    /// async fn handle(_request: Request) -> Result<Response> {
    ///     let response = Response::stream(async |mut body| {
    ///         for number in 1..=1000 {
    ///             body.send(format!("{number}\n")).await?;
    ///         }
    ///         Ok(())
    ///     });
    ///     Ok(response.with_header("content-type", "text/plain"))
    /// }
    /// # koyalite::export!(handle);
    /// ```
    pub fn stream<F>(write: F) -> Self
    where
        F: AsyncFnOnce(Sender) -> Result<()> + 'static,
    {
        let writer: Writer = Box::new(move |sender| Box::pin(async move { write(sender).await }));
        Self {
            content: Content::Stream(writer),
            ..Self::status(200)
        }
    }

    /// 200 with server-sent events, which a browser's `EventSource` reads.
    ///
    /// ```no_run
    /// # use koyalite::{Request, Response, Result};
    /// # use std::time::Duration;
    /// async fn handle(_request: Request) -> Result<Response> {
    ///     Ok(Response::events(async |mut events| {
    ///         for second in 0..60 {
    ///             events.event(&format!("{second} seconds")).await?;
    ///             koyalite::sleep(Duration::from_secs(1)).await;
    ///         }
    ///         Ok(())
    ///     }))
    /// }
    /// # koyalite::export!(handle);
    /// ```
    pub fn events<F>(write: F) -> Self
    where
        F: AsyncFnOnce(Sender) -> Result<()> + 'static,
    {
        Self::stream(write)
            .with_header("content-type", "text/event-stream")
            .with_header("cache-control", "no-store")
    }

    /// 200 with what is left of a file. It does not pass through the function's memory.
    ///
    /// It is of no particular type, whatever the file's is: not everything that somebody has stored should
    /// be shown in place. See [`Response::with_header`] to name one.
    pub fn download(download: Download) -> Self {
        let response = Self {
            content: Content::File(download.content),
            ..Self::status(200)
        };
        response.with_header("content-type", "application/octet-stream")
    }

    /// The same with another status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with a header, in the place of any other of that name.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.set(name, value.into());
        self
    }

    /// The header fields, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    fn whole(content_type: &str, body: Vec<u8>) -> Self {
        let mut headers = Headers::default();
        headers.append("content-type", content_type);
        Self {
            status: 200,
            headers,
            content: Content::Whole(body),
        }
    }

    /// Gives the response to the host; its body follows from a task of the same invocation.
    pub(crate) fn send(mut self) -> Result<raw::Response, ErrorCode> {
        if let Content::Whole(body) = &self.content {
            // A known length saves the caller the chunked encoding.
            self.headers.set("content-length", body.len().to_string());
        }
        let fields = self.headers.into_raw().map_err(refuse)?;
        let (trailers, read_trailers) = wit_future::new(|| Ok(None));
        let body = match self.content {
            Content::Empty => None,
            Content::Whole(body) => {
                let (stream, read) = wit_stream::new();
                wit_bindgen::spawn_local(async move {
                    // An error would mean that the caller has gone, which is no concern of a
                    // finished function.
                    let _ = Sender::new(stream).send(body).await;
                    drop(trailers);
                });
                Some(read)
            }
            Content::Stream(write) => {
                let (stream, read) = wit_stream::new();
                wit_bindgen::spawn_local(async move {
                    if let Err(error) = write(Sender::new(stream)).await {
                        let _ = trailers.write(Err(broken_off(&error.to_string()))).await;
                    }
                });
                Some(read)
            }
            Content::File(Incoming { end: None, .. }) => None,
            Content::File(Incoming {
                stream,
                end: Some(end),
            }) => {
                wit_bindgen::spawn_local(async move {
                    if let Err(error) = end.await {
                        let _ = trailers.write(Err(broken_off(&error.message))).await;
                    }
                });
                Some(stream)
            }
        };
        let (response, _) = raw::Response::new(fields, body, read_trailers);
        // A response says 200 by itself, and each question to the host takes time.
        if self.status != 200 {
            let set = response.set_status_code(self.status);
            set.map_err(|()| refuse(Error::internal(format!("{} is no status", self.status))))?;
        }
        Ok(response)
    }
}

/// The log says why, the caller sees an answer that breaks off.
fn broken_off(why: &str) -> ErrorCode {
    log::write(log::Level::Error, &format!("the body broke off: {why}"));
    ErrorCode::InternalError(Some("the body broke off".into()))
}

/// The function is at fault: its log says how, the caller sees the host's 500.
fn refuse(error: Error) -> ErrorCode {
    log::write(
        log::Level::Error,
        &format!("the response cannot be sent: {error}"),
    );
    ErrorCode::InternalError(None)
}
