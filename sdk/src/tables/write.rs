//! Writing rows: insert, upsert, update, delete.
//!
//! Each is one statement: it does all of what it says or nothing. An update or delete that names
//! no rows is refused here, so that a forgotten filter does not reach every row the caller may touch.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::query::{filter, parse_rows, texts};
use super::{Error, ErrorKind, Value};
use crate::bindings::imports::koyalite::host::tables as host;

/// New rows, made by [`Table::insert`](super::Table::insert).
#[derive(Clone, Debug)]
#[must_use = "nothing is written before `run` or `fetch`"]
pub struct Insert {
    pub(super) table: String,
    rows: Result<String, Error>,
    returning: Vec<String>,
}

impl Insert {
    pub(super) fn new<T: Serialize + ?Sized>(table: &str, rows: &T) -> Self {
        let rows = to_json(rows).map(|text| match text.starts_with('[') {
            true => text,
            false => format!("[{text}]"),
        });
        Self {
            table: table.to_owned(),
            rows,
            returning: Vec::new(),
        }
    }

    pub(super) fn arguments(self) -> Result<host::Insertion, Error> {
        Ok(host::Insertion {
            table: self.table,
            rows: self.rows?,
            returning: self.returning,
        })
    }

    /// The columns of the stored rows to hand back from [`Insert::fetch`].
    pub fn returning<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.returning = texts(columns);
        self
    }

    /// Writes the rows.
    ///
    /// # Errors
    /// As the host decides: one row that its policies refuse, and none is written.
    pub async fn run(self) -> Result<(), Error> {
        host::insert(self.table, self.rows?, Vec::new()).await?;
        Ok(())
    }

    /// Writes the rows and returns them as stored, with the columns of [`Insert::returning`].
    ///
    /// # Errors
    /// As [`Insert::run`], and where a stored row may not be read by the caller or does not fit `T`.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let stored = host::insert(self.table.clone(), self.rows?, self.returning).await?;
        parse_rows(&self.table, &stored)
    }
}

/// Rows to write whether they are there or not, made by [`Table::upsert`](super::Table::upsert).
#[derive(Clone, Debug)]
#[must_use = "nothing is written before `run` or `fetch`"]
pub struct Upsert {
    pub(super) insert: Insert,
    conflict: Vec<String>,
}

impl Upsert {
    pub(super) fn new<T: Serialize + ?Sized>(table: &str, rows: &T) -> Self {
        Self {
            insert: Insert::new(table, rows),
            conflict: Vec::new(),
        }
    }

    pub(super) fn arguments(self) -> Result<host::Upsertion, Error> {
        Ok(host::Upsertion {
            table: self.insert.table,
            rows: self.insert.rows?,
            conflict: self.conflict,
            returning: self.insert.returning,
        })
    }

    /// The columns that tell whether a row is there: a unique one, all of a unique index, or all of the
    /// primary key.
    /// Without it, the primary key.
    pub fn on<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.conflict = texts(columns);
        self
    }

    /// The columns of the stored rows to hand back from [`Upsert::fetch`].
    pub fn returning<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.insert = self.insert.returning(columns);
        self
    }

    /// Writes the rows.
    ///
    /// # Errors
    /// As the host decides: one row that its policies refuse, and none is written.
    pub async fn run(mut self) -> Result<(), Error> {
        self.insert.returning = Vec::new();
        self.call().await.map(|_| ())
    }

    /// Writes the rows and returns them as stored, with the columns of [`Upsert::returning`].
    ///
    /// # Errors
    /// As [`Upsert::run`], and where a row does not fit `T`.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let table = self.insert.table.clone();
        parse_rows(&table, &self.call().await?)
    }

    async fn call(self) -> Result<String, Error> {
        let host::Upsertion {
            table,
            rows,
            conflict,
            returning,
        } = self.arguments()?;
        Ok(host::upsert(table, rows, conflict, returning).await?)
    }
}

