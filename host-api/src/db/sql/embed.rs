//! Rows of related tables inside the rows of a select.
//!
//! Each embed is one subquery over the row around it, answering records that cross in binary form
//! as all values do. It carries the select policy of its own table, and of the table in between.

use koyalite_policy::{ColumnName, Permit, SqlWriter};

use super::super::rows::{Content, Field};
#[cfg(test)]
use super::leak::{self, Leak};
use super::{
    AnswerName, Filtered, Key, Output, column_of, condition, narrowed, order_by, push_where, table,
    value_of,
};

/// A checked embed.
#[derive(Debug)]
pub(crate) struct Embed {
    pub(crate) name: AnswerName,
    /// For select, on the related table.
    pub(crate) permit: Permit,
    pub(crate) columns: Vec<Output>,
    pub(crate) filter: Option<Filtered>,
    pub(crate) order: Vec<Key>,
    pub(crate) limit: u32,
    pub(crate) link: Link,
    pub(crate) embeds: Vec<Embed>,
}

/// How the related rows are found.
#[derive(Debug)]
pub(crate) enum Link {
    /// At most one row: its column equals the outer row's.
    One {
        outer: ColumnName,
        inner: ColumnName,
    },
    /// Any number: their column equals the outer row's.
    Many {
        outer: ColumnName,
        inner: ColumnName,
    },
    /// Any number, by way of another table.
    Through(Box<Through>),
}

/// The table between two others.
#[derive(Debug)]
pub(crate) struct Through {
    pub(crate) outer: ColumnName,
    /// For select, on the table in between.
    pub(crate) permit: Permit,
    /// The column of it that names the outer row.
    pub(crate) near: ColumnName,
    /// The column of it that names the related row.
    pub(crate) far: ColumnName,
    pub(crate) inner: ColumnName,
}

impl Embed {
    pub(super) fn field(&self) -> Field {
        let columns = self.columns.iter().map(Field::value);
        let fields = columns
            .chain(self.embeds.iter().map(Embed::field))
            .collect();
        Field {
            name: self.name.as_str().to_owned(),
            content: match self.link {
                Link::One { .. } => Content::Row(fields),
                Link::Many { .. } | Link::Through(_) => Content::Rows(fields),
            },
        }
    }
}

/// Writes embeds; counts them, so that each row has a name of its own.
pub(super) struct Embedding<'a> {
    writer: &'a mut SqlWriter,
    schema: &'a str,
    count: usize,
}

impl<'a> Embedding<'a> {
    pub(super) fn new(writer: &'a mut SqlWriter, schema: &'a str) -> Embedding<'a> {
        Embedding {
            writer,
            schema,
            count: 0,
        }
    }

    /// The expression whose value is the related rows of `outer`.
    pub(super) fn rows_of(&mut self, embed: &Embed, outer: &str) -> String {
        self.count += 1;
        let row = format!("e{}", self.count);
        let mut values: Vec<_> = embed.columns.iter().map(|c| value_of(&row, c)).collect();
        for inner in &embed.embeds {
            values.push(self.rows_of(inner, &row));
        }
        let mut conditions = vec![self.link(&embed.link, &row, outer)];
        let using = embed.permit.using();
        #[cfg(test)]
        let using = leak::residual(Leak::Embed, using);
        conditions.extend(narrowed(self.writer, &row, [using], embed.filter.as_ref()));
        let mut rows = format!(
            "SELECT ROW({}) FROM {}",
            values.join(", "),
            table(&embed.permit, self.schema, &row)
        );
        push_where(&mut rows, Some(conditions.join(" AND ")));
        rows.push_str(&order_by(&embed.order, &row));
        match embed.link {
            // The column is unique; the limit only says so to the planner.
            Link::One { .. } => format!("({rows} LIMIT {})", embed.limit.min(1)),
            Link::Many { .. } | Link::Through(_) => {
                format!("ARRAY({rows} LIMIT {})", embed.limit)
            }
        }
    }

    fn link(&mut self, link: &Link, row: &str, outer_row: &str) -> String {
        let equal = |inner: &ColumnName, outer: &ColumnName| {
            format!(
                "{} = {}",
                column_of(row, inner),
                column_of(outer_row, outer)
            )
        };
        match link {
            Link::One { outer, inner } | Link::Many { outer, inner } => equal(inner, outer),
            Link::Through(through) => {
                let between = format!("j{row}");
                let using = through.permit.using();
                #[cfg(test)]
                let using = leak::residual(Leak::Through, using);
                let visible = condition(self.writer, &between, [using], None);
                let visible = visible.map_or(String::new(), |visible| format!(" AND {visible}"));
                // A set, so that a row that is linked twice is there once.
                format!(
                    "{} IN (SELECT {} FROM {} WHERE {} = {}{visible})",
                    column_of(row, &through.inner),
                    column_of(&between, &through.far),
                    table(&through.permit, self.schema, &between),
                    column_of(&between, &through.near),
                    column_of(outer_row, &through.outer),
                )
            }
        }
    }
}
