//! Threads for calls that take long.
//!
//! They give way to all other threads of the node: a small call, a deploy or a connection that waits for a
//! core does so behind nobody's loop. They are not starved either: where nothing is idle they have a quarter of
//! what the others have.

use tokio::runtime::{Builder, Handle, Runtime};

/// How nice is who gives way and still has to get on: at 5 the scheduler of Linux weighs a thread a third of
/// one at 0. At 19 it would be a hundredth, and a busy node would never end a call that takes long.
pub(super) const NICE: libc::c_int = 5;

/// The threads. What still runs on them ends with them, when this is dropped.
#[derive(Debug)]
pub(super) struct Aside {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Aside {
    /// As many threads as cores: a call that holds one must not keep the others from theirs.
    pub(super) fn start(cores: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores.max(1))
            .thread_name("aside")
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// Where to put calls.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Tasks that have not ended.
    pub(super) fn alive_tasks(&self) -> usize {
        self.handle.metrics().num_alive_tasks()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not to wait for it: this may be dropped by a task.
            runtime.shutdown_background();
        }
    }
}

/// The calling thread gives way from now on. Where the system knows only whole processes it does not.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain system call about the calling thread, without pointers.
        #[expect(
            unsafe_code,
            reason = "there is no safe binding for the niceness of a thread"
        )]
        unsafe {
            libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_give_way_and_no_others() {
        let nice = || -> libc::c_int {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let after_name = stat.rsplit(") ").next().unwrap().to_owned();
            after_name.split(' ').nth(16).unwrap().parse().unwrap()
        };
        let aside = Aside::start(1).unwrap();
        let there = aside.handle().spawn(async move { nice() });
        assert_eq!(there.await.unwrap(), nice() + NICE);
    }

    #[tokio::test]
    async fn what_still_runs_ends_with_the_threads() {
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        let aside = Aside::start(1).unwrap();
        aside.handle().spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(aside);
        assert!(ended.await.is_err());
    }
}
