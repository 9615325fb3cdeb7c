//! From a guest's request to what SQL is made of: every name exists, every column that is mentioned
//! may be read or written, every value has its column's type, every limit is kept.
//!
//! Pure: permits and a request in, a checked request out. What a permit does not allow is refused
//! here, before a connection is taken. `mentions` knows columns; the rest is one file per kind of
//! request.

mod aggregate;
mod cursor;
mod embed;
mod mentions;
mod read;
mod upsert;
mod write;

pub(super) use aggregate::aggregate;
pub(super) use cursor::PageOrder;
pub(super) use embed::Surroundings;
pub(super) use mentions::{Mentions, Rows};
pub(super) use read::{page, select};
pub(super) use upsert::upsert;
pub(super) use write::{delete, insert, readable_rows, update, visible};

/// A request that passed.
#[derive(Debug)]
pub(super) enum Checked<T> {
    /// It means no row, whatever the table holds.
    Nothing,
    /// Postgres has to be asked.
    Ask(T),
}

impl<T> Checked<T> {
    pub(super) fn map<U>(self, of: impl FnOnce(T) -> U) -> Checked<U> {
        match self {
            Checked::Nothing => Checked::Nothing,
            Checked::Ask(request) => Checked::Ask(of(request)),
        }
    }
}
