//! What a guest asks for, as plain data: nothing here has been checked.
//!
//! The bindings fill these in; `check` turns them into what SQL is made from.

use koyalite_policy::{Command, Value};
use serde_json::Value as Json;

pub use crate::db::{Direction, Nulls};
use crate::error::{HostError, Refused, echo};

/// A condition on rows: boolean SQL in the Postgres dialect, with `$1`, `$2`, … bound to `params`.
/// Empty text means every visible row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The condition.
    pub text: String,
    /// The values of its parameters.
    pub params: Vec<Value>,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    /// The column; of an aggregation, a name of the answer.
    pub column: String,
    /// Which way.
    pub direction: Direction,
    /// Where rows without a value go. None: last ascending and first descending, as in Postgres.
    pub nulls: Option<Nulls>,
}

impl OrderKey {
    /// Smallest first, nulls last.
    pub fn ascending(column: impl Into<String>) -> OrderKey {
        OrderKey {
            column: column.into(),
            direction: Direction::Ascending,
            nulls: None,
        }
    }

    /// Largest first, nulls before.
    pub fn descending(column: impl Into<String>) -> OrderKey {
        OrderKey {
            direction: Direction::Descending,
            ..OrderKey::ascending(column)
        }
    }

    /// The same with nulls elsewhere.
    #[must_use]
    pub fn nulls(mut self, nulls: Nulls) -> OrderKey {
        self.nulls = Some(nulls);
        self
    }
}

/// Rows to read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SelectQuery {
    /// The table's name.
    pub table: String,
    /// Columns to answer, in this order, each perhaps `column as name`. Empty means all that the
    /// caller may read.
    pub columns: Vec<String>,
    /// Which rows.
    pub filter: Filter,
    /// Sort keys, the first one first.
    pub order: Vec<OrderKey>,
    /// At most this many rows; the host's own cap applies on top.
    pub limit: Option<u32>,
    /// Rows of related tables, put into each row.
    pub embeds: Vec<EmbedQuery>,
}

/// Rows of a related table, put into each row that a select answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbedQuery {
    /// The related table.
    pub table: String,
    /// The key that the rows get. None: the table's name.
    pub name: Option<String>,
    /// The relationship, where several lead there.
    pub via: Option<String>,
    /// The embed whose rows these go into, by its place in the list.
    pub inside: Option<u32>,
    /// As in [`SelectQuery`].
    pub columns: Vec<String>,
    /// Which of the related rows.
    pub filter: Filter,
    /// Sort keys.
    pub order: Vec<OrderKey>,
    /// At most this many for each row.
    pub limit: Option<u32>,
}

/// Rows to count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CountQuery {
    /// The table's name.
    pub table: String,
    /// Which rows.
    pub filter: Filter,
}

/// What is worked out of many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// How many values, or rows.
    Count,
    /// Their sum.
    Sum,
    /// Their average.
    Avg,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// One worked-out value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// What is worked out.
    pub summary: Summary,
    /// Of which column; none means rows, and goes with `count` only.
    pub column: Option<String>,
    /// Its key in the answer.
    pub name: String,
}

/// Values to work out of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AggregateQuery {
    /// The table's name.
    pub table: String,
    /// The values.
    pub measures: Vec<Measure>,
    /// One row for each combination of these columns' values.
    pub group_by: Vec<String>,
    /// Of which rows.
    pub filter: Filter,
    /// Sort keys, by names of the answer.
    pub order: Vec<OrderKey>,
    /// At most this many rows.
    pub limit: Option<u32>,
}

/// Rows to write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InsertQuery {
    /// The table's name.
    pub table: String,
    /// A JSON array of objects. A column that a row leaves out gets its default.
    pub rows: String,
    /// Columns to answer. Empty means none: the answer is `[]`.
    pub returning: Vec<String>,
}

/// Rows to write, whether they are there or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpsertQuery {
    /// The table's name.
    pub table: String,
    /// A JSON array of objects, all with the same columns.
    pub rows: String,
    /// The columns that tell whether a row is there. Empty means the primary key.
    pub conflict: Vec<String>,
    /// Columns to answer. Empty means none: the answer is `[]`.
    pub returning: Vec<String>,
}

