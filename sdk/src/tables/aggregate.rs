//! Counts, sums, averages and extremes.

use serde::de::DeserializeOwned;

use super::query::{Order, filter, parse_rows, texts};
use super::{Error, Value};
use crate::bindings::imports::koyalite::host::tables as host;

/// A number of rows, made by [`Table::count`](super::Table::count).
#[derive(Clone, Debug)]
#[must_use = "nothing is counted before `fetch`"]
pub struct Count {
    pub(super) table: String,
    pub(super) filter: host::Filter,
}

impl Count {
    pub(super) fn new(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            filter: filter("", []),
        }
    }

    /// Only the rows for which the condition is true.
    pub fn filter(
        mut self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.filter = filter(condition, params);
        self
    }

    /// How many there are.
    ///
    /// # Errors
    /// As the host decides.
    pub async fn fetch(self) -> Result<u64, Error> {
        Ok(host::count(self.table, self.filter).await?)
    }
}

/// The number of rows, as a measure named `count`.
pub fn count() -> Measure {
    Measure(host::Measure {
        summary: host::Summary::Count,
        column: None,
        name: "count".to_owned(),
    })
}

macro_rules! measures {
    ($($(#[$doc:meta])* $function:ident $summary:ident,)*) => {
        $(
            $(#[$doc])*
            pub fn $function(column: impl Into<String>) -> Measure {
                let column = column.into();
                Measure(host::Measure {
                    summary: host::Summary::$summary,
                    name: format!(concat!(stringify!($function), "_{}"), column),
                    column: Some(column),
                })
            }
        )*
    };
}

measures! {
    /// The sum of a column's values, named `sum_` and the column. Null where there are none.
    sum Sum,
    /// The average of a column's values, named `avg_` and the column. Null where there are none.
    avg Avg,
    /// The smallest of a column's values, named `min_` and the column. Null where there are none.
    min Min,
    /// The largest of a column's values, named `max_` and the column. Null where there are none.
    max Max,
}

/// One worked-out value; see [`count`], [`sum`], [`avg`], [`min`], [`max`].
#[derive(Clone, Debug)]
pub struct Measure(host::Measure);

impl Measure {
    /// The field that the value gets.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }
}

/// Worked-out values, made by [`Table::aggregate`](super::Table::aggregate).
#[derive(Clone, Debug)]
#[must_use = "nothing is worked out before `fetch`"]
pub struct Aggregate {
    pub(super) table: String,
    pub(super) aggregation: host::Aggregation,
}

impl Aggregate {
    pub(super) fn new(table: &str, measures: impl IntoIterator<Item = Measure>) -> Self {
        Self {
            table: table.to_owned(),
            aggregation: host::Aggregation {
                measures: measures.into_iter().map(|measure| measure.0).collect(),
                group_by: Vec::new(),
                filter: filter("", []),
                order: Vec::new(),
                limit: None,
            },
        }
    }

    /// One row for each combination of these columns' values, with the columns beside the measures.
    pub fn group_by<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.aggregation.group_by = texts(columns);
        self
    }

    /// Of the rows for which the condition is true only.
    pub fn filter(
        mut self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.aggregation.filter = filter(condition, params);
        self
    }

    /// Sorts by a field of the answer; by further calls where it is equal.
    pub fn order_by(mut self, order: impl Into<Order>) -> Self {
        self.aggregation.order.push(order.into().0);
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, rows: u32) -> Self {
        self.aggregation.limit = Some(rows);
        self
    }

    /// The values, each row as a `T`; one row where nothing is grouped.
    ///
    /// # Errors
    /// As the host decides, and `row_mismatch` where a row does not fit `T`.
    pub async fn fetch<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let rows = host::aggregate(self.table.clone(), self.aggregation).await?;
        parse_rows(&self.table, &rows)
    }
}
