//! One thread for each core, with a runtime of its own, for the connections of callers.
//!
//! A small guest answers in some tens of microseconds. That is less than it costs to wake another
//! core, so a connection stays on one thread and what it sets off stays with it. Nothing that may take
//! long belongs here: on these threads nobody takes over what waits behind it. The engine moves a call
//! that has used its first slice to threads that share what there is, and give way to these.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

thread_local! {
    /// Which of the cores this thread is, if it is one.
    static CORE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The threads. They end, and whatever still runs on them with them, when this is dropped.
#[derive(Debug)]
pub struct Cores {
    cores: Vec<Core>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Core {
    handle: Handle,
    tasks: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Cores {
    /// Starts so many threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let cores = (0..count).map(|index| Core::start(index, stop.clone()));
        Ok(Self {
            cores: cores.collect::<Result<_, _>>()?,
            stop,
        })
    }

    /// How many of the tasks that were given to the threads have not ended.
    #[must_use]
    pub fn spawned(&self) -> usize {
        let counts = self.cores.iter().map(|core| &core.tasks);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// All tasks on the threads, those that began there included.
    #[must_use]
    pub fn alive_tasks(&self) -> usize {
        let handles = self.cores.iter().map(|core| &core.handle);
        handles
            .map(|handle| handle.metrics().num_alive_tasks())
            .sum()
    }

    /// Their runtimes.
    pub fn runtimes(&self) -> impl Iterator<Item = Handle> {
        self.cores.iter().map(|core| core.handle.clone())
    }

    /// Runs a task on the thread that has the fewest.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(core) = self
            .cores
            .iter()
            .min_by_key(|core| core.tasks.load(Ordering::Relaxed))
        else {
            tokio::spawn(task);
            return;
        };
        let counted = Counted::new(&core.tasks);
        core.handle.spawn(async move {
            let _counted = counted;
            task.await;
        });
    }
}

/// How many cores there are for us; one where the system does not say.
#[must_use]
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Which of the cores this thread is; none on any other thread.
#[must_use]
pub fn current() -> Option<usize> {
    CORE.get()
}

impl Core {
    fn start(index: usize, stop: CancellationToken) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new()
            .name(format!("core-{index}"))
            .spawn(move || {
                CORE.set(Some(index));
                runtime.block_on(stop.cancelled());
            })?;
        Ok(Self {
            handle,
            tasks: Arc::default(),
            thread: Some(thread),
        })
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.stop.cancel();
        for core in &mut self.cores {
            if let Some(thread) = core.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a thread for connections panicked");
            }
        }
    }
}

/// One task of a core, counted down when dropped, so that a panic counts as an end.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(tasks: &Arc<AtomicUsize>) -> Self {
        tasks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(tasks))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn tasks_go_to_the_thread_that_has_the_fewest() {
        let cores = Cores::start(2).unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        cores.spawn(async move {
            tell.send(current()).unwrap();
            ended.await.ok();
        });
        let busy = told.await.unwrap();
        for _ in 0..3 {
            let (tell, told) = oneshot::channel();
            cores.spawn(async move { tell.send(current()).unwrap() });
            let other = told.await.unwrap();
            assert!(other.is_some() && other != busy, "{other:?} and {busy:?}");
            // Until it is counted out.
            let idle = |core: &Core| core.tasks.load(Ordering::Relaxed) == 0;
            while !cores.cores.iter().any(idle) {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(current(), None);
        drop(end);
    }

    #[test]
    fn what_still_runs_ends_with_the_threads() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let cores = Cores::start(1).unwrap();
        cores.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(cores);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
