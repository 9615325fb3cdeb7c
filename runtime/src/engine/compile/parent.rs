//! The parent's side of compiling: few at once, a bounded queue, a clock, and what a child's end means.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::child::{CPU_SECONDS, EXIT_INVALID};
use crate::engine::error::AdmitError;

/// Wall time of one compilation. Three times its CPU time: the child is scheduled behind everything
/// else, so on a busy node an honest component waits longer than it works.
const WALL: Duration = Duration::from_secs(3 * CPU_SECONDS);

/// Compilations that may wait. Each holds its component in memory, at most 64 MiB.
const WAITING_MAX: usize = 16;

/// How much of a child's complaint is read.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// Starts compiling children.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Compiler {
    /// Children are `program compile`. At most half of the cores compile at once.
    pub fn new(program: PathBuf, cores: usize) -> Self {
        let permits = Arc::new(Semaphore::new((cores / 2).max(1)));
        Self {
            program,
            permits,
            waiting: Arc::default(),
        }
    }

    /// Compiles a component to native code, tagged with its kind.
    ///
    /// # Errors
    /// When it is not valid, takes too much, or too many are waiting.
    pub async fn compile(&self, component: Bytes) -> Result<Vec<u8>, AdmitError> {
        let _waiting = Waiting::enter(&self.waiting)?;
        let _permit = self.permits.acquire().await.map_err(|_| AdmitError::Busy)?;
        match tokio::time::timeout(WALL, self.run(component)).await {
            Ok(outcome) => outcome,
            // The child is killed as its handle is dropped.
            Err(_elapsed) => Err(AdmitError::CompileLimit { limit: "180 s" }),
        }
    }

    async fn run(&self, component: Bytes) -> Result<Vec<u8>, AdmitError> {
        let mut child = Command::new(&self.program)
            .arg("compile")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| internal("the compiling child did not start", &error))?;
        let (Some(mut stdin), Some(mut stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(AdmitError::Internal {
                inside: "the child has no pipes".to_owned(),
            });
        };
        let (mut code, mut complaint) = (Vec::new(), String::new());
        let mut stderr = stderr.take(COMPLAINT_BYTES_MAX);
        // All three at once: a pipe that nobody serves would stop the child.
        let (_fed, read, _complained) = tokio::join!(
            async move {
                let fed = stdin.write_all(&component).await;
                drop(stdin);
                fed
            },
            stdout.read_to_end(&mut code),
            stderr.read_to_string(&mut complaint),
        );
        read.map_err(|error| internal("the compiling child was not heard", &error))?;
        let status = child
            .wait()
            .await
            .map_err(|error| internal("the compiling child was lost", &error))?;
        if status.success() {
            Ok(code)
        } else {
            Err(verdict(status, &complaint))
        }
    }
}

/// What the end of a child means.
fn verdict(status: ExitStatus, complaint: &str) -> AdmitError {
    let complaint = complaint.lines().last().unwrap_or_default().trim();
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(EXIT_INVALID) => AdmitError::Invalid {
            reason: complaint.to_owned(),
        },
        (_, Some(libc::SIGXCPU | libc::SIGKILL)) => AdmitError::CompileLimit {
            limit: "60 s of CPU time",
        },
        // Rust aborts when memory cannot be had; a thread that gets no stack dies likewise.
        (_, Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS)) | (Some(101), _) => {
            AdmitError::CompileLimit {
                limit: "2 GiB of memory",
            }
        }
        _ => AdmitError::Internal {
            inside: format!("{status}: {complaint}"),
        },
    }
}

fn internal(what: &str, error: &std::io::Error) -> AdmitError {
    AdmitError::Internal {
        inside: format!("{what}: {error}"),
    }
}

/// One place in the queue, given back when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, AdmitError> {
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmitError::Busy);
        }
        Ok(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
