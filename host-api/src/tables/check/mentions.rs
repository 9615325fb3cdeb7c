//! What a request mentions: the one place where names of columns become columns.
//!
//! Each mention is an access, wherever it stands (answered, filtered, sorted, grouped, linked on,
//! written), and is refused here where the caller has no right to it. All mentions together then
//! narrow the permit to the policies that allow all of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use koyalite_policy::{
    ColumnName, ColumnShape, Command, Expr, Filter as Verdict, Permit, TableShape, Value,
};

use crate::db::sql::{AnswerName, Key, Output};
use crate::error::HostError;
use crate::limits::{COLUMNS, FILTER_BYTES, FILTER_PARAMS, ORDER_KEYS, PARAMS_BYTES};
use crate::tables::query::{Filter, OrderKey};
use crate::tables::{FilterTexts, refusal};

/// The mentions of one request on one table.
#[derive(Debug)]
pub(in crate::tables) struct Mentions<'a> {
    permit: &'a Permit,
    texts: &'a FilterTexts,
    rows_max: u32,
    /// Empty where no policy has a mask: nobody will ask.
    read: BTreeSet<ColumnName>,
    written: BTreeSet<ColumnName>,
}

/// Which rows a filter leaves.
#[derive(Debug)]
pub(in crate::tables) enum Rows {
    /// None, whatever the table holds.
    None,
    /// Those that meet the condition, or all.
    Where(Option<Expr>),
}

