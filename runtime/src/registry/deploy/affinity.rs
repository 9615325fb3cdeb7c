//! Which of two versions a caller has: by a value that stays with them, or anew for each request.
//!
//! Pure, and the same on every node. The value decides a number from 0 to 99, differently for each
//! canary, and the canary has those below its weight: a weight that grows takes nobody's canary away.

use std::fmt;
use std::str::FromStr;

use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// As stored; names of headers and claims that people use are a third of it.
const AFFINITY_BYTES_MAX: usize = 200;

const WANTED: &str = "write header:NAME, cookie:NAME or claim:NAME, as claim:sub";

/// What callers are told apart by. Where a request has none of it, each request is for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affinity {
    /// A header's first value.
    Header(HeaderName),
    /// A cookie.
    Cookie(String),
    /// A claim of a user's token.
    Claim(String),
}

impl FromStr for Affinity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').ok_or(WANTED)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || text.len() > AFFINITY_BYTES_MAX || !name.bytes().all(plain) {
            return Err(format!(
                "{WANTED}; a name has letters, digits, dashes, dots and underscores"
            ));
        }
        match kind {
            "header" => {
                let header: HeaderName = name.parse().map_err(|_| WANTED)?;
                match header {
                    AUTHORIZATION => Err("tokens change; name a claim, as claim:sub".to_owned()),
                    COOKIE => Err("name the cookie itself, as cookie:session".to_owned()),
                    header => Ok(Self::Header(header)),
                }
            }
            "cookie" => Ok(Self::Cookie(name.to_owned())),
            "claim" => Ok(Self::Claim(name.to_owned())),
            _ => Err(WANTED.to_owned()),
        }
    }
}

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
        }
    }
}

/// A share of the calls in percent, from 1 to 99.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// None for nothing and for all: those are no shares.
    #[must_use]
    pub fn new(percent: i64) -> Option<Self> {
        let percent = u8::try_from(percent).ok();
        percent.filter(|it| (1..=99).contains(it)).map(Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// What it leaves.
    #[must_use]
    pub const fn rest(self) -> u8 {
        100 - self.0
    }
}

/// The draw that decides between a canary and the version beside it.
pub(crate) struct Draw(Sha256);

impl Draw {
    /// A draw of its own for each canary, so that it is not always the same callers who try what is new.
    pub(crate) fn of(canary: Uuid) -> Self {
        Self(Sha256::new_with_prefix(canary.as_bytes()))
    }

    /// What the caller is known by.
    pub(crate) fn by(self, key: &[u8]) -> Self {
        Self(self.0.chain_update(key))
    }

    /// The same, as it is printed.
    pub(crate) fn by_text(mut self, key: &impl fmt::Display) -> Self {
        // A hash takes whatever is written to it.
        let _ = fmt::Write::write_fmt(&mut self, format_args!("{key}"));
        self
    }

    /// Whether the canary has this caller at that weight.
    pub(crate) fn falls_to(self, weight: Percent) -> bool {
        let digest = self.0.finalize();
        let first = digest.iter().take(8);
        let number = first.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        (u128::from(number) * 100) >> 64 < u128::from(weight.0)
    }
}

impl fmt::Write for Draw {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANARY: Uuid = Uuid::from_u128(7);

    fn takes(canary: Uuid, key: &[u8], weight: i64) -> bool {
        Draw::of(canary)
            .by(key)
            .falls_to(Percent::new(weight).unwrap())
    }

    #[test]
    fn what_callers_are_told_apart_by_is_read_as_it_is_written() {
        for good in ["header:x-account", "cookie:sid", "claim:org.id"] {
            assert_eq!(good.parse::<Affinity>().unwrap().to_string(), good);
        }
        let long = format!("claim:{}", "a".repeat(AFFINITY_BYTES_MAX));
        for bad in [
            "",
            "sub",
            "claim:",
            "header:a b",
            "header:authorization",
            "header:Cookie",
            "ip:1",
            "cookie:a;b",
            &long,
        ] {
            assert!(bad.parse::<Affinity>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        for none in [-1, 0, 100, 1000] {
            assert_eq!(Percent::new(none), None);
        }
        assert_eq!(Percent::new(99).map(Percent::rest), Some(1));
    }

    #[test]
    fn the_same_caller_has_the_same_number_in_every_release_and_on_every_node() {
        // Written down once: another answer would move callers when nodes are updated one by one.
        let taken: Vec<u32> = (0..40)
            .filter(|user| takes(CANARY, format!("user {user}").as_bytes(), 25))
            .collect();
        assert_eq!(taken, KNOWN);
        let by_text = Draw::of(CANARY).by_text(&12).falls_to(Percent(50));
        assert_eq!(by_text, takes(CANARY, b"12", 50));
    }

    const KNOWN: [u32; 8] = [6, 12, 13, 16, 20, 30, 32, 38];

    #[test]
    fn a_canary_has_about_its_share_and_another_canary_has_others() {
        let keys: Vec<String> = (0..4000).map(|user| format!("user {user}")).collect();
        let share = |canary, weight| {
            let taken = keys
                .iter()
                .filter(|key| takes(canary, key.as_bytes(), weight));
            taken.count()
        };
        for weight in [1, 10, 50, 99] {
            let (taken, fair) = (share(CANARY, weight), weight as usize * 40);
            assert!(taken.abs_diff(fair) < 160, "{taken} of 4000 at {weight} %");
        }
        let both = keys.iter().filter(|key| {
            takes(CANARY, key.as_bytes(), 10) && takes(Uuid::from_u128(8), key.as_bytes(), 10)
        });
        assert!(both.count() < 100);
    }

    proptest! {
        #[test]
        fn a_weight_that_grows_takes_nobodys_canary_away(
            key: Vec<u8>, canary: u128, from in 1_i64..=99, to in 1_i64..=99
        ) {
            let (less, more) = (from.min(to), from.max(to));
            let canary = Uuid::from_u128(canary);
            prop_assert!(!takes(canary, &key, less) || takes(canary, &key, more));
        }
    }
}
