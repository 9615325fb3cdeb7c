//! Limits of the engine, each with its reason, and the memory limiter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// How often a running guest is made to return to the host. Ten milliseconds keeps a spinning guest
/// from delaying its neighbours noticeably, at no cost that a hello could show.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

/// Instances that may exist at once on this node, unless its operator says otherwise. With
/// [`MEMORIES_PER_COMPONENT_MAX`] slots of 4 GiB reservation each, in the pools of both kinds of
/// component, 256 are 8 TiB of address space, which any 47-bit machine has.
pub const INSTANCES_DEFAULT: u32 = 256;

/// The most that an operator may ask for: half of a 47-bit address space.
pub const INSTANCES_MAX: u32 = 2048;

/// Calls that a node with so many instances may work on at once: the others are for idle instances
/// of shared functions.
#[must_use]
pub const fn calls_max(instances: u32) -> usize {
    (instances - instances / 16) as usize
}

/// Memories in one component. Tools that put one component into another give each its own.
pub const MEMORIES_PER_COMPONENT_MAX: u32 = 4;

/// Tables in one component: each of its modules may have one. Small ones share a page.
pub const TABLES_PER_COMPONENT_MAX: u32 = 16;

/// Bytes that a guest may hand over in one host call, all texts and lists of it together: four times
/// what the largest insert may have. The host holds them beside the guest's own memory.
pub const HOST_CALL_BYTES_MAX: usize = 16 << 20;

/// Subtasks, streams and futures that one instance may have begun and not let go of. A request needs
/// about ten.
pub const TASKS_MAX: usize = 5_000;

/// Resources (streams, requests, headers…) that one instance may hold: with
/// [`FIELDS_BYTES_MAX`] in each, the host holds at most 64 MiB for one guest, half of the memory that
/// a guest has by default.
pub const RESOURCES_MAX: usize = 2_000;

/// Bytes of the headers or trailers that a guest makes: twice what common clients and proxies take.
pub const FIELDS_BYTES_MAX: usize = 32 << 10;

/// Random bytes that one call may ask for. Keys and seeds need a few dozen; a mebibyte at a time
/// keeps a guest from making the host generate gigabytes in one call.
pub const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// How long a call waits for an instance's place when all are taken, as long as for its admission.
pub const PLACE_PATIENCE: Duration = Duration::from_secs(5);

/// Core instances inside one component. Adapters and shims need a handful; JavaScript components
/// use about a dozen.
pub const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 64;

/// Elements of one table. A function table of a large Go or Python program has some tens of thousands.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Bytes of one memory that stay mapped between two uses of a slot, so that a fresh instance
/// finds its pages without a fault. What an ordinary request dirties is well under this.
pub const MEMORY_KEEP_RESIDENT: usize = 2 << 20;

/// The same for tables.
pub const TABLE_KEEP_RESIDENT: usize = 512 << 10;

/// Slots that nobody uses and that keep a component's memory, in the pools of both kinds together: the next
/// instance of that component finds its pages there. As many as wasmtime keeps in a pool by itself.
pub const WARM_SLOTS: u32 = 100;

/// Pages of 64 KiB by which a memory starts larger than its guest knows (`compile::room`): a MiB does for
/// what an ordinary request allocates, and is small beside the least that a manifest can ask for.
pub const ROOM_PAGES: u32 = 16;
const ROOM_BYTES: usize = ROOM_PAGES as usize * (64 << 10);

/// The largest single memory, whatever a manifest says.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;

/// Requests that one shared instance works on at once. More would queue behind each other on
/// the one thread that an instance has.
pub const SHARED_CONCURRENCY: usize = 16;

/// Requests after which a shared instance is replaced, so that a slow leak in a guest stays small.
pub const SHARED_REQUESTS_MAX: usize = 10_000;

/// How long an idle shared instance is kept.
pub const SHARED_IDLE: Duration = Duration::from_secs(30);

/// What a component in memory costs beside its code, as measured: types, names, links.
pub const LOADED_OVERHEAD_BYTES: u64 = 60 << 10;

/// Sums what all memories and tables of one store hold, because a component may have many of
/// each and the limit is the function's, not a memory's.
#[derive(Debug)]
pub struct MemoryLimiter {
    used_bytes: usize,
    limit_bytes: usize,
    breach: Breach,
}

/// The memory of a store and the limit that a guest ran into, readable while somebody else holds the
/// store.
#[derive(Clone, Debug, Default)]
pub(super) struct Breach(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    limit_bytes: AtomicUsize,
    used_bytes: AtomicUsize,
}

impl Breach {
    /// The limit in bytes, if it was reached.
    pub(super) fn get(&self) -> Option<usize> {
        Some(self.0.limit_bytes.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// What the store's memories and tables hold. They never shrink, so it is also their peak.
    pub(super) fn used(&self) -> usize {
        self.0.used_bytes.load(Ordering::Relaxed)
    }
}

impl MemoryLimiter {
    /// A limiter for one store.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            used_bytes: 0,
            limit_bytes,
            breach: Breach::default(),
        }
    }

    /// Where it is said that the guest ran into the limit.
    pub(super) fn breach(&self) -> Breach {
        self.breach.clone()
    }

    fn grow(&mut self, by: usize) -> wasmtime::Result<bool> {
        let wanted = self.used_bytes.saturating_add(by);
        if wanted > self.limit_bytes {
            let limit = &self.breach.0.limit_bytes;
            limit.store(self.limit_bytes, Ordering::Relaxed);
            // A trap rather than a failed `memory.grow`: the guest's allocator would turn the
            // latter into a panic whose message does not name the limit.
            return Err(wasmtime::format_err!(
                "memory limit of the function reached"
            ));
        }
        self.used_bytes = wanted;
        self.breach.0.used_bytes.store(wanted, Ordering::Relaxed);
        Ok(true)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let by = desired.saturating_sub(current);
        // A memory that is being made may end in room that its guest does not know of; what does not fit
        // of that is not the guest's fault.
        let beyond = self.used_bytes.saturating_add(by);
        let beyond = beyond.saturating_sub(self.limit_bytes);
        match current {
            0 if beyond <= ROOM_BYTES => self.grow(by.saturating_sub(beyond)),
            _ => self.grow(by),
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A table element is a pointer and a tag in the host.
        self.grow(
            desired
                .saturating_sub(current)
                .saturating_mul(2 * size_of::<usize>()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_summed_over_memories() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).is_ok());
        assert!(limiter.memory_growing(0, 40, None).is_ok());
        assert_eq!(limiter.breach().get(), None);
        assert!(limiter.memory_growing(40, 41, None).is_err());
        assert_eq!(limiter.breach().get(), Some(100));
    }

    #[test]
    fn room_that_does_not_fit_is_not_held_against_the_guest() {
        let mut limiter = MemoryLimiter::new(ROOM_BYTES);
        assert!(limiter.memory_growing(0, 2 * ROOM_BYTES, None).is_ok());
        assert_eq!(limiter.breach().used(), ROOM_BYTES);
        assert!(
            limiter
                .memory_growing(2 * ROOM_BYTES, 2 * ROOM_BYTES + 1, None)
                .is_err()
        );
        let mut limiter = MemoryLimiter::new(ROOM_BYTES);
        assert!(limiter.memory_growing(0, 2 * ROOM_BYTES + 1, None).is_err());
    }
}
