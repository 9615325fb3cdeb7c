//! Exact decimals, as far as comparing them goes.
//!
//! Numbers of the `numeric` type stay text on their way to Postgres; here they are only put in
//! order, in the way Postgres orders them: NaN equals itself and is above infinity.

use std::cmp::Ordering;

/// A numeric value, ordered as Postgres orders `numeric`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decimal {
    NegativeInfinity,
    Finite(Digits),
    Infinity,
    Nan,
}

/// A finite decimal: sign, digits before the point without leading zeros, digits after it without
/// trailing ones. Zero is never negative, so equal values have equal fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digits {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Decimal {
    /// Reads `[-+]digits[.digits]`, or Postgres' words for NaN and the infinities. Exponents are
    /// refused: `1e100000` would be a hundred thousand digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "NaN" => return Some(Self::Nan),
            "Infinity" => return Some(Self::Infinity),
            "-Infinity" => return Some(Self::NegativeInfinity),
            _ => {}
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty())
            || !digits_only(whole)
            || !digits_only(fraction)
        {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = whole.is_empty() && fraction.is_empty();
        let negative = text.starts_with('-') && !is_zero;
        Some(Self::Finite(Digits {
            negative,
            whole,
            fraction,
        }))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NegativeInfinity => 0,
            Self::Finite(_) => 1,
            Self::Infinity => 2,
            Self::Nan => 3,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Finite(a), Self::Finite(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer whole part is the larger; fractions compare as text.
        let magnitude = self
            .whole
            .len()
            .cmp(&other.whole.len())
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction));
        match (self.negative, other.negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn decimals_order_as_in_postgres() {
        let ascending = [
            "-Infinity",
            "-10",
            "-9.5",
            "-9.49",
            "-0.1",
            "0",
            "0.05",
            "0.1",
            "9",
            "10",
            "Infinity",
            "NaN",
        ];
        for pair in ascending.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
        for (a, b) in [
            ("1", "1.0"),
            ("-0", "0.00"),
            ("007", "+7"),
            (".5", "0.50"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(decimal(a), decimal(b));
        }
    }

    #[test]
    fn what_is_not_a_decimal_is_refused() {
        for text in ["", ".", "-", "1e5", "1.2.3", "--1", "0x10", "nan", "１"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_order_as_numbers(a: i64, b: i64) {
            prop_assert_eq!(decimal(&a.to_string()).cmp(&decimal(&b.to_string())), a.cmp(&b));
        }
    }
}