/// Rows to change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateQuery {
    /// The table's name.
    pub table: String,
    /// Which rows.
    pub filter: Filter,
    /// A JSON object: the new values.
    pub changes: String,
    /// Fail and change nothing if more rows would change.
    pub max_affected: Option<u32>,
    /// Columns to answer. Empty means none: the answer is `[]`.
    pub returning: Vec<String>,
}

/// Rows to delete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteQuery {
    /// The table's name.
    pub table: String,
    /// Which rows.
    pub filter: Filter,
    /// Fail and delete nothing if more rows would go.
    pub max_affected: Option<u32>,
    /// Columns to answer. Empty means none: the answer is `[]`.
    pub returning: Vec<String>,
}

/// One operation, whichever.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Read rows.
    Select(SelectQuery),
    /// Count rows.
    Count(CountQuery),
    /// Work values out of rows.
    Aggregate(AggregateQuery),
    /// Write new rows.
    Insert(InsertQuery),
    /// Write rows, new or not.
    Upsert(UpsertQuery),
    /// Change rows.
    Update(UpdateQuery),
    /// Delete rows.
    Delete(DeleteQuery),
}

impl Operation {
    /// The table and the commands whose policies its rows are held against as they are written.
    pub(crate) fn asked(&self) -> Option<Refused> {
        use Command::{Delete, Insert, Select, Update};
        let (table, commands) = match self {
            Self::Select(_) | Self::Count(_) | Self::Aggregate(_) => return None,
            Self::Insert(query) if query.returning.is_empty() => (&query.table, vec![Insert]),
            Self::Insert(query) => (&query.table, vec![Insert, Select]),
            Self::Upsert(query) => (&query.table, vec![Insert, Update, Select]),
            Self::Update(query) => (&query.table, vec![Update, Select]),
            Self::Delete(query) => (&query.table, vec![Delete, Select]),
        };
        let table = table.parse().ok()?;
        Some(Refused { table, commands })
    }
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A JSON array of objects.
    Rows(String),
    /// For a count.
    Count(u64),
}

impl Outcome {
    /// The rows, of an operation that answers rows.
    pub(crate) fn into_rows(self) -> Result<String, HostError> {
        match self {
            Self::Rows(rows) => Ok(rows),
            Self::Count(_) => Err(HostError::internal(
                "a count in answer to a question for rows",
            )),
        }
    }

    /// The number, of a count.
    pub(crate) fn into_count(self) -> Result<u64, HostError> {
        match self {
            Self::Count(count) => Ok(count),
            Self::Rows(_) => Err(HostError::internal("rows in answer to a count")),
        }
    }
}

/// A part of the rows that a select means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// A JSON array of objects.
    pub rows: String,
    /// Where the next page begins; none after the last.
    pub next: Option<String>,
}

/// A parameter that a guest sent as JSON text: an array of plain values becomes a list, for
/// `column = any($1)`; anything else stays JSON.
///
/// # Errors
/// `invalid_value` when the text is not JSON.
pub fn json_param(text: &str) -> Result<Value, HostError> {
    let json = serde_json::from_str(text).map_err(|error| {
        HostError::invalid_value(
            format_args!("parameter {}", echo(text)),
            format!("not JSON: {error}"),
        )
    })?;
    Ok(match json {
        Json::Array(items)
            if items
                .iter()
                .all(|item| !item.is_array() && !item.is_object()) =>
        {
            Value::List(items.into_iter().map(plain).collect())
        }
        json => Value::Json(json),
    })
}

fn plain(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Integer(integer),
            (None, Some(float)) if number.is_f64() => Value::Float(float),
            (None, _) => Value::Numeric(number.to_string()),
        },
        Json::String(text) => Value::Text(text),
        json @ (Json::Array(_) | Json::Object(_)) => Value::Json(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_of_plain_values_is_a_list() {
        let list = json_param(r#"[1, "a", null, 1.5, 18446744073709551615]"#).unwrap();
        let Value::List(items) = list else {
            panic!("{list:?}")
        };
        assert_eq!(
            items,
            [
                Value::Integer(1),
                Value::Text("a".into()),
                Value::Null,
                Value::Float(1.5),
                Value::Numeric("18446744073709551615".into()),
            ]
        );
        assert!(matches!(json_param("[[1]]").unwrap(), Value::Json(_)));
        assert!(matches!(json_param("{}").unwrap(), Value::Json(_)));
        assert_eq!(json_param("[").unwrap_err().code(), "invalid_value");
    }
}
