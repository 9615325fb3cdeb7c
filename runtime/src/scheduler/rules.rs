//! What a schedule says about firings that overlap, come late or fail. Pure; every bound is here.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Attempts after the first one that a schedule may ask for. With a back-off that doubles, more would
/// be tried for longer than anybody looks.
pub const RETRIES_MAX: u64 = 10;

/// A day: the longest pause between two attempts, the longest run, and the longest jitter is an hour.
pub const BACKOFF_S_MAX: u64 = 86_400;

/// A day, as the longest that an operator may let any call run.
pub const TIMEOUT_S_MAX: u64 = 86_400;

/// An hour: who spreads work further apart wants another schedule.
pub const JITTER_S_MAX: u64 = 3_600;

/// A year: nothing older is worth making up for.
pub const CATCH_UP_WINDOW_S_MAX: u64 = 366 * 86_400;

/// How often a run is tried again whose node went silent, whatever the schedule says: nobody knows
/// whether it was done. Not for ever, because a run may be what ends its nodes.
pub const LOST_RETRIES: u64 = 3;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them, each with its word.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)*];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let found = Self::WORDS.iter().find(|(word, _)| *word == text);
                found.map(|(_, value)| *value).ok_or_else(|| UnknownWord(text.to_owned()))
            }
        }
    };
}

/// A word that is none of those that are known.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not known")]
pub struct UnknownWord(String);

words! {
    /// What becomes of a firing that is due while a run of its task is not over.
    Overlap {
        /// It is skipped, as a row that says so.
        #[default]
        Skip "skip",
        /// It waits for its turn.
        Queue "queue",
        /// It runs beside the other.
        Allow "allow",
    }
}

words! {
    /// What becomes of firings that no node was there for.
    CatchUp {
        /// The latest runs, and is told how many it stands for.
        #[default]
        Latest "latest",
        /// All of them run, in their order.
        All "all",
        /// None of them runs.
        None "none",
    }
}

/// What a schedule says beside its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Rules {
    /// Firings that overlap.
    pub overlap: Overlap,
    /// Firings that come late.
    pub catch_up: CatchUp,
    /// How late is too late.
    pub catch_up_window_s: u64,
    /// How often a run that failed is tried again.
    pub retries: u64,
    /// The pause before the first of these; it doubles each time.
    pub backoff_s: u64,
    /// The longest such pause.
    pub backoff_max_s: u64,
    /// How long a run may take; none: as long as the function's own limits say.
    pub timeout_s: Option<u64>,
    /// Over how many seconds the starts of tasks are spread.
    pub jitter_s: u64,
}

impl Rules {
    /// What holds where nothing is said.
    pub const USUAL: Self = Self {
        overlap: Overlap::Skip,
        catch_up: CatchUp::Latest,
        catch_up_window_s: 7 * 86_400,
        retries: 0,
        backoff_s: 10,
        backoff_max_s: 600,
        timeout_s: None,
        jitter_s: 0,
    };

    /// How late is too late.
    #[must_use]
    pub fn window(&self) -> TimeDelta {
        seconds(self.catch_up_window_s.min(CATCH_UP_WINDOW_S_MAX))
    }

    /// How long after its due time this task starts: always the same for one task, and spread evenly
    /// over tasks.
    #[must_use]
    pub fn jitter(&self, task: Uuid) -> TimeDelta {
        match self.jitter_s.min(JITTER_S_MAX) {
            0 => TimeDelta::zero(),
            // The last bytes of an id are random.
            most => {
                let (_, random) = task.as_u64_pair();
                TimeDelta::milliseconds(i64::try_from(random % (most * 1000)).unwrap_or(0))
            }
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Seconds within the bounds above.
fn seconds(count: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(count).unwrap_or(i64::MAX / 1000))
}
