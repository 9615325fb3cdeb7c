//! Which components are in memory: the least recently used goes when they are too many bytes together.
//! One that is at work stays until its work is done, whatever is forgotten here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tokio::sync::OnceCell;

use super::limits::LOADED_OVERHEAD_BYTES;
use super::loaded::Loaded;

/// The components in memory, by hash.
pub(super) struct Memory<T = Loaded> {
    slots: RwLock<HashMap<String, Arc<Slot<T>>>>,
    clock: AtomicU64,
    bytes_max: u64,
}

/// One component's place. The cell makes concurrent first calls load it once.
pub(super) struct Slot<T = Loaded> {
    pub(super) cell: OnceCell<Arc<T>>,
    used: AtomicU64,
    /// 0 until it is loaded.
    bytes: AtomicU64,
}

impl<T> Memory<T> {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            slots: RwLock::default(),
            clock: AtomicU64::new(0),
            bytes_max,
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Arc<Slot<T>>>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a component, made if there is none.
    pub(super) fn slot(&self, sha256: &str) -> Arc<Slot<T>> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(sha256) {
            slot.used.store(now, Ordering::Relaxed);
            return Arc::clone(slot);
        }
        drop(slots);
        let mut slots = self.write();
        let slot = slots.entry(sha256.to_owned()).or_insert_with(|| {
            Arc::new(Slot {
                cell: OnceCell::new(),
                used: AtomicU64::new(now),
                bytes: AtomicU64::new(0),
            })
        });
        Arc::clone(slot)
    }

    /// A component has been loaded, with so many bytes of code. Others go if they are too many now,
    /// and so does what never was loaded.
    pub(super) fn weigh(&self, sha256: &str, slot: &Slot<T>, code_bytes: usize) {
        let bytes = LOADED_OVERHEAD_BYTES.saturating_add(code_bytes as u64);
        slot.bytes.store(bytes, Ordering::Relaxed);
        // To unmap what goes takes milliseconds, and every call asks for its slot: after the lock.
        let mut gone = Vec::new();
        let mut slots = self.write();
        let mut held: u64 = slots.values().map(|slot| slot.weight()).sum();
        while held > self.bytes_max {
            let others = slots
                .iter()
                .filter(|(name, slot)| *name != sha256 && slot.weight() > 0);
            let oldest = others.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            if let Some(slot) = slots.remove(&oldest) {
                held = held.saturating_sub(slot.weight());
                gone.push(slot);
            }
        }
        drop(slots);
    }

    /// Takes a component away, loaded or not.
    pub(super) fn forget(&self, sha256: &str) {
        let gone = self.write().remove(sha256);
        drop(gone);
    }

    /// How many there are, and their bytes.
    pub(super) fn holds(&self) -> (usize, u64) {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let loaded = slots.values().filter(|slot| slot.weight() > 0);
        loaded.fold((0, 0), |(count, bytes), slot| {
            (count + 1, bytes + slot.weight())
        })
    }
}

impl<T> Slot<T> {
    fn weight(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;

    /// Loads components of so many KiB in this order and says which stay.
    fn check(room_kib: u64, loaded: &[(&str, u64)], stay: &[&str]) {
        let memory = Memory::<()>::new(room_kib * KIB);
        for (name, kib) in loaded {
            let slot = memory.slot(name);
            drop(slot.cell.set(Arc::new(())));
            let code = kib * KIB - LOADED_OVERHEAD_BYTES;
            memory.weigh(name, &slot, usize::try_from(code).unwrap());
        }
        let slots = memory.slots.read().unwrap();
        let mut left: Vec<&str> = slots.keys().map(String::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, stay, "{loaded:?} in {room_kib} KiB");
    }

    #[test]
    fn the_least_recently_used_goes_when_bytes_are_too_many() {
        check(300, &[("a", 100), ("b", 100), ("c", 100)], &["a", "b", "c"]);
        check(300, &[("a", 100), ("b", 100), ("c", 101)], &["b", "c"]);
        check(
            300,
            &[("a", 100), ("b", 100), ("a", 100), ("c", 200)],
            &["a", "c"],
        );
        check(300, &[("a", 100), ("b", 100), ("c", 250)], &["c"]);
    }

    #[test]
    fn one_that_is_larger_than_all_the_room_is_kept_alone() {
        check(100, &[("a", 80), ("b", 500)], &["b"]);
        check(100, &[("b", 500), ("a", 80)], &["a"]);
    }
}
