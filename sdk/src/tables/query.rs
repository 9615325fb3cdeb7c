//! Reading rows.

use serde::de::DeserializeOwned;

use super::{Embed, Error, ErrorKind, Value};
use crate::bindings::imports::koyalite::host::tables as host;

/// A sort key: a column, ascending. Nulls come last.
pub fn ascending(column: impl Into<String>) -> Order {
    Order(host::Order {
        column: column.into(),
        direction: host::Direction::Ascending,
        nulls: None,
    })
}

/// A sort key: a column, descending. Nulls come first.
pub fn descending(column: impl Into<String>) -> Order {
    Order(host::Order {
        column: column.into(),
        direction: host::Direction::Descending,
        nulls: None,
    })
}

/// A sort key; see [`ascending`] and [`descending`]. A column's name alone means ascending.
#[derive(Clone, Debug)]
pub struct Order(pub(super) host::Order);

impl Order {
    /// The same with rows that have no value before all others.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.0.nulls = Some(host::Nulls::First);
        self
    }

    /// The same with rows that have no value after all others.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.0.nulls = Some(host::Nulls::Last);
        self
    }
}

/// A part of the rows that a select means.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins, for [`Select::page`]; none after the last.
    pub next: Option<String>,
}

impl From<&str> for Order {
    fn from(column: &str) -> Self {
        ascending(column)
    }
}

/// A reading of rows, made by [`Table::select`](super::Table::select).
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `fetch`"]
pub struct Select {
    pub(super) table: String,
    pub(super) query: host::Query,
}

impl Select {
    pub(super) fn new<C: Into<String>>(table: &str, columns: impl IntoIterator<Item = C>) -> Self {
        let query = host::Query {
            columns: texts(columns),
            filter: filter("", []),
            order: Vec::new(),
            limit: None,
            embeds: Vec::new(),
        };
        Self {
            table: table.to_owned(),
            query,
        }
    }

    /// Only the rows for which the condition is true. A second call replaces the first.
    pub fn filter(
        mut self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.query.filter = filter(condition, params);
        self
    }

    /// Sorts by this column; by further calls where it is equal.
    pub fn order_by(mut self, order: impl Into<Order>) -> Self {
        self.query.order.push(order.into().0);
        self
    }

    /// At most this many rows. The host's own cap of 1000 holds in any case.
    pub fn limit(mut self, rows: u32) -> Self {
        self.query.limit = Some(rows);
        self
    }

    /// Takes rows of a related table along; see [`embed`](super::embed()).
    pub fn embed(mut self, embed: Embed) -> Self {
        embed.put_into(None, &mut self.query.embeds);
        self
    }

    /// A part of the rows: the first without `after`, then those after the `next` of the page
    /// before. [`Select::limit`] says how many.
    ///
    /// # Errors
    /// As [`Select::fetch`]; `invalid_cursor` where `after` comes from another table or order.
    pub async fn page<T: DeserializeOwned>(self, after: Option<String>) -> Result<Page<T>, Error> {
        let page = host::select_page(self.table.clone(), self.query, after).await?;
        Ok(Page {
            rows: parse_rows(&self.table, &page.rows)?,
            next: page.next,
        })
    }

    /// The rows, each as a `T`: a struct whose fields are the columns, or `serde_json::Value`.
    ///
    /// # Errors
    /// As the host decides, and `row_mismatch` where a row does not fit `T`.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let rows = host::select(self.table.clone(), self.query).await?;
        parse_rows(&self.table, &rows)
    }

    /// The first row, or none.
    ///
    /// # Errors
    /// As [`Select::fetch`].
    pub async fn first<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        Ok(self.limit(1).fetch().await?.into_iter().next())
    }
}

pub(crate) fn texts<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Vec<String> {
    columns.into_iter().map(Into::into).collect()
}

pub(crate) fn filter(
    condition: impl Into<String>,
    params: impl IntoIterator<Item = Value>,
) -> host::Filter {
    host::Filter {
        text: condition.into(),
        params: params.into_iter().collect(),
    }
}

pub(crate) fn parse_rows<T: DeserializeOwned>(table: &str, rows: &str) -> Result<Vec<T>, Error> {
    serde_json::from_str(rows).map_err(|error| {
        let message = format!("a row of {table} does not fit the type it is read into: {error}");
        Error::new(ErrorKind::Internal, "row_mismatch", message)
    })
}
