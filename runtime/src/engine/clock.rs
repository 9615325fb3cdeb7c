//! CPU time: the thread's clock, asked no more often than it must be.
//!
//! The kernel takes more than a microsecond to say how much CPU a thread has used; asked before and after
//! each poll it was a tenth of what the smallest call costs. The time of day costs a fortieth of that, and
//! bounds the other: nobody uses more CPU than time passes. So what is over soon is charged the time that
//! passed, and only what lasts is asked of the kernel.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What is over sooner is charged the time that passed; and a reading is this old at most when a longer
/// stretch begins. So no stretch is charged less than it used, and none by more than this too much.
const GRAIN: Duration = Duration::from_micros(100);

thread_local! {
    /// The latest reading, and when it was taken.
    static LATEST: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// CPU time that the current thread has used.
pub(super) fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the call to fill; the call keeps no pointer to it.
    #[expect(
        unsafe_code,
        reason = "there is no safe binding of the thread's CPU clock"
    )]
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return Duration::ZERO;
    }
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanoseconds)
}

/// A stretch of work on this thread, which must end where it began.
pub(super) struct Stretch {
    begun: Instant,
    /// What the thread had used by then, or up to [`GRAIN`] before.
    before: Duration,
}

impl Stretch {
    pub(super) fn begin() -> Self {
        let begun = Instant::now();
        let before = match LATEST.get() {
            Some((at, cpu)) if begun.saturating_duration_since(at) <= GRAIN => cpu,
            Some(_) | None => read(begun),
        };
        Self { begun, before }
    }

    /// CPU that the stretch has used.
    pub(super) fn end(self) -> Duration {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.begun);
        match passed <= GRAIN {
            true => passed,
            false => read(now).saturating_sub(self.before).min(passed),
        }
    }
}

fn read(now: Instant) -> Duration {
    let cpu = thread_time();
    LATEST.set(Some((now, cpu)));
    cpu
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(time: Duration) {
        let before = thread_time();
        while thread_time() - before < time {
            std::hint::spin_loop();
        }
    }

    fn charged(work: impl FnOnce()) -> Duration {
        let stretch = Stretch::begin();
        work();
        stretch.end()
    }

    #[test]
    fn no_stretch_is_charged_less_than_it_used_nor_much_more() {
        for micros in [0, 20, 90, 110, 300, 2_000] {
            let used = Duration::from_micros(micros);
            let before = thread_time();
            let charged = charged(|| spin(used));
            let all = thread_time() - before;
            assert!(charged >= used, "{charged:?} of {used:?}");
            assert!(charged <= all + GRAIN, "{charged:?} of {all:?}");
        }
    }

    #[test]
    fn who_waits_is_not_charged_for_it() {
        let wait = || std::thread::park_timeout(Duration::from_millis(20));
        assert!(charged(wait) < Duration::from_millis(2));
    }

    #[test]
    fn a_stretch_within_another_takes_nothing_from_it() {
        let used = Duration::from_millis(1);
        let outer = charged(|| {
            spin(used);
            assert!(charged(|| spin(used)) >= used);
        });
        assert!(outer >= 2 * used);
    }
}
