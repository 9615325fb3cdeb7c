//! Content as streams of the component model, for guests of WASI 0.3.
//!
//! On its way in, a [`Taking`] hands one piece at a time to the call that writes it: the guest goes no faster
//! than the store. On its way out, a [`Giving`] reads the next piece when it is asked for one. Neither holds
//! more than that, and neither knows a policy.

use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::channel::{mpsc, oneshot};
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Accessor, Destination, FutureConsumer, FutureReader, Source, StreamConsumer, StreamProducer,
    StreamReader, StreamResult,
};

use super::super::logged::{log, logged};
use super::super::{Host, charged};
use super::{Asked, path};
use crate::bindings::concurrent::koyalite::host::files::Error;
use crate::error::HostError;
use crate::files::{self, Download, FileInfo, Part, UploadHandle};
use crate::invocation::Invocation;
use crate::limits::FILE_CHUNK_BYTES;

/// Whether a stream was whole when it ended.
pub(super) type End = FutureReader<Result<(), Error>>;

/// What a guest is given of a file.
pub(super) type Given = (FileInfo, StreamReader<u8>, End);

/// Writes what streams. Until the call takes them, the guest's ends are closed with it.
pub(super) async fn put<T: 'static>(
    access: &Accessor<T, Host>,
    asked: Asked,
    content: StreamReader<u8>,
    end: End,
) -> Result<FileInfo, HostError> {
    let caller = access.with(|mut store| charged(&mut store));
    let open = access.with(|mut store| store.get().open_uploads.clone());
    let (content, end) = (content.guard(access), end.guard(access));
    logged(caller, |call| async move {
        let upload = UploadHandle::begin(&call, asked.wanted()?, &open).await?;
        let (into, mut pieces) = mpsc::channel(0);
        let (told, whole) = oneshot::channel();
        let piped = access.with(|mut store| {
            content.into_stream().pipe(&mut store, Taking(into))?;
            end.into_future().pipe(&mut store, Told(Some(told)))
        });
        piped.map_err(HostError::internal)?;
        while let Some(piece) = pieces.next().await {
            upload.write(&call, piece).await?;
        }
        match whole.await {
            Ok(true) => upload.finish(&call).await,
            Ok(false) | Err(_) => Err(HostError::upload_incomplete()),
        }
    })
    .await
}

/// Begins to read.
pub(super) async fn get<T: 'static>(
    access: &Accessor<T, Host>,
    file: String,
    part: Part,
) -> wasmtime::Result<Result<Given, HostError>> {
    let caller = access.with(|mut store| charged(&mut store));
    let begun = logged(caller, |call| async move {
        let caller = files::Caller::of(&call);
        let download = Download::begin(&caller, &path(&file)?, part).await?;
        Ok((download, call))
    });
    let (download, call) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    let file = download.file().clone();
    let (tell, told) = oneshot::channel();
    let giving = Giving {
        pieces: download.stream().boxed(),
        rest: Bytes::new(),
        call,
        tell: Some(tell),
    };
    // Dropped before its end, it was whole as far as anybody has looked.
    let whole = |told: Result<_, _>| told.unwrap_or(Ok(())).map_err(Error::from);
    let end = told.map(move |told| Ok::<_, wasmtime::Error>(whole(told)));
    access.with(|mut store| {
        let content = StreamReader::new(&mut store, giving)?;
        let end = FutureReader::new(&mut store, end)?;
        Ok(Ok((file, content, end)))
    })
}

/// Takes content from a guest, as fast as the other side does.
struct Taking(mpsc::Sender<Bytes>);

impl<D> StreamConsumer<D> for Taking {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        match self.0.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
        }
        let mut source = source.as_direct(store);
        let there = source.remaining();
        let (piece, _) = there.split_at(there.len().min(FILE_CHUNK_BYTES as usize));
        let piece = Bytes::copy_from_slice(piece);
        source.mark_read(piece.len());
        // A write of nothing asks only whether there is room.
        let taken = piece.is_empty() || self.0.try_send(piece).is_ok();
        Poll::Ready(Ok(match taken {
            true => StreamResult::Completed,
            false => StreamResult::Dropped,
        }))
    }
}

/// Hears from a guest whether its content was whole.
struct Told(Option<oneshot::Sender<bool>>);

impl<D> FutureConsumer<D> for Told {
    type Item = Result<(), Error>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, Self::Item>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut said = None;
        source.read(store, &mut said)?;
        if let (Some(said), Some(told)) = (said, self.0.take()) {
            // Whoever has given up does not want to know.
            let _ = told.send(said.is_ok());
        }
        Poll::Ready(Ok(()))
    }
}

/// Gives content to a guest, as fast as it reads.
struct Giving {
    pieces: BoxStream<'static, Result<Bytes, HostError>>,
    /// Of a piece, what the guest had no room for.
    rest: Bytes,
    call: Arc<Invocation>,
    tell: Option<oneshot::Sender<Result<(), HostError>>>,
}

impl Giving {
    fn end(&mut self, how: Result<(), HostError>) -> StreamResult {
        if let Err(error) = &how {
            log(&self.call, error);
        }
        if let Some(tell) = self.tell.take() {
            // Whoever has dropped it does not want to know.
            let _ = tell.send(how);
        }
        StreamResult::Dropped
    }
}

impl<D: 'static> StreamProducer<D> for Giving {
    type Item = u8;
    /// What there is goes straight to the reader.
    type Buffer = Option<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of nothing asks only whether there may be something.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        if self.rest.is_empty() {
            let next = match self.pieces.poll_next_unpin(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                next => ready!(next),
            };
            match next {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Poll::Ready(Ok(self.end(Err(error)))),
                None => return Poll::Ready(Ok(self.end(Ok(())))),
            }
        }
        let mut destination = destination.as_direct(store, self.rest.len());
        let given = destination.write(&self.rest)?;
        self.rest.advance(given);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}
