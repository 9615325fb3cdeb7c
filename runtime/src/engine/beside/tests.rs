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
    working(std::future::ready(()))
        .gather(body, false)
        .await
        .unwrap()
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
        let body = work
            .gather(StreamBody::new(receiver).boxed_unsync(), false)
            .await;
        let whole = body.unwrap().size_hint().exact();
        assert_eq!(whole.is_some(), is_whole, "{waits}");
    }
}

#[tokio::test]
async fn a_length_that_is_announced_waits_for_its_first_byte_wherever_that_is_made() {
    for is_broken in [false, true] {
        let manner = Manner::default();
        manner.pace.was_long();
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        let work = async move {
            tokio::task::yield_now().await;
            let first = match is_broken {
                true => Err(Error::HttpResponseBodySize(Some(4))),
                false => data("one"),
            };
            sender.unbounded_send(first).unwrap();
        };
        let mut work = Beside::new(work, manner, Handle::current());
        let body = StreamBody::new(receiver).boxed_unsync();
        let body = work.gather(body, true).await;
        assert_eq!(body.is_none(), is_broken);
        if let Some(body) = body {
            assert_eq!(body.collect().await.unwrap().to_bytes(), "one");
        }
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
    assert!(nobody.gather(nothing, false).await.is_none());
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
