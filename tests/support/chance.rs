//! Chance that can be repeated: its seed is printed, and an environment variable gives one.

use std::time::UNIX_EPOCH;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::settings::Settings;

/// Random numbers of one seed.
pub(crate) struct Chance(StdRng);

impl Chance {
    /// From the variable of that name, else from the clock; says which.
    pub(crate) fn seeded(variable: &str) -> Chance {
        let now = || u64::from(UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
        let seed = Settings::number(variable).unwrap_or_else(now);
        println!("{variable}={seed} repeats this");
        Chance::of(seed)
    }

    /// From this seed.
    pub(crate) fn of(seed: u64) -> Chance {
        Chance(StdRng::seed_from_u64(seed))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }
}
