//! What is shared by all tests must be taken down after the last of them, whichever that is.
//!
//! Statics are not dropped. This runs what was handed in, newest first, when the process ends by
//! itself; when it is killed, `process` sees to it that nothing stays behind running.

use std::sync::{Mutex, Once};

type Ending = Box<dyn FnOnce() + Send>;

static ENDINGS: Mutex<Vec<Ending>> = Mutex::new(Vec::new());

/// Keeps something until the process ends, then drops it.
pub(crate) fn drop_at_exit(kept: impl Send + 'static) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "there is no safe way to run code after the last test"
        )]
        // SAFETY: the function does not unwind: it joins a thread that may, and ignores how it ended.
        let refused = unsafe { libc::atexit(run_endings) };
        assert_eq!(refused, 0, "no room for another function at exit");
    });
    ENDINGS.lock().unwrap().push(Box::new(move || drop(kept)));
}

extern "C" fn run_endings() {
    // A thread of its own: this one's thread-locals are gone by now.
    let _ = std::thread::spawn(|| {
        while let Some(ending) = ENDINGS.lock().ok().and_then(|mut endings| endings.pop()) {
            ending();
        }
    })
    .join();
}
