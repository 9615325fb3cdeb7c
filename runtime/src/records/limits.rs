//! How much is remembered, and for how long. What one guest may log is bounded where it logs
//! (`koyalite_host_api::limits`).

use std::time::Duration;

/// Bounds of a node's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordLimits {
    /// Lines that wait for the writer. At most 8 KiB each: 32 MiB when every guest shouts.
    pub queue_lines_max: usize,
    /// A segment is closed at this size: small enough to be read whole when someone looks.
    pub segment_bytes_max: u64,
    /// Segments kept; the oldest goes first. With the size above: 128 MiB of disk.
    pub segments_max: usize,
    /// Segments whose last line is older go as well.
    pub retention: Duration,
}

impl Default for RecordLimits {
    fn default() -> RecordLimits {
        RecordLimits {
            queue_lines_max: 4096,
            segment_bytes_max: 8 * 1024 * 1024,
            segments_max: 16,
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

/// How long a line may wait in memory: what a crash can lose, and how far a reader lags behind.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// Lines that a follower may lag behind before it loses some.
pub const FOLLOWER_LINES_MAX: usize = 1024;

/// Failures that still find room when the queue is full.
pub const RESERVE_LINES_MAX: usize = 1024;

/// With less than a quarter of the queue free, one success in this many is kept: enough to see
/// that a function works, few enough to leave the room to failures and logs.
pub const SAMPLED_ONE_IN: u64 = 16;
