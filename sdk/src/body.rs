//! Bodies that flow: [`Body`] is read piece by piece, [`Sender`] is written piece by piece.
//!
//! Both go no faster than the other side: a slow reader holds the writer, and neither keeps more
//! than one piece in memory.

use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use crate::bindings::imports::wasi::http::types::{ErrorCode, Trailers};
use crate::{Error, Result};

/// Large enough that a crossing from the host costs little per byte, small enough that an
/// instance of a few MiB holds many.
const PIECE_BYTES: usize = 64 * 1024;

/// The end of a body: whether all of it arrived.
type End = FutureReader<std::result::Result<Option<Trailers>, ErrorCode>>;

/// Content as it arrives: bytes, and whether they were all.
#[derive(Debug)]
pub(crate) struct Incoming<T: 'static, E: 'static> {
    pub(crate) stream: StreamReader<u8>,
    /// None once it is known.
    pub(crate) end: Option<FutureReader<std::result::Result<T, E>>>,
}

impl<T, E> Incoming<T, E> {
    pub(crate) fn new(
        stream: StreamReader<u8>,
        end: FutureReader<std::result::Result<T, E>>,
    ) -> Self {
        Self {
            stream,
            end: Some(end),
        }
    }

    /// The next piece. None after the last; an error where the rest will not arrive.
    pub(crate) async fn next(&mut self) -> std::result::Result<Option<Vec<u8>>, E> {
        while self.end.is_some() {
            let (status, piece) = self.stream.read(Vec::with_capacity(PIECE_BYTES)).await;
            if status == StreamResult::Dropped
                && let Some(end) = self.end.take()
            {
                end.await?;
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}

/// The body of a request, or of an answer to [`fetch`](crate::fetch), as it arrives.
#[derive(Debug)]
pub struct Body(pub(crate) Incoming<Option<Trailers>, ErrorCode>);

impl Body {
    pub(crate) fn new(stream: StreamReader<u8>, end: End) -> Self {
        Self(Incoming::new(stream, end))
    }

    /// The next piece, up to 64 KiB. None after the last.
    ///
    /// # Errors
    /// Where the rest will not arrive: 413 for a body over the limit, 400 for a sender that broke
    /// off.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        self.0.next().await.map_err(incomplete)
    }

    /// Everything that is still to come.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn bytes(mut self) -> Result<Vec<u8>> {
        let mut all = self.next().await?.unwrap_or_default();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

pub(crate) fn incomplete(code: ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestBodySize(limit) => {
            let limit = limit
                .map(|bytes| format!(" of {bytes} bytes"))
                .unwrap_or_default();
            Error::new(
                413,
                "body_limit",
                format!("the body is over the limit{limit}"),
            )
        }
        other => Error::new(
            400,
            "body_incomplete",
            format!("the body broke off: {other}"),
        ),
    }
}

/// The writing end of a streamed response; see [`Response::stream`](crate::Response::stream).
#[derive(Debug)]
pub struct Sender(StreamWriter<u8>);

impl Sender {
    pub(crate) fn new(stream: StreamWriter<u8>) -> Self {
        Self(stream)
    }

    /// Sends a piece, and waits until the caller's side has taken it.
    ///
    /// # Errors
    /// Where the caller has gone. Return it by `?`: nobody is left to write for.
    pub async fn send(&mut self, piece: impl Into<Vec<u8>>) -> Result<()> {
        let piece = piece.into();
        // An empty write would wait for a reader without giving it anything.
        if piece.is_empty() || self.0.write_all(piece).await.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            499,
            "caller_gone",
            "the caller closed the connection",
        ))
    }

    /// Sends one server-sent event with `data`, which may have several lines.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn event(&mut self, data: &str) -> Result<()> {
        self.send(event_text(data)).await
    }
}

fn event_text(data: &str) -> String {
    let lines = data
        .split('\n')
        .map(|line| format!("data: {}\n", line.trim_end_matches('\r')));
    lines.chain(["\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::event_text;

    #[test]
    fn an_event_has_a_field_for_each_line_and_ends_with_an_empty_one() {
        assert_eq!(event_text("one"), "data: one\n\n");
        assert_eq!(event_text("one\r\ntwo"), "data: one\ndata: two\n\n");
        assert_eq!(event_text(""), "data: \n\n");
    }
}
