//! A worker on the task of its caller.
//!
//! To hand a call to another task costs two wake-ups, often of another core: more than a small guest
//! takes to answer. So the caller polls the worker itself until there is an answer, and a little
//! longer: what a guest has written by then leaves in one piece, with its length. Only what still goes
//! on after that gets a task of its own; and whatever uses a slice at once goes on elsewhere, so that
//! the caller's thread is there for others.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt as _;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use uuid::Uuid;
use wasmtime_wasi_http::WasiBody;

use super::clock::thread_time;
use super::cpu::{SLICE, Share};
use super::crowd::{self, Leaver, Tally};
use super::gathered::Gathered;
use super::meter::{Alarm, Watch};
use super::noticed::Noticed;
use super::pace::{LONG, Pace};

/// Bytes of an answer that wait for its end. Most pages and documents fit; what is longer would gain
/// little from leaving in one piece, and every byte here is one that the caller does not have yet.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Frames that wait so. A guest that writes nothing, again and again, must not be listened to for ever.
const GATHERED_FRAMES_MAX: usize = 64;

/// Times that a guest is worked on for its next frame, or for the end, while what it waits for keeps coming.
const TURNS_MAX: u32 = 4;

/// A worker, until it has ended or goes on elsewhere. Dropped before, it is stopped.
pub(super) struct Beside {
    work: Option<Work>,
    alarm: Alarm,
    manner: Manner,
    elsewhere: Handle,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What says where a worker belongs.
#[derive(Clone, Default)]
pub(super) struct Manner {
    /// What it has used.
    pub(super) watch: Arc<Watch>,
    /// What others of its component did.
    pub(super) pace: Arc<Pace>,
    /// Whose it is.
    pub(super) project: Uuid,
}

impl Beside {
    /// `elsewhere` is where work belongs that is in the way here.
    pub(super) fn new(
        work: impl Future<Output = ()> + Send + 'static,
        manner: Manner,
        elsewhere: Handle,
    ) -> Self {
        // A fault of ours in one call is the end of that call, not of the connection that it is on.
        let work = AssertUnwindSafe(work).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a worker panicked");
            }
        });
        Self {
            work: Some(Box::pin(work)),
            alarm: Alarm::default(),
            manner,
            elsewhere,
        }
    }

    /// Works until `other` is ready.
    pub(super) async fn until<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        poll_fn(|cx| self.poll(cx, |_, cx| other.as_mut().poll(cx))).await
    }

    /// Takes what there is of the body, without waiting for any of it unless its length is announced. None
    /// where it broke off before its first byte: nothing of the answer has left, so the caller can be told
    /// why instead.
    pub(super) async fn gather(
        &mut self,
        mut body: WasiBody,
        is_announced: bool,
    ) -> Option<WasiBody> {
        let mut frames = VecDeque::new();
        let begun = Instant::now();
        let mut has_ended = poll_fn(|cx| {
            let (mut bytes, mut turns) = (0, 0);
            let noticed = Arc::new(Noticed::new(cx.waker()));
            let waker = Waker::from(Arc::clone(&noticed));
            let cx = &mut Context::from_waker(&waker);
            while bytes <= GATHERED_BYTES_MAX && frames.len() < GATHERED_FRAMES_MAX {
                if begun.elapsed() >= SLICE {
                    break;
                }
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        bytes += frame.data_ref().map_or(0, Bytes::len);
                        frames.push_back(Ok(frame));
                        turns = 0;
                    }
                    // Nothing comes after an error.
                    Poll::Ready(Some(Err(error))) => {
                        frames.push_back(Err(error));
                        return Poll::Ready(true);
                    }
                    Poll::Ready(None) => {
                        self.work(cx);
                        return Poll::Ready(true);
                    }
                    // What it waits for may have come while it worked: the end of the caller's own body.
                    Poll::Pending if turns > 0 && !noticed.has_been_woken() => break,
                    Poll::Pending if turns == TURNS_MAX => break,
                    Poll::Pending => {
                        self.work(cx);
                        turns += 1;
                    }
                }
            }
            Poll::Ready(false)
        })
        .await;
        // A length is a promise: whether it is broken at once must not depend on where the guest is worked on.
        if is_announced && !has_ended && frames.is_empty() {
            let first = self.until(body.frame()).await;
            has_ended = matches!(first, None | Some(Err(_)));
            frames.extend(first);
        }
        let rest = if has_ended { None } else { Some(body) };
        match frames.front() {
            Some(Err(_)) => None,
            Some(Ok(_)) | None => Some(Gathered { frames, rest }.boxed_unsync()),
        }
    }

    /// Lets the worker go on by itself, if it has not ended.
    pub(super) fn go_on(mut self) {
        if self.work.is_some() {
            tokio::spawn(poll_fn(move |cx| {
                self.poll(cx, |beside, _| match beside.work {
                    Some(_) => Poll::Pending,
                    None => Poll::Ready(()),
                })
            }));
        }
    }

    /// Works, then asks `other`; both once more where there is nothing to do but wait and a deadline has
    /// passed.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut other: impl FnMut(&Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.work(cx);
        let polled = other(self, cx);
        if polled.is_ready() || self.work.is_none() {
            return polled;
        }
        if self.alarm.poll(&self.manner.watch, cx).is_pending() {
            return polled;
        }
        self.work(cx);
        other(self, cx)
    }

    fn work(&mut self, cx: &mut Context<'_>) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        let Manner {
            watch,
            pace,
            project,
        } = &self.manner;
        let away = crowd::away(*project);
        if away.is_some() {
            watch.forfeit();
            return self.leave(work, away);
        }
        if pace.is_long() && watch.is_new() {
            if pace.is_spent() {
                watch.forfeit();
            }
            return self.leave(work, None);
        }
        let begun = Instant::now();
        let polled = work.as_mut().poll(cx);
        crowd::held(*project, begun.elapsed());
        if watch.latest() >= LONG {
            pace.was_long();
        }
        if polled.is_ready() {
            return;
        }
        match watch.share() {
            Share::Left => self.work = Some(work),
            Share::Spent => {
                pace.was_spent();
                self.leave(work, None);
            }
        }
    }

    /// It goes on where all work does that takes long. Where its project had to leave, it is noted what that
    /// uses.
    fn leave(&self, mut work: Work, away: Option<Arc<Tally>>) {
        let Manner { watch, pace, .. } = self.manner.clone();
        let (mut alarm, leaver) = (Alarm::default(), away.map(Leaver::new));
        drop(self.elsewhere.spawn(poll_fn(move |cx| {
            let before = thread_time();
            let mut polled = work.as_mut().poll(cx);
            if polled.is_pending() && alarm.poll(&watch, cx).is_ready() {
                polled = work.as_mut().poll(cx);
            }
            let used = thread_time().saturating_sub(before);
            if let Some(leaver) = &leaver {
                leaver.used(used);
            }
            // Otherwise the next ones would begin on a thread of connections again, all at once.
            if used >= SLICE || (polled.is_ready() && watch.is_long()) {
                pace.was_spent();
            } else if used >= LONG {
                pace.was_long();
            }
            polled
        })));
    }
}

#[cfg(test)]
mod tests;
