//! Gives freed memory back to the system. The allocator keeps what was freed for the next allocation,
//! and a burst (a guest that made the host hold a lot) would stay with the process for good.
//!
//! Looks rarely, and acts only where much was freed since the last time: a steady load is never
//! disturbed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Between two looks. Giving back takes a millisecond for each hundred mebibytes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// So much more is free than after the last time: worth it.
const FREED_BYTES: u64 = 32 << 20;

/// Looks until `stop`.
pub(super) async fn keep_small(stop: CancellationToken) {
    let mut lowest = u64::MAX;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // The allocator's locks are held meanwhile: not on a thread that serves.
        let looked = tokio::task::spawn_blocking(move || look(lowest));
        lowest = looked.await.unwrap_or(lowest);
    }
}

/// Gives back what is free, if that is much more than the `lowest` that was seen; the lowest from now on.
fn look(lowest: u64) -> u64 {
    let free = free_bytes();
    if free.saturating_sub(lowest) < FREED_BYTES {
        return free.min(lowest);
    }
    give_back();
    // What has been given back still counts as free.
    free_bytes()
}

/// Bytes that the allocator holds and nobody uses.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn free_bytes() -> u64 {
    #[expect(unsafe_code, reason = "the allocator has no safe interface")]
    // SAFETY: it only reads the allocator's own books, under its own locks.
    let books = unsafe { libc::mallinfo() };
    // It counts in 32 bits. Beyond 4 GiB it begins again, and a look is missed.
    u64::from(books.fordblks.cast_unsigned())
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    #[expect(unsafe_code, reason = "the allocator has no safe interface")]
    // SAFETY: it takes a number and touches nothing but the allocator's own free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators do that by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn free_bytes() -> u64 {
    0
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}
