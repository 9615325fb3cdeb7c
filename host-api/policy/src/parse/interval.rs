//! `now() - interval '7 days'`: the one place where policies calculate.
//!
//! Lengths are fixed: a day is 24 hours, and months are refused, because theirs depends on where
//! one starts. They are bounded too, so that no row and no moment makes the sum overflow.

use sqlparser::ast::{BinaryOperator, DataType, Expr, Interval, Value as Literal, ValueWithSpan};

use super::ParseError;
use super::convert::Converter;
use super::syntax::{Spanned, Syntax};
use super::tree::unwrapped;

/// The longest time before or after now: a hundred years, far inside what a timestamp can hold.
pub const INTERVAL_DAYS_MAX: i64 = 36_500;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// `now() - interval '…'` and `now() + interval '…'`. Hands both sides back where it is neither.
pub(super) fn shifted_now(
    converter: &mut Converter,
    left: Expr,
    op: &BinaryOperator,
    right: Expr,
) -> Result<Spanned, ParseError> {
    let at = converter.at;
    let calculates = converter.calculation(op, &right);
    let Some(text) = interval(right) else {
        return Err(calculates);
    };
    let moment = converter.convert(left)?;
    let Syntax::Now { shift } = moment.syntax else {
        return Err(calculates
            .instead("move it to the other side, as in created_at > now() - interval '1 day'"));
    };
    let step = micros(&text).ok_or_else(|| {
        ParseError::new(
            calculates.position,
            "this interval is not in the policy language",
        )
        .instead("write a number of seconds, minutes, hours, days or weeks, as in '30 days'")
    })?;
    let shift = match op {
        BinaryOperator::Minus => shift.checked_sub(step),
        _ => shift.checked_add(step),
    };
    let within = |shift: &i64| shift.abs() <= INTERVAL_DAYS_MAX * MICROS_PER_DAY;
    let shift = shift.filter(within).ok_or_else(|| {
        let reason = format!("the interval is longer than {INTERVAL_DAYS_MAX} days");
        ParseError::new(calculates.position, reason).instead("compare with a literal")
    })?;
    Ok(Spanned::new(at, Syntax::Now { shift }))
}

/// The text of `interval '…'` or `'…'::interval`.
fn interval(expr: Expr) -> Option<String> {
    let value = match unwrapped(expr) {
        Expr::Interval(Interval {
            value,
            leading_field: None,
            last_field: None,
            ..
        }) => *value,
        Expr::Cast {
            expr,
            data_type: DataType::Interval { .. },
            ..
        } => unwrapped(*expr),
        _ => return None,
    };
    match value {
        Expr::Value(ValueWithSpan {
            value: Literal::SingleQuotedString(text),
            ..
        }) => Some(text),
        _ => None,
    }
}

/// Pairs of a whole number and a unit: `1 day 12 hours`.
fn micros(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let mut sum = None;
    while let Some(count) = words.next() {
        let count: i64 = count.parse().ok()?;
        let unit = match words.next()?.to_ascii_lowercase().as_str() {
            "second" | "seconds" | "sec" | "secs" => MICROS_PER_SECOND,
            "minute" | "minutes" | "min" | "mins" => 60 * MICROS_PER_SECOND,
            "hour" | "hours" => 3600 * MICROS_PER_SECOND,
            "day" | "days" => MICROS_PER_DAY,
            "week" | "weeks" => 7 * MICROS_PER_DAY,
            _ => return None,
        };
        let step = count.checked_mul(unit)?;
        sum = Some(sum.unwrap_or(0_i64).checked_add(step)?);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn lengths_are_fixed() {
        let check = |text: &str, seconds: Option<i64>| {
            assert_eq!(micros(text), seconds.map(|s| s * 1_000_000), "{text}");
        };
        check("1 day", Some(86_400));
        check(" 1 week 2 Hours ", Some(7 * 86_400 + 7_200));
        check("-5 minutes", Some(-300));
        check("90 secs", Some(90));
        for text in [
            "",
            "1",
            "day",
            "1 month",
            "1.5 days",
            "01:00:00",
            "P1D",
            "1 day ago",
        ] {
            check(text, None);
        }
        check("9223372036854775807 days", None);
    }
}
