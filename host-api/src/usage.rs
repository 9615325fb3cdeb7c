//! What an invocation has used so far, counted by whoever sees it pass: the engine, the host calls,
//! the bodies. Nothing is decided by it; limits are kept elsewhere.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// The counters of one invocation.
#[derive(Debug, Default)]
pub struct Usage {
    cpu_ns: AtomicU64,
    memory_bytes: AtomicU64,
    host_ns: AtomicU64,
    host_calls: AtomicU32,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// What they say at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// CPU time of the guest.
    pub cpu: Duration,
    /// The most memory that its instance had.
    pub memory_bytes: u64,
    /// Time in calls of the host, waiting for the database included.
    pub host: Duration,
    /// How many there were.
    pub host_calls: u32,
    /// Of the request's body, as far as the guest took it.
    pub bytes_in: u64,
    /// Of the answer's body, as far as the caller took it.
    pub bytes_out: u64,
}

// Relaxed throughout: the counters guard no other memory.
impl Usage {
    /// The guest ran for so long.
    pub fn ran(&self, cpu: Duration) {
        self.cpu_ns.fetch_add(nanoseconds(cpu), Ordering::Relaxed);
    }

    /// Its instance has so much memory.
    pub fn has_memory(&self, bytes: u64) {
        self.memory_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// A call of the host took so long.
    pub fn called_host(&self, took: Duration) {
        self.host_calls.fetch_add(1, Ordering::Relaxed);
        self.host_ns.fetch_add(nanoseconds(took), Ordering::Relaxed);
    }

    /// So many bytes went to the guest.
    pub fn took_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes left for the caller.
    pub fn gave_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All of it, as of now.
    pub fn so_far(&self) -> Used {
        Used {
            cpu: Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed)),
            memory_bytes: self.memory_bytes.load(Ordering::Relaxed),
            host: Duration::from_nanos(self.host_ns.load(Ordering::Relaxed)),
            host_calls: self.host_calls.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
