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
        poll_fn(|cx| {
            self.work(cx);
            let polled = other.as_mut().poll(cx);
            if polled.is_ready() || !self.is_overdue(cx) {
                return polled;
            }
            self.work(cx);
            other.as_mut().poll(cx)
        })
        .await
    }

    /// Takes what there is of the body without waiting for any of it. None where it broke off before
    /// its first byte: nothing of the answer has left, so the caller can be told why instead.
    pub(super) async fn gather(&mut self, mut body: WasiBody) -> Option<WasiBody> {
        let mut frames = VecDeque::new();
        let begun = Instant::now();
        let has_ended = poll_fn(|cx| {
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
                self.work(cx);
                if self.is_overdue(cx) {
                    self.work(cx);
                }
                match self.work {
                    Some(_) => Poll::Pending,
                    None => Poll::Ready(()),
                }
            }));
        }
    }

    /// Whether there is nothing to do but wait, and a deadline has passed.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        self.work.is_some() && self.alarm.poll(&self.manner.watch, cx).is_ready()
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
mod tests {
    use std::time::Duration;

    use futures::StreamExt as _;
    use futures::channel::oneshot;
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use wasmtime_wasi_http::Error;

    use super::*;

    fn body(frames: Vec<Result<Frame<Bytes>, Error>>) -> WasiBody {
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, Error> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn working(work: impl Future<Output = ()> + Send + 'static) -> Beside {
        Beside::new(work, Manner::default(), Handle::current())
    }

    async fn gathered(body: WasiBody) -> WasiBody {
        working(std::future::ready(())).gather(body).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_the_end_of_the_worker_and_of_nothing_else() {
        let (line, heard) = oneshot::channel::<()>();
        let work = async move {
            let _open_until_the_end = line;
            panic!("a fault of ours");
        };
        let mut work = working(work);
        assert!(work.until(heard).await.is_err());
    }

    #[tokio::test]
    async fn a_deadline_that_passes_while_everybody_waits_is_noticed_wherever_the_work_goes_on() {
        for is_elsewhere in [false, true] {
            let manner = Manner::default();
            if is_elsewhere {
                manner.pace.was_long();
            }
            let watch = Arc::clone(&manner.watch);
            let (line, heard) = oneshot::channel::<()>();
            let mut is_first = true;
            let work = poll_fn(move |_| {
                let _open_until_the_end = &line;
                if !std::mem::take(&mut is_first) {
                    return Poll::Ready(());
                }
                watch.set_deadline(Duration::from_millis(5));
                Poll::Pending
            });
            let mut work = Beside::new(work, manner, Handle::current());
            assert!(work.until(heard).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_whole_has_a_length() {
        let body = gathered(body(vec![data("one"), data("two")])).await;
        assert_eq!(body.size_hint().exact(), Some(6));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "onetwo");
    }

    #[tokio::test]
    async fn trailers_and_errors_leave_the_length_open() {
        let trailers = Ok(Frame::trailers(http::HeaderMap::new()));
        let with_trailers = gathered(body(vec![data("one"), trailers])).await;
        assert_eq!(with_trailers.size_hint().exact(), None);
        let cut = vec![data("one"), Err(Error::HttpResponseIncomplete)];
        let cut = gathered(body(cut)).await;
        assert_eq!(cut.size_hint().exact(), None);
        assert!(cut.collect().await.is_err());
    }

    #[tokio::test]
    async fn what_is_not_there_yet_is_not_waited_for() {
        let later = stream::iter([data("one")]).chain(stream::pending());
        let body = gathered(StreamBody::new(later).boxed_unsync()).await;
        assert_eq!(body.size_hint().exact(), None);
        assert!(!body.is_end_stream());
    }

    #[tokio::test]
    async fn what_comes_while_it_is_worked_on_leaves_in_the_same_piece() {
        for (waits, is_whole) in [(1, true), (2, true), (TURNS_MAX + 1, false)] {
            let (sender, receiver) = futures::channel::mpsc::unbounded();
            let mut work = working(async move {
                sender.unbounded_send(data("one")).unwrap();
                for _ in 0..waits {
                    // Woken at once, as by a caller's body whose end is here already.
                    let mut is_first = true;
                    let wait = poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        match std::mem::take(&mut is_first) {
                            true => Poll::Pending,
                            false => Poll::Ready(()),
                        }
                    });
                    wait.await;
                }
                drop(sender);
            });
            let body = work.gather(StreamBody::new(receiver).boxed_unsync()).await;
            let whole = body.unwrap().size_hint().exact();
            assert_eq!(whole.is_some(), is_whole, "{waits}");
        }
    }

    /// As the body of a stopped instance does: it says so as often as it is asked.
    #[tokio::test]
    async fn an_error_that_repeats_is_heard_once() {
        let cut = || stream::repeat_with(|| Err(Error::HttpResponseIncomplete));
        let begun = stream::iter([data("one")]).chain(cut());
        let body = gathered(StreamBody::new(begun).boxed_unsync()).await;
        assert!(body.collect().await.is_err());
        let mut nobody = working(std::future::ready(()));
        let nothing = StreamBody::new(cut()).boxed_unsync();
        assert!(nobody.gather(nothing).await.is_none());
    }

    #[tokio::test]
    async fn empty_frames_without_end_are_not_gathered_for_ever() {
        let body = gathered(StreamBody::new(stream::repeat_with(|| data(""))).boxed_unsync()).await;
        assert_eq!(body.size_hint().exact(), None);
    }

    #[tokio::test]
    async fn a_long_answer_is_not_kept_back() {
        let frame = || Ok(Frame::data(Bytes::from(vec![0; GATHERED_BYTES_MAX])));
        let body = gathered(body(vec![frame(), frame(), frame()])).await;
        assert_eq!(body.size_hint().upper(), None);
        let all = body.collect().await.unwrap().to_bytes();
        assert_eq!(all.len(), 3 * GATHERED_BYTES_MAX);
    }
}
