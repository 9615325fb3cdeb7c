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

use super::child::{CPU_SECONDS, EXIT_INVALID, Priority};
use crate::engine::error::AdmitError;

/// Wall time of one compilation. Three times its CPU time: the child gives way to everything
/// else, so on a busy node an honest component waits longer than it works.
const WALL: Duration = Duration::from_secs(3 * CPU_SECONDS);

/// How long a child may wait for idle moments, twice what a large component works. On a machine that has none
/// it would never end, and a deploy may be what such a machine needs: it is begun again, as others are.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Compilations that may wait. Each holds its component in memory, at most 64 MiB.
const WAITING_MAX: usize = 16;

/// How much of a child's complaint is read.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// Starts compiling children.
#[derive(Clone, Debug)]
pub struct Compiler {
    program: PathBuf,
    priority: Priority,
    idle_max: Duration,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Compiler {
    /// Children are `program compile`. At most half of the cores compile at once.
    pub fn new(program: PathBuf, priority: Priority, cores: usize) -> Self {
        let permits = Arc::new(Semaphore::new((cores / 2).max(1)));
        Self {
            program,
            priority,
            idle_max: IDLE_MAX,
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
        let to_the_end = self.with_priority(component);
        match tokio::time::timeout(WALL, to_the_end).await {
            Ok(outcome) => outcome,
            // The child is killed as its handle is dropped.
            Err(_elapsed) => Err(AdmitError::CompileLimit { limit: "180 s" }),
        }
    }

    async fn with_priority(&self, component: Bytes) -> Result<Vec<u8>, AdmitError> {
        if self.priority == Priority::Idle {
            let idle = self.run(component.clone(), Priority::Idle);
            match tokio::time::timeout(self.idle_max, idle).await {
                Ok(outcome) => return outcome,
                Err(_elapsed) => tracing::info!("no idle moments: compiling beside other work"),
            }
        }
        self.run(component, Priority::Usual).await
    }

    async fn run(&self, component: Bytes, priority: Priority) -> Result<Vec<u8>, AdmitError> {
        let mut child = Command::new(&self.program)
            .arg("compile")
            .args((priority == Priority::Idle).then_some("--idle"))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A compiler for which there are no idle moments, and which otherwise hands back what it gets.
    const BUSY: &str = "#!/bin/sh\n[ \"$2\" = --idle ] && exec /bin/sleep 600\nexec /bin/cat\n";

    #[tokio::test]
    async fn who_gets_no_idle_moments_is_compiled_beside_other_work() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("busy");
        std::fs::write(&program, BUSY).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        for priority in [Priority::Idle, Priority::Usual] {
            let compiler = Compiler {
                idle_max: Duration::from_millis(50),
                ..Compiler::new(program.clone(), priority, 1)
            };
            let code = compiler.compile(Bytes::from_static(b"any")).await;
            assert_eq!(code.unwrap(), b"any");
        }
    }
}