/// A change of rows, made by [`Table::update`](super::Table::update).
#[derive(Clone, Debug)]
#[must_use = "nothing is written before `run` or `fetch`"]
pub struct Update {
    changes: Result<String, Error>,
    pub(super) rows: Rows,
}

/// A removal of rows, made by [`Table::delete`](super::Table::delete).
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before `run` or `fetch`"]
pub struct Delete {
    pub(super) rows: Rows,
}

/// Which rows an update or delete is about.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) table: String,
    filter: Option<host::Filter>,
    max_affected: Option<u32>,
    returning: Vec<String>,
}

impl Rows {
    fn of(table: &str) -> Self {
        let returning = Vec::new();
        Self {
            table: table.to_owned(),
            filter: None,
            max_affected: None,
            returning,
        }
    }

    fn chosen(&self) -> Result<host::Filter, Error> {
        let forgotten = "name the rows with `filter`, or say `every_row`";
        self.filter
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "filter_missing", forgotten))
    }
}

/// The part that updates and deletes have in common.
macro_rules! choosing_rows {
    ($kind:ident) => {
        impl $kind {
            /// The rows for which the condition is true, of those that the caller may touch.
            pub fn filter(
                mut self,
                condition: impl Into<String>,
                params: impl IntoIterator<Item = Value>,
            ) -> Self {
                self.rows.filter = Some(filter(condition, params));
                self
            }

            /// Every row that the caller may touch.
            pub fn every_row(self) -> Self {
                self.filter("", [])
            }

            /// Fails and does nothing if it would touch more rows than this.
            pub fn max_affected(mut self, rows: u32) -> Self {
                self.rows.max_affected = Some(rows);
                self
            }

            /// The columns of the touched rows to hand back from `fetch`.
            pub fn returning<C: Into<String>>(
                mut self,
                columns: impl IntoIterator<Item = C>,
            ) -> Self {
                self.rows.returning = texts(columns);
                self
            }

            /// Does it.
            ///
            /// # Errors
            /// As the host decides. Rows that the caller may not touch are none of its business:
            /// touching no row at all is no error.
            pub async fn run(self) -> Result<(), Error> {
                self.call().await.map(|_| ())
            }

            /// Does it and returns the touched rows, with the columns of `returning`.
            ///
            /// # Errors
            /// As `run`, and where a row does not fit `T`.
            pub async fn fetch<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
                let table = self.rows.table.clone();
                parse_rows(&table, &self.call().await?)
            }
        }
    };
}

choosing_rows!(Update);
choosing_rows!(Delete);

impl Update {
    pub(super) fn new<T: Serialize + ?Sized>(table: &str, changes: &T) -> Self {
        Self {
            changes: to_json(changes),
            rows: Rows::of(table),
        }
    }

    pub(super) fn arguments(self) -> Result<host::Change, Error> {
        Ok(host::Change {
            filter: self.rows.chosen()?,
            table: self.rows.table,
            changes: self.changes?,
            max_affected: self.rows.max_affected,
            returning: self.rows.returning,
        })
    }

    async fn call(self) -> Result<String, Error> {
        let host::Change {
            table,
            filter,
            changes,
            max_affected,
            returning,
        } = self.arguments()?;
        Ok(host::update(table, filter, changes, max_affected, returning).await?)
    }
}

impl Delete {
    pub(super) fn new(table: &str) -> Self {
        Self {
            rows: Rows::of(table),
        }
    }

    pub(super) fn arguments(self) -> Result<host::Removal, Error> {
        Ok(host::Removal {
            filter: self.rows.chosen()?,
            table: self.rows.table,
            max_affected: self.rows.max_affected,
            returning: self.rows.returning,
        })
    }

    async fn call(self) -> Result<String, Error> {
        let host::Removal {
            table,
            filter,
            max_affected,
            returning,
        } = self.arguments()?;
        Ok(host::delete(table, filter, max_affected, returning).await?)
    }
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Invalid, "not_json", error.to_string()))
}
