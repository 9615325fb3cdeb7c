//! Arrays and records in Postgres' binary form: values inside a value.
//!
//! Both carry the type of each part. A record has no names, so [`Nested`] brings them along.

use std::io::{self, ErrorKind};

use postgres_types::Type;

use super::value::{fixed, write_value};
use super::{Content, Field, lead};

/// Rows inside a row.
pub(super) struct Nested {
    rows: Rows,
    fields: Vec<(Vec<u8>, Option<Nested>)>,
}

#[derive(Clone, Copy)]
enum Rows {
    AtMostOne,
    Many,
}

impl Nested {
    /// None for a plain value.
    pub(super) fn of(content: &Content) -> Option<Nested> {
        let (rows, fields) = match content {
            Content::Value => return None,
            Content::Row(fields) => (Rows::AtMostOne, fields),
            Content::Rows(fields) => (Rows::Many, fields),
        };
        let named = |(index, field): (usize, &Field)| {
            (lead(index, &field.name), Nested::of(&field.content))
        };
        Some(Nested {
            rows,
            fields: fields.iter().enumerate().map(named).collect(),
        })
    }

    pub(super) fn write(&self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self.rows {
            Rows::AtMostOne => self.record(bytes, out),
            Rows::Many => each(bytes, out, |_, item, out| self.record(item, out)),
        }
    }

    fn record(&self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut input = Input(bytes);
        let count = input.number()?;
        if usize::try_from(count).ok() != Some(self.fields.len()) {
            return Err(ErrorKind::InvalidData.into());
        }
        for (lead, nested) in &self.fields {
            out.extend_from_slice(lead);
            let ty = input.ty()?;
            match (input.value()?, nested) {
                (None, _) => out.extend_from_slice(b"null"),
                (Some(value), None) => write_value(&ty, value, out)?,
                (Some(value), Some(nested)) => nested.write(value, out)?,
            }
        }
        out.push(b'}');
        Ok(())
    }
}

/// Writes an array of values.
pub(super) fn write_array(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    each(bytes, out, write_value)
}

/// Writes an array of one dimension, item by item. Postgres has arrays of more, but not in a
/// column that can be written through here: those are an error.
fn each(
    bytes: &[u8],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&Type, &[u8], &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut input = Input(bytes);
    let dimensions = input.number()?;
    let _has_nulls = input.number()?;
    let ty = input.ty()?;
    let items = match dimensions {
        0 => 0,
        1 => {
            let items = input.number()?;
            let _lower_bound = input.number()?;
            items
        }
        _ => return Err(io::Error::other("an array of several dimensions")),
    };
    out.push(b'[');
    for index in 0..items {
        if index > 0 {
            out.push(b',');
        }
        match input.value()? {
            None => out.extend_from_slice(b"null"),
            Some(value) => write(&ty, value, out)?,
        }
    }
    out.push(b']');
    Ok(())
}

/// What is left to read of a value.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(fixed(self.take(4)?)?))
    }

    fn ty(&mut self) -> io::Result<Type> {
        let oid = u32::from_be_bytes(fixed(self.take(4)?)?);
        Type::from_oid(oid).ok_or_else(|| io::Error::other("a type that is not built in"))
    }

    /// A length and as many bytes; a length of -1 is NULL.
    fn value(&mut self) -> io::Result<Option<&'a [u8]>> {
        match self.number()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| ErrorKind::InvalidData)?;
                self.take(length).map(Some)
            }
        }
    }
}
