//! Where a page begins: after a row, by the keys of the order.
//!
//! The keys of an order that ends in the primary key name one place among all rows, so a page after
//! it neither misses a row nor repeats one, whatever was inserted before it meanwhile.

use super::super::bind::Bind;
use super::{Binds, Direction, Key, Nulls, column_of};

/// The order of a page and, except for the first, the row that it follows.
#[derive(Debug)]
pub(crate) struct Keyset {
    pub(crate) keys: Vec<PageKey>,
    /// The values of the keys in the row before the page; `None` is NULL.
    pub(crate) after: Option<Vec<Option<Bind>>>,
}

/// A sort key, and whether its column can be NULL.
#[derive(Debug)]
pub(crate) struct PageKey {
    pub(crate) key: Key,
    pub(crate) nullable: bool,
}

impl Keyset {
    /// The condition that a row stands after the one before the page; none for the first page.
    pub(super) fn after(&self, row: &str, binds: &mut Binds) -> Option<String> {
        let after = self.after.as_ref()?;
        let steps: Vec<Step> = self
            .keys
            .iter()
            .zip(after)
            .map(|(key, value)| Step {
                column: column_of(row, &key.key.column),
                key,
                value: value.as_ref().map(|bind| binds.push(bind.clone())),
            })
            .collect();
        Some(rows_after(&steps).unwrap_or_else(|| one_by_one(&steps)))
    }
}

struct Step<'a> {
    column: String,
    key: &'a PageKey,
    /// The place of its bind, none for NULL.
    value: Option<String>,
}

/// `(a, b) > ($1, $2)`, which an index serves, where all keys run the same way and none is NULL.
fn rows_after(steps: &[Step]) -> Option<String> {
    let direction = steps.first()?.key.key.direction;
    let alike = |step: &Step| !step.key.nullable && step.key.key.direction == direction;
    if !steps.iter().all(alike) {
        return None;
    }
    let columns: Vec<_> = steps.iter().map(|step| step.column.as_str()).collect();
    let values: Option<Vec<_>> = steps.iter().map(|step| step.value.as_deref()).collect();
    let operator = match direction {
        Direction::Ascending => ">",
        Direction::Descending => "<",
    };
    Some(format!(
        "(({}) {operator} ({}))",
        columns.join(", "),
        values?.join(", ")
    ))
}

/// After by the first key; or the same by the first and after by the second; and so on.
fn one_by_one(steps: &[Step]) -> String {
    let mut ways = Vec::with_capacity(steps.len());
    let mut same = String::new();
    for step in steps {
        ways.push(format!("({same}{})", step.after()));
        same.push_str(&step.same());
        same.push_str(" AND ");
    }
    format!("({})", ways.join(" OR "))
}

impl Step<'_> {
    fn after(&self) -> String {
        let Key {
            direction, nulls, ..
        } = &self.key.key;
        let column = &self.column;
        let operator = match direction {
            Direction::Ascending => ">",
            Direction::Descending => "<",
        };
        match (&self.value, nulls) {
            (None, Nulls::First) => format!("{column} IS NOT NULL"),
            (None, Nulls::Last) => "FALSE".to_owned(),
            (Some(value), Nulls::Last) if self.key.nullable => {
                format!("({column} {operator} {value} OR {column} IS NULL)")
            }
            (Some(value), _) => format!("{column} {operator} {value}"),
        }
    }

    fn same(&self) -> String {
        match &self.value {
            None => format!("{} IS NULL", self.column),
            Some(value) => format!("{} = {value}", self.column),
        }
    }
}
