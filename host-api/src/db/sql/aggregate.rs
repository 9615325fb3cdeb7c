//! Counts, sums, averages and extremes of the rows that the caller may read.
//!
//! The policies stand in the WHERE, before anything is summed up, so no hidden row has a part in
//! any value, nor in an error about one.

use koyalite_policy::{ColumnName, Permit, SqlWriter, quote_ident};

use super::super::rows::Reading;
use super::super::run::{Effect, Plan, Statement};
use super::{
    AnswerName, Binds, Direction, Filtered, Nulls, Output, ROW, column_of, narrowed, order_text,
    outputs, push_where, sorted, table,
};
use crate::tables::query::Summary;

/// A checked aggregation: every column exists, may be read and can be summed up as asked.
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) groups: Vec<Output>,
    pub(crate) measures: Vec<MeasureOf>,
    pub(crate) filter: Option<Filtered>,
    pub(crate) order: Vec<SortedBy>,
    pub(crate) limit: u32,
}

/// One value.
#[derive(Debug)]
pub(crate) struct MeasureOf {
    pub(crate) summary: Summary,
    /// None: rows.
    pub(crate) column: Option<ColumnName>,
    pub(crate) name: AnswerName,
}

/// A sort key: the place of a column of the answer, counted from 1.
#[derive(Debug)]
pub(crate) struct SortedBy {
    pub(crate) place: usize,
    pub(crate) direction: Direction,
    pub(crate) nulls: Nulls,
}

pub(crate) fn aggregate(permit: &Permit, schema: &str, request: &Aggregate) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let using = permit.using();
    #[cfg(test)]
    let using = super::leak::residual(super::leak::Leak::Aggregate, using);
    let condition = narrowed(&mut writer, ROW, [using], request.filter.as_ref());
    let mut items = outputs(&request.groups, ROW);
    items.extend(request.measures.iter().map(MeasureOf::text));
    let mut text = format!(
        "SELECT {} FROM {}",
        items.join(", "),
        table(permit, schema, ROW)
    );
    push_where(&mut text, condition);
    let groups: Vec<_> = request
        .groups
        .iter()
        .map(|group| column_of(ROW, &group.column))
        .collect();
    if !groups.is_empty() {
        text.push_str(&format!(" GROUP BY {}", groups.join(", ")));
    }
    let keys = request.order.iter();
    let keys = keys.map(|key| sorted(&key.place.to_string(), key.direction, key.nulls));
    text.push_str(&order_text(keys.collect()));
    text.push_str(&format!(" LIMIT {}", request.limit));
    Statement {
        text,
        binds: Binds::after(writer).0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading: Reading::default(),
    }
}

impl MeasureOf {
    fn text(&self) -> String {
        let function = match self.summary {
            Summary::Count => "count",
            Summary::Sum => "sum",
            Summary::Avg => "avg",
            Summary::Min => "min",
            Summary::Max => "max",
        };
        let of = match &self.column {
            Some(column) => column_of(ROW, column),
            None => "*".to_owned(),
        };
        format!("{function}({of}) AS {}", quote_ident(self.name.as_str()))
    }
}
