//! A child process that never outlives the tests, and whose end can be waited for.
//!
//! It is spawned and waited for by a thread of its own. The kernel sends it SIGTERM when that
//! thread dies, so a test run that is killed takes its servers with it.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use super::within;

/// How long a process may take to go after SIGTERM: the drain's own limit, and some.
const GRACE: Duration = Duration::from_secs(20);

/// How much of a log a failed test shows.
const SHOWN_BYTES: usize = 16 * 1024;

/// A running child.
pub(crate) struct Process {
    id: i32,
    end: Arc<End>,
    log: PathBuf,
}

#[derive(Default)]
struct End {
    status: Mutex<Option<ExitStatus>>,
    came: Condvar,
}

impl End {
    fn wait(&self, patience: Duration) -> Option<ExitStatus> {
        let status = self.status.lock().unwrap();
        let waited = self
            .came
            .wait_timeout_while(status, patience, |status| status.is_none());
        *waited.unwrap().0
    }
}

impl Process {
    /// Starts the command; what it writes goes to the end of `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Process {
        let file = File::options().create(true).append(true).open(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        end_with_parent(&mut command);
        let end = Arc::new(End::default());
        let (started, id) = mpsc::channel();
        let theirs = Arc::clone(&end);
        std::thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(format!("{command:?}: {error}")))),
            };
            let _ = started.send(Ok(i32::try_from(child.id()).unwrap()));
            *theirs.status.lock().unwrap() = Some(child.wait().unwrap());
            theirs.came.notify_all();
        });
        let id = id.recv().unwrap().unwrap();
        Process {
            id,
            end,
            log: log.to_owned(),
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    pub(crate) fn signal(&self, signal: i32) {
        // Once it has been waited for, the number may be somebody else's.
        if self.end.status.lock().unwrap().is_none() {
            send(self.id, signal);
        }
    }

    /// What it has in memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id))
            .unwrap()
            .count()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        *self.end.status.lock().unwrap()
    }

    /// Waits for the end: the exit code, or minus the signal.
    pub(crate) async fn wait(&self, patience: Duration) -> i32 {
        let end = Arc::clone(&self.end);
        let waited = tokio::task::spawn_blocking(move || end.wait(patience));
        let status = within("the end of a process", patience + GRACE, waited)
            .await
            .unwrap();
        let Some(status) = status else {
            panic!("still running after {patience:?}:\n{}", self.log_tail())
        };
        status
            .code()
            .unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// The end of what it wrote.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let from = bytes.len().saturating_sub(SHOWN_BYTES);
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Process {
    /// Ends it, kindly at first, and waits until it is gone.
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGTERM);
        if self.end.wait(GRACE).is_none() {
            eprintln!(
                "process {} did not end on SIGTERM within {GRACE:?}: killed",
                self.id
            );
            self.signal(libc::SIGKILL);
            self.end.wait(GRACE);
        }
    }
}

/// Sends a signal to a process by number. One that is gone already is no mistake.
pub(crate) fn send(process: i32, signal: i32) {
    #[expect(unsafe_code, reason = "the standard library can only send SIGKILL")]
    // SAFETY: two numbers go in, and no memory is touched.
    let _ = unsafe { libc::kill(process, signal) };
}

fn end_with_parent(command: &mut Command) {
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

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- the end of {}\n{}---",
                self.log.display(),
                self.log_tail()
            );
        }
        self.stop();
    }
}
