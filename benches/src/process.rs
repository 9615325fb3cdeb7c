//! A process that is measured: what it has used of the processor, and how much memory at most.

use std::time::Duration;

use anyhow::Context;
use tokio::process::Child;

/// A child whose costs can be read. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    id: u32,
}

impl Process {
    /// Takes over a child that was started with `kill_on_drop`.
    ///
    /// # Errors
    /// Where it has ended already.
    pub(crate) fn new(child: Child) -> anyhow::Result<Self> {
        let id = child.id().context("the process has ended")?;
        Ok(Self { child, id })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Ends it as an operator would, and waits for that.
    ///
    /// # Errors
    /// Where it cannot be told or waited for.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.end().await
    }

    /// The same, for one that another is to take the place of.
    ///
    /// # Errors
    /// Where it cannot be told or waited for.
    pub(crate) async fn end(&mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.id)?;
        #[expect(unsafe_code, reason = "a signal to a child of ours")]
        // SAFETY: kill takes two numbers, and the child has not been waited for: the id is its own.
        let sent = unsafe { libc::kill(id, libc::SIGTERM) };
        anyhow::ensure!(sent == 0, "the process cannot be told to end");
        self.child.wait().await?;
        Ok(())
    }
}

/// The processor's time that a process has used so far, in its own code and in the kernel's.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn cpu(id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name is in brackets and may hold anything; what follows it is fixed (proc(5): utime is the
    // 14th field, stime the 15th, so the 12th and 13th after the name).
    let (_, fields) = stat.rsplit_once(')').context("an odd /proc/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / ticks_per_second()))
}

/// The same of all children of a process that it has now, such as the connections of Postgres.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn cpu_of_children(id: u32) -> anyhow::Result<Duration> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let mut used = Duration::ZERO;
    for child in children.split_whitespace() {
        // One that has just ended has nothing to tell.
        used += child.parse().map(cpu)?.unwrap_or_default();
    }
    Ok(used)
}

/// The most memory that the process ever held, in MiB.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn peak_mib(id: u32) -> anyhow::Result<f64> {
    status_mib(id, "VmHWM:")
}

/// The memory that the process holds now, in MiB.
///
/// # Errors
/// Where the kernel does not tell.
pub(crate) fn resident_mib(id: u32) -> anyhow::Result<f64> {
    status_mib(id, "VmRSS:")
}

fn status_mib(id: u32, field: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let text = line.with_context(|| format!("no {field}"))?;
    let kib = text.trim().trim_end_matches(" kB").trim();
    Ok(kib.parse::<f64>()? / 1024.0)
}

fn ticks_per_second() -> u64 {
    #[expect(unsafe_code, reason = "the standard library does not tell")]
    // SAFETY: it reads one constant of the system.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}
