//! A call on its way to a worker, and the queue in which it waits for one.
//!
//! A worker may end at any moment: it has served its share, was idle for too long, or its guest
//! trapped. What still waits in its queue then has not begun, so it goes back to whoever sent it,
//! who finds another worker.

use std::task::{Context, Poll};

use futures::channel::oneshot;
use tokio::sync::mpsc;

use super::call::{Answer, Call};
use super::error::InvokeError;
use super::instance::DirectResponse;
use super::reply::Ticket;

/// What a worker says of a call.
pub(super) enum Said {
    /// How it ended.
    Ended(Result<Answer, InvokeError>),
    /// It was never begun: nothing of it has happened.
    NotBegun(Box<Call>),
}

/// A call on its way to an instance, with the place where its answer is awaited.
pub(super) struct Job {
    pub(super) call: Call,
    pub(super) reply: oneshot::Sender<Said>,
    pub(super) direct: DirectResponse,
    pub(super) ticket: Ticket,
}

impl Job {
    /// It will not be begun.
    pub(super) fn refuse(self, error: InvokeError) {
        drop(self.reply.send(Said::Ended(Err(error))));
    }

    fn hand_back(self) {
        // Said before the direct line closes, which is what its other end listens to first.
        drop(self.reply.send(Said::NotBegun(Box::new(self.call))));
    }
}

/// How calls after the first one reach a worker: not at all where the instance is fresh for one.
pub(super) struct Intake(Option<mpsc::Receiver<Job>>);

impl Intake {
    /// No further call.
    pub(super) fn closed() -> Self {
        Self(None)
    }

    /// Further calls from a queue.
    pub(super) fn from_queue(queue: mpsc::Receiver<Job>) -> Self {
        Self(Some(queue))
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// The next call; none where nobody sends any more. Pending where it is closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Job>> {
        match &mut self.0 {
            Some(queue) => queue.poll_recv(cx),
            None => Poll::Pending,
        }
    }

    /// Takes no further call, and hands back those that wait.
    pub(super) async fn close(&mut self) {
        if let Some(queue) = &mut self.0 {
            queue.close();
            // Also waits for whoever is just putting one in.
            while let Some(job) = queue.recv().await {
                job.hand_back();
            }
        }
        self.0 = None;
    }
}
