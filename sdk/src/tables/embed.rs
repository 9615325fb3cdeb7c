//! Rows of related tables.

use super::Value;
use super::query::{Order, filter, texts};
use crate::bindings::imports::koyalite::host::tables as host;

/// Rows of this related table, for [`Select::embed`](super::Select::embed).
pub fn embed(table: impl Into<String>) -> Embed {
    Embed {
        embed: host::Embed {
            table: table.into(),
            name: None,
            via: None,
            inside: None,
            columns: Vec::new(),
            filter: filter("", []),
            order: Vec::new(),
            limit: None,
        },
        inner: Vec::new(),
    }
}

/// Rows of a related table, made by [`embed`].
#[derive(Clone, Debug)]
#[must_use = "it is read with the select that it is given to"]
pub struct Embed {
    embed: host::Embed,
    inner: Vec<Embed>,
}

impl Embed {
    /// The field that the rows get. Without it, the name of the table.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.embed.name = Some(name.into());
        self
    }

    /// Which relationship, where several lead to the table: the name of its constraint, of the
    /// column that refers, or of the table in between.
    pub fn via(mut self, relationship: impl Into<String>) -> Self {
        self.embed.via = Some(relationship.into());
        self
    }

    /// These columns only. Without it, all that the caller may read.
    pub fn columns<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.embed.columns = texts(columns);
        self
    }

    /// Only the related rows for which the condition is true.
    pub fn filter(
        mut self,
        condition: impl Into<String>,
        params: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.embed.filter = filter(condition, params);
        self
    }

    /// Sorts them by this column; by further calls where it is equal.
    pub fn order_by(mut self, order: impl Into<Order>) -> Self {
        self.embed.order.push(order.into().0);
        self
    }

    /// At most this many for each row.
    pub fn limit(mut self, rows: u32) -> Self {
        self.embed.limit = Some(rows);
        self
    }

    /// Takes rows related to these along.
    pub fn embed(mut self, embed: Self) -> Self {
        self.inner.push(embed);
        self
    }

    /// The host takes a list, in which each names the one that it is inside of.
    pub(super) fn put_into(mut self, inside: Option<u32>, list: &mut Vec<host::Embed>) {
        self.embed.inside = inside;
        let place = u32::try_from(list.len()).unwrap_or(u32::MAX);
        list.push(self.embed);
        for inner in self.inner {
            inner.put_into(Some(place), list);
        }
    }
}
