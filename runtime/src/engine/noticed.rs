//! Whether what somebody waits for has come meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// A waker that can say whether it was used, beside doing what it is for.
pub(super) struct Noticed {
    woken: AtomicBool,
    waker: Waker,
}

impl Noticed {
    pub(super) fn new(waker: &Waker) -> Self {
        Self {
            woken: AtomicBool::new(false),
            waker: waker.clone(),
        }
    }

    /// Since it was asked last.
    pub(super) fn has_been_woken(&self) -> bool {
        self.woken.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Noticed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }
}
