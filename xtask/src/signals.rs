//! Signals, the little of them that a chore needs: notice Ctrl-C, end a child kindly, and leave no
//! child behind.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

static ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

/// Between two looks at a child or at [`asked_to_stop`]. Short enough that nobody notices.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

extern "C" fn note(_signal: libc::c_int) {
    ASKED_TO_STOP.store(true, Ordering::Relaxed);
}

/// From now on Ctrl-C and SIGTERM are noted instead of ending this process.
pub(crate) fn listen() {
    let handler = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        #[expect(unsafe_code, reason = "the standard library has no signals")]
        // SAFETY: the handler only stores into an atomic, which may be done at any moment.
        unsafe {
            libc::signal(signal, handler)
        };
    }
}

/// Whether one of them came.
pub(crate) fn asked_to_stop() -> bool {
    ASKED_TO_STOP.load(Ordering::Relaxed)
}

/// Waits a moment, for loops that look at several things.
pub(crate) fn moment() {
    std::thread::park_timeout(LOOK_AGAIN);
}

/// The child goes when this process goes, however that happens, and Ctrl-C on the terminal reaches
/// only us. The child must be spawned by the main thread: the kernel watches the thread.
pub(crate) fn tie_to_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let ask = || {
            #[expect(unsafe_code, reason = "no safe interface asks for the parent's death")]
            // SAFETY: prctl with these arguments changes one number of the calling process.
            match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        #[expect(unsafe_code, reason = "between fork and exec only")]
        // SAFETY: the closure makes one system call and allocates nothing.
        unsafe {
            command.pre_exec(ask)
        };
    }
}

/// Ends a child: SIGTERM, and SIGKILL if it is still there after `patience`.
///
/// # Errors
/// Where the child cannot be waited for.
pub(crate) fn end(child: &mut Child, patience: Duration) -> anyhow::Result<()> {
    if let Ok(id) = libc::pid_t::try_from(child.id())
        && child.try_wait()?.is_none()
    {
        #[expect(unsafe_code, reason = "the standard library can only send SIGKILL")]
        // SAFETY: two numbers go in; the child has not been waited for, so the number is its own.
        unsafe {
            libc::kill(id, libc::SIGTERM)
        };
    }
    let deadline = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill().context("cannot stop a child")?;
            child.wait().context("cannot wait for a child")?;
        }
        moment();
    }
    Ok(())
}
