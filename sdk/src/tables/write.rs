//! Writing rows: insert, update, delete.
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
    table: String,
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

/// A change of rows, made by [`Table::update`](super::Table::update).
#[derive(Clone, Debug)]
#[must_use = "nothing is written before `run` or `fetch`"]
pub struct Update {
    changes: Result<String, Error>,
    rows: Rows,
}

/// A removal of rows, made by [`Table::delete`](super::Table::delete).
#[derive(Clone, Debug)]
#[must_use = "nothing is deleted before `run` or `fetch`"]
pub struct Delete {
    rows: Rows,
}

/// Which rows an update or delete is about.
#[derive(Clone, Debug)]
struct Rows {
    table: String,
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

    async fn call(self) -> Result<String, Error> {
        let filter = self.rows.chosen()?;
        let Rows {
            table,
            max_affected,
            returning,
            ..
        } = self.rows;
        Ok(host::update(table, filter, self.changes?, max_affected, returning).await?)
    }
}

impl Delete {
    pub(super) fn new(table: &str) -> Self {
        Self {
            rows: Rows::of(table),
        }
    }

    async fn call(self) -> Result<String, Error> {
        let filter = self.rows.chosen()?;
        let Rows {
            table,
            max_affected,
            returning,
            ..
        } = self.rows;
        Ok(host::delete(table, filter, max_affected, returning).await?)
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Invalid, "not_json", error.to_string()))
}