impl<'a> Mentions<'a> {
    pub(in crate::tables) fn of(
        permit: &'a Permit,
        texts: &'a FilterTexts,
        rows_max: u32,
    ) -> Mentions<'a> {
        Mentions {
            permit,
            texts,
            rows_max,
            read: BTreeSet::new(),
            written: BTreeSet::new(),
        }
    }

    /// How many rows are answered where so many are asked for.
    pub(in crate::tables) fn limit(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.rows_max).min(self.rows_max)
    }

    pub(in crate::tables) fn permit(&self) -> &'a Permit {
        self.permit
    }

    pub(in crate::tables) fn table(&self) -> &'a TableShape {
        self.permit.table()
    }

    /// The permit of the policies that allow all that was mentioned; without masks, the same one.
    pub(in crate::tables) fn narrowed(&self) -> Result<Cow<'a, Permit>, HostError> {
        let permit = self.permit.for_columns(&self.read, &self.written);
        let asked = [self.permit.command(), Command::Select];
        permit.map_err(|denied| refusal(&self.table().name, &denied, &asked))
    }

    pub(in crate::tables) fn readable(&mut self, name: &str) -> Result<&'a ColumnShape, HostError> {
        let column = find(self.permit.table(), name)?;
        if !self.permit.readable(&column.name) {
            let refused = HostError::column_not_readable(name);
            return Err(refused.refused_on(&self.table().name, &[Command::Select]));
        }
        if self.permit.has_masks() {
            self.read.insert(column.name.clone());
        }
        Ok(column)
    }

    pub(in crate::tables) fn writable(&mut self, name: &str) -> Result<&'a ColumnShape, HostError> {
        let column = find(self.permit.table(), name)?;
        if !self.permit.writable(&column.name) {
            let refused = HostError::column_not_writable(name);
            return Err(refused.refused_on(&self.table().name, &[self.permit.command()]));
        }
        if self.permit.has_masks() {
            self.written.insert(column.name.clone());
        }
        Ok(column)
    }

    /// The columns to answer; all that are readable where none is named.
    pub(in crate::tables) fn outputs(
        &mut self,
        columns: &[String],
    ) -> Result<Vec<Output>, HostError> {
        if !columns.is_empty() {
            return self.named_outputs(columns);
        }
        let columns = self.permit.table().columns.iter();
        let readable: Vec<_> = columns
            .filter(|column| self.permit.readable(&column.name))
            .map(|column| Output {
                column: column.name.clone(),
                ty: column.ty,
                name: AnswerName::from(&column.name),
            })
            .collect();
        if self.permit.has_masks() {
            self.read
                .extend(readable.iter().map(|output| output.column.clone()));
        }
        Ok(readable)
    }

    /// The columns to answer, as named: `title`, or `title as heading`.
    pub(in crate::tables) fn named_outputs(
        &mut self,
        columns: &[String],
    ) -> Result<Vec<Output>, HostError> {
        if columns.len() > COLUMNS {
            return Err(HostError::too_much("too_many_columns", "columns", COLUMNS));
        }
        let mut outputs: Vec<Output> = Vec::with_capacity(columns.len());
        for text in columns {
            let (column, alias) = match text.split_once(" as ") {
                Some((column, alias)) => (column.trim(), Some(alias.trim())),
                None => (text.as_str(), None),
            };
            let column = self.readable(column)?;
            let name = match alias {
                Some(alias) => answer_name(alias)?,
                None => AnswerName::from(&column.name),
            };
            // Twice the same name would be twice the same key in each row's JSON.
            if outputs.iter().any(|other| other.name == name) {
                return Err(HostError::repeated_name(name.as_str()));
            }
            outputs.push(Output {
                column: column.name.clone(),
                ty: column.ty,
                name,
            });
        }
        Ok(outputs)
    }

    pub(in crate::tables) fn order(&mut self, order: &[OrderKey]) -> Result<Vec<Key>, HostError> {
        check_order_length(order)?;
        let keys = order.iter().map(|key| {
            Ok(Key {
                column: self.readable(&key.column)?.name.clone(),
                direction: key.direction,
                nulls: key.nulls.unwrap_or_else(|| key.direction.nulls()),
            })
        });
        keys.collect()
    }

    pub(in crate::tables) fn filter(&mut self, filter: &Filter) -> Result<Rows, HostError> {
        HostError::unless_within([
            (
                "filter_too_long",
                "bytes in a filter",
                filter.text.len(),
                FILTER_BYTES,
            ),
            (
                "too_many_params",
                "filter parameters",
                filter.params.len(),
                FILTER_PARAMS,
            ),
            (
                "params_too_large",
                "bytes of parameters",
                filter.params.iter().map(size).sum(),
                PARAMS_BYTES,
            ),
        ])?;
        let text = self.texts.read(&filter.text);
        match text.and_then(|text| text.under(&filter.params, self.permit)) {
            Ok(Verdict::All) => Ok(Rows::Where(None)),
            Ok(Verdict::When(condition)) => {
                if self.permit.has_masks() {
                    self.read.extend(condition.columns());
                }
                Ok(Rows::Where(Some(condition)))
            }
            Ok(Verdict::Nothing) => Ok(Rows::None),
            Err(error) => Err(HostError::invalid_filter(error.code(), error)),
        }
    }
}

pub(in crate::tables) fn check_order_length(order: &[OrderKey]) -> Result<(), HostError> {
    match order.len() {
        0..=ORDER_KEYS => Ok(()),
        _ => Err(HostError::too_much(
            "too_many_order_keys",
            "sort keys",
            ORDER_KEYS,
        )),
    }
}

/// A key of the answer.
pub(in crate::tables) fn answer_name(text: &str) -> Result<AnswerName, HostError> {
    AnswerName::parse(text).ok_or_else(|| HostError::invalid_name(text))
}

/// A column of the table, which the caller may know of or not.
pub(in crate::tables) fn find<'a>(
    table: &'a TableShape,
    name: &str,
) -> Result<&'a ColumnShape, HostError> {
    let unknown = || HostError::unknown_column(table.name.as_str(), name);
    table.column(name).ok_or_else(unknown)
}

/// About how many bytes a parameter holds.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text)
        | Value::Numeric(text)
        | Value::Timestamptz(text)
        | Value::Date(text)
        | Value::Time(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Vector(numbers) => 4 * numbers.len(),
        Value::Json(json) => json.to_string().len(),
        Value::List(items) => items.iter().map(|item| 8 + size(item)).sum(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Uuid(_) => {
            16
        }
    }
}
