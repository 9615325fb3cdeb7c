//! Lines in the function's log. `koyalite logs -f` shows them as they are written.
//!
//! ```no_run
//! use koyalite::log;
//!
//! let rows = 3;
//! log::info!("read {rows} rows");
//! log::warn!("that is fewer than {}", 5);
//! ```
//!
//! A line over 8 KiB is cut; after 64 KiB an invocation's log ends with a line that says so. What
//! is printed to standard output and standard error is kept as well.

#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever is looking for a mistake.
    Debug,
    /// What happened.
    Info,
    /// Something is odd, and the function went on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes one line. The macros of this module are shorter.
pub fn write(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::imports::koyalite::host::log as host;
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::write(level, message);
    }
    // In a function's own unit tests there is no host.
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?}: {message}");
}

/// Writes a line at level [`Level::Debug`]. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($part)+)) };
}

/// Writes a line at level [`Level::Info`]. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($part)+)) };
}

/// Writes a line at level [`Level::Warn`]. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($part)+)) };
}

/// Writes a line at level [`Level::Error`]. Takes what `format!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($part:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($part)+)) };
}
