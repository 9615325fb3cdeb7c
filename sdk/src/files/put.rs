//! Writes of files: of what is at hand, of a body as it arrives, piece by piece.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use wit_bindgen::{FutureWriter, StreamWriter};

use super::{Download, File};
use crate::bindings::imports::koyalite::host::files as host;
use crate::bindings::imports::{wit_future, wit_stream};
use crate::body::{Body, Incoming, incomplete};
use crate::tables::{Error, ErrorKind};

/// What the host answers where content had no end.
const INCOMPLETE: &str = "upload_incomplete";

/// A write of that path and content, not begun.
pub fn put(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Put {
    Put {
        path: path.into(),
        content: content.into(),
        options: host::PutOptions {
            mime_type: None,
            size: None,
            precondition: host::Precondition::Anything,
        },
    }
}

/// A write that is not begun.
#[derive(Clone, Debug)]
#[must_use = "it is not written yet"]
pub struct Put {
    path: String,
    content: Vec<u8>,
    options: host::PutOptions,
}

impl Put {
    /// What it is, as in `image/png`. Left out: what the content begins like.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.options.mime_type = Some(mime_type.into());
        self
    }

    /// How long it will be, where it streams and that is known.
    pub fn size(mut self, size: u64) -> Self {
        self.options.size = Some(size);
        self
    }

    /// Only where there is no file.
    pub fn if_absent(mut self) -> Self {
        self.options.precondition = host::Precondition::Nothing;
        self
    }

    /// Only over the file of that `etag`.
    pub fn if_etag(mut self, etag: impl Into<String>) -> Self {
        self.options.precondition = host::Precondition::Etag(etag.into());
        self
    }

    /// Writes the content that is at hand.
    ///
    /// # Errors
    /// Denied by policies; `file_changed`, `file_too_large`, `storage_quota`, `type_mismatch`,
    /// `type_not_allowed`.
    pub async fn send(mut self) -> Result<File, Error> {
        self.options.size.get_or_insert(self.content.len() as u64);
        self.begin().await?.finish().await
    }

    /// Writes a body as it arrives, after the content that is at hand. Where nothing is at hand, it does not
    /// pass through the function's memory.
    ///
    /// # Errors
    /// As [`Put::send`], and as [`Body::next`].
    pub async fn stream(self, body: Body) -> crate::Result<File> {
        self.take(body.0, incomplete).await
    }

    /// Writes what is left of another file, or of a part of one, as [`Put::stream`] does.
    ///
    /// # Errors
    /// As [`Put::send`], and as [`Download::next`].
    pub async fn copy(self, download: Download) -> crate::Result<File> {
        let error = |error: host::Error| Error::from(error).into();
        self.take(download.content, error).await
    }

    /// Begins to write: what is at hand first.
    ///
    /// # Errors
    /// As [`Put::send`]. A refusal may come with a later piece, or at the end.
    pub async fn begin(self) -> Result<Upload, Error> {
        let (content, read) = wit_stream::new();
        let (end, told) = wit_future::new(given_up);
        let call = Box::pin(host::put(self.path, self.options, read, told));
        let mut upload = Upload {
            call: Some(call),
            content,
            end,
        };
        upload.start().await?;
        upload.write(self.content).await?;
        Ok(upload)
    }

    async fn take<T: 'static, E: 'static>(
        self,
        mut from: Incoming<T, E>,
        error: impl FnOnce(E) -> crate::Error + Clone,
    ) -> crate::Result<File> {
        if self.content.is_empty() && from.end.is_some() {
            return self.pass(from, error).await;
        }
        let mut upload = self.begin().await?;
        while let Some(piece) = from.next().await.map_err(error.clone())? {
            upload.write(piece).await?;
        }
        Ok(upload.finish().await?)
    }

    /// The host gives content to itself; the function only says whether it was whole.
    async fn pass<T: 'static, E: 'static>(
        self,
        from: Incoming<T, E>,
        error: impl FnOnce(E) -> crate::Error,
    ) -> crate::Result<File> {
        let (end, told) = wit_future::new(given_up);
        let mut call = pin!(host::put(self.path, self.options, from.stream, told));
        let mut telling = pin!(async move {
            if let Some(whole) = from.end {
                whole.await?;
            }
            // Whoever no longer listens has an answer of its own.
            let _ = end.write(Ok(())).await;
            Ok::<(), E>(())
        });
        let mut heard = None;
        let answer = poll_fn(|cx| {
            let answer = call.as_mut().poll(cx);
            if answer.is_pending()
                && heard.is_none()
                && let Poll::Ready(how) = telling.as_mut().poll(cx)
            {
                heard = Some(how);
            }
            answer
        });
        match (answer.await, heard) {
            (Ok(file), _) => Ok(file.into()),
            (Err(refused), Some(Err(broken))) if refused.code == INCOMPLETE => Err(error(broken)),
            (Err(refused), _) => Err(Error::from(refused).into()),
        }
    }
}

type Call = Pin<Box<dyn Future<Output = Result<host::File, host::Error>>>>;

/// A file on its way in. Dropped before [`Upload::finish`] has answered, it was never there.
pub struct Upload {
    /// None once it has failed. Dropped first: the host gives it up before it could see an end.
    call: Option<Call>,
    content: StreamWriter<u8>,
    end: FutureWriter<Result<(), host::Error>>,
}

impl Upload {
    /// Takes more bytes.
    ///
    /// # Errors
    /// As [`Put::send`]; an error ends the upload.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        let bytes = bytes.into();
        // An empty write would wait for a reader without giving it anything.
        if bytes.is_empty() || self.content.write_all(bytes).await.is_empty() {
            return Ok(());
        }
        let call = self.call.take().ok_or_else(over)?;
        Err(call.await.map_or_else(Into::into, |_| over()))
    }

    /// Makes a file of them.
    ///
    /// # Errors
    /// As [`Put::send`].
    pub async fn finish(self) -> Result<File, Error> {
        let call = self.call.ok_or_else(over)?;
        drop(self.content);
        // Whoever no longer listens has an answer of its own.
        let _ = self.end.write(Ok(())).await;
        Ok(call.await?.into())
    }

    /// The call is made when it is first looked at.
    async fn start(&mut self) -> Result<(), Error> {
        let call = self.call.as_mut().ok_or_else(over)?;
        let looked = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
        let Poll::Ready(answer) = looked else {
            return Ok(());
        };
        self.call = None;
        Err(answer.map_or_else(Into::into, |_| over()))
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}

fn given_up() -> Result<(), host::Error> {
    Err(host::Error {
        kind: ErrorKind::Invalid,
        code: INCOMPLETE.to_owned(),
        message: "it was given up".to_owned(),
    })
}

fn over() -> Error {
    Error::new(
        ErrorKind::Invalid,
        "upload_over",
        "the upload has failed before",
    )
}
