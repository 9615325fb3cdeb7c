//! Exact decimals from Postgres' binary form to JSON.
//!
//! A finite number is written as a JSON number with all its digits: what the column holds, not what
//! a float would make of it. NaN and the infinities, which JSON lacks, are strings.

use std::io::{self, Write};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Decimal digits in one group: Postgres counts in base 10 000.
const GROUP: usize = 4;

/// Writes a binary `numeric` as JSON.
///
/// # Errors
/// When the bytes are not a numeric.
pub(crate) fn write_numeric(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let numeric = Numeric::parse(bytes).ok_or(io::ErrorKind::InvalidData)?;
    match numeric.sign {
        NAN => out.write_all(b"\"NaN\""),
        POSITIVE_INFINITY => out.write_all(b"\"Infinity\""),
        NEGATIVE_INFINITY => out.write_all(b"\"-Infinity\""),
        _ => numeric.write_finite(out),
    }
}

struct Numeric<'a> {
    sign: u16,
    /// Power of 10 000 of the first group.
    weight: i16,
    /// Digits after the point.
    scale: usize,
    groups: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Numeric<'a>> {
        let (header, groups) = bytes.split_first_chunk::<8>()?;
        let [c0, c1, w0, w1, s0, s1, d0, d1] = *header;
        let (groups, rest) = groups.as_chunks::<2>();
        let count = usize::from(u16::from_be_bytes([c0, c1]));
        (rest.is_empty() && groups.len() == count).then(|| Numeric {
            sign: u16::from_be_bytes([s0, s1]),
            weight: i16::from_be_bytes([w0, w1]),
            scale: usize::from(u16::from_be_bytes([d0, d1])),
            groups,
        })
    }

    /// The group worth 10 000 to the power of `power`: zero where none is stored.
    fn group(&self, power: i32) -> u16 {
        usize::try_from(i32::from(self.weight) - power)
            .ok()
            .and_then(|index| self.groups.get(index))
            .map_or(0, |group| u16::from_be_bytes(*group))
    }

    fn write_finite(&self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.sign == NEGATIVE {
            out.push(b'-');
        }
        let first = i32::from(self.weight).max(0);
        write!(out, "{}", self.group(first))?;
        for power in (0..first).rev() {
            write!(out, "{:04}", self.group(power))?;
        }
        if self.scale == 0 {
            return Ok(());
        }
        out.push(b'.');
        let end = out.len() + self.scale;
        for power in 1..=self.scale.div_ceil(GROUP) {
            let power = i32::try_from(power).map_err(|_| io::ErrorKind::InvalidData)?;
            write!(out, "{:04}", self.group(-power))?;
        }
        out.truncate(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let mut bytes = u16::try_from(groups.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        groups
            .iter()
            .for_each(|group| bytes.extend(group.to_be_bytes()));
        bytes
    }

    #[test]
    fn decimals_keep_every_digit() {
        let check = |bytes: Vec<u8>, expected: &str| {
            let mut out = Vec::new();
            write_numeric(&bytes, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(binary(0, 0, 0, &[]), "0");
        check(binary(0, 0, 2, &[]), "0.00");
        check(binary(0, 0, 2, &[12, 3400]), "12.34");
        check(binary(1, NEGATIVE, 0, &[1, 5]), "-10005");
        check(binary(2, 0, 0, &[3]), "300000000");
        check(binary(-2, 0, 6, &[12]), "0.000000");
        check(binary(-2, 0, 8, &[12]), "0.00000012");
        check(binary(0, NAN, 0, &[]), "\"NaN\"");
        check(binary(0, POSITIVE_INFINITY, 0, &[]), "\"Infinity\"");
        check(binary(0, NEGATIVE_INFINITY, 0, &[]), "\"-Infinity\"");
    }

    #[test]
    fn bytes_that_are_no_numeric_are_refused() {
        for bytes in [&[][..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0; 9]] {
            assert!(write_numeric(bytes, &mut Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
