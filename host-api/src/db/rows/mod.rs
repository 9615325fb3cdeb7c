//! Rows as JSON text, straight from Postgres' binary form into one buffer.
//!
//! `value` has the table of types. Rows within rows (embeds) cross as records, which have no names:
//! a [`Reading`] says them. No tree of values is built: measured, that costs more than the rest of a
//! small select.

mod nested;
mod value;

use std::error::Error as StdError;

use postgres_types::{FromSql, Type};
use tokio_postgres::{Column, Row};

use self::nested::Nested;
use self::value::{write_text, write_value};
use crate::error::HostError;

/// How the rows of a statement become an answer.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Names and forms of the columns; none where the statement's own names say it all.
    pub(crate) fields: Option<Vec<Field>>,
    /// How many of the last columns are not answered; see [`Read::hidden`].
    pub(crate) hidden: usize,
    /// At most this many rows are answered; none means all.
    pub(crate) cut: Option<u32>,
}

/// One key of an answer's rows.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) content: Content,
}

/// What stands under a key.
#[derive(Debug)]
pub(crate) enum Content {
    /// A value of some type.
    Value,
    /// A record, or NULL.
    Row(Vec<Field>),
    /// An array of records.
    Rows(Vec<Field>),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// The rows: a JSON array of objects.
    pub(crate) rows: String,
    /// JSON texts of the hidden columns of the last row that is in `rows`.
    pub(crate) hidden: Vec<String>,
    /// How many rows are in `rows`.
    pub(crate) count: u32,
    /// Whether there were more rows than [`Reading::cut`].
    pub(crate) more: bool,
}

/// Writes rows of one statement into a JSON array.
pub(crate) struct RowsWriter {
    out: Vec<u8>,
    columns: Vec<ColumnWriter>,
    hidden_types: Vec<Type>,
    hidden: Vec<Vec<u8>>,
    rows_left: Option<u32>,
    count: u32,
    more: bool,
}

struct ColumnWriter {
    /// What stands before the value: `{"id":` for the first column, `,"title":` for the next.
    lead: Vec<u8>,
    ty: Type,
    nested: Option<Nested>,
}

impl RowsWriter {
    /// A writer for rows with these columns.
    pub(crate) fn new(columns: &[Column], reading: &Reading) -> RowsWriter {
        let answered = columns.len().saturating_sub(reading.hidden);
        let fields = reading.fields.as_deref().unwrap_or_default();
        let writer = |(index, column): (usize, &Column)| {
            let field = fields.get(index);
            let name = field.map_or(column.name(), |field| field.name.as_str());
            ColumnWriter {
                lead: lead(index, name),
                ty: column.type_().clone(),
                nested: field.and_then(|field| Nested::of(&field.content)),
            }
        };
        let hidden = columns.iter().skip(answered);
        RowsWriter {
            columns: columns
                .iter()
                .take(answered)
                .enumerate()
                .map(writer)
                .collect(),
            hidden_types: hidden.map(|column| column.type_().clone()).collect(),
            hidden: vec![Vec::new(); reading.hidden],
            rows_left: reading.cut,
            count: 0,
            more: false,
            out: vec![b'['],
        }
    }

    /// Appends one row.
    ///
    /// # Errors
    /// Internal, when Postgres sends a type that no column of ours has.
    pub(crate) fn push(&mut self, row: &Row) -> Result<(), HostError> {
        match &mut self.rows_left {
            Some(0) => {
                self.more = true;
                return Ok(());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.count = self.count.saturating_add(1);
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        for (index, column) in self.columns.iter().enumerate() {
            self.out.extend_from_slice(&column.lead);
            let Raw(value) = row.try_get(index).map_err(HostError::internal)?;
            let written = match (value, &column.nested) {
                (None, _) => {
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
                (Some(bytes), None) => write_value(&column.ty, bytes, &mut self.out),
                (Some(bytes), Some(nested)) => nested.write(bytes, &mut self.out),
            };
            written.map_err(|error| unreadable(&column.ty, &error))?;
        }
        if self.columns.is_empty() {
            self.out.push(b'{');
        }
        self.out.push(b'}');
        self.keep_hidden(row)
    }

    fn keep_hidden(&mut self, row: &Row) -> Result<(), HostError> {
        let first = self.columns.len();
        for (index, (ty, kept)) in self.hidden_types.iter().zip(&mut self.hidden).enumerate() {
            kept.clear();
            let Raw(value) = row.try_get(first + index).map_err(HostError::internal)?;
            match value {
                None => kept.extend_from_slice(b"null"),
                Some(bytes) => {
                    write_value(ty, bytes, kept).map_err(|error| unreadable(ty, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The finished text.
    ///
    /// # Errors
    /// Internal, when a text column holds what is not UTF-8: the database has another encoding.
    pub(crate) fn finish(mut self) -> Result<Read, HostError> {
        self.out.push(b']');
        let text = |bytes| String::from_utf8(bytes).map_err(HostError::internal);
        Ok(Read {
            rows: text(self.out)?,
            hidden: self
                .hidden
                .into_iter()
                .map(text)
                .collect::<Result<_, _>>()?,
            count: self.count,
            more: self.more,
        })
    }
}

impl Read {
    /// What was read where there was no row.
    pub(crate) fn nothing() -> Read {
        Read {
            rows: "[]".to_owned(),
            hidden: Vec::new(),
            count: 0,
            more: false,
        }
    }
}

fn lead(index: usize, name: &str) -> Vec<u8> {
    let mut lead = vec![if index == 0 { b'{' } else { b',' }];
    write_text(name, &mut lead);
    lead.push(b':');
    lead
}

fn unreadable(ty: &Type, error: &std::io::Error) -> HostError {
    HostError::internal(format!("a {ty} that does not read: {error}"))
}

/// A value's bytes as Postgres sent them.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
