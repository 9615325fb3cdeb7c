//! SQL that Postgres keeps: names in full and quoted, values as literals of their type.

use super::{claims, visible};
use crate::expr::Claim;
use crate::policy::Schema;
use crate::print::{Dialect, plain_text};
use crate::sql::quote_ident;
use crate::types::ColumnType;
use crate::value::Value;

/// The words for policies of one table.
pub(super) struct Words<'a> {
    pub(super) table: &'a str,
    pub(super) schema: &'a str,
    pub(super) inner: Inner<'a>,
}

/// What holds back the rows of the tables that subqueries read.
#[derive(Clone, Copy)]
pub(super) enum Inner<'a> {
    /// Their own row security.
    Guarded,
    /// A condition that says the same.
    Filtered(&'a Schema),
}

impl Dialect for Words<'_> {
    fn column(&self, name: &str, level: usize, _: usize) -> String {
        match level {
            0 => format!("{}.{}", quote_ident(self.table), quote_ident(name)),
            level => format!("inner_{level}.{}", quote_ident(name)),
        }
    }

    /// Policies with old rows are refused before they are printed.
    fn old(&self, _: &str) -> String {
        "NULL".to_owned()
    }

    fn table(&self, name: &str) -> String {
        let table = format!("{}.{}", quote_ident(self.schema), quote_ident(name));
        match (self.inner, name.parse()) {
            (Inner::Filtered(schema), Ok(name)) => {
                let rows = visible::rows(schema, &name, self.schema);
                format!("(SELECT * FROM {table} WHERE {rows})")
            }
            _ => table,
        }
    }

    fn constant(&self, value: &Value, ty: ColumnType) -> String {
        let text = match (value, plain_text(value)) {
            (_, None) => return format!("NULL::{ty}"),
            (Value::Bytes(bytes), Some(_)) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("\\x{hex}")
            }
            (_, Some(text)) => text,
        };
        collated(format!("{}::{}", literal(&text), ty), ty)
    }

    fn claim(&self, claim: &Claim, ty: ColumnType) -> String {
        collated(claims::value(claim, ty), ty)
    }

    fn in_claim(&self, item: &str, claim: &Claim, ty: ColumnType) -> String {
        // Without the cast it would be a subquery with a row for each item.
        format!("{item} = ANY ({}::{ty})", claims::value(claim, ty))
    }
}

/// Text compares by its bytes, whatever the database's own order is.
fn collated(text: String, ty: ColumnType) -> String {
    match ty {
        ColumnType::Text => format!("({text} COLLATE \"C\")"),
        _ => text,
    }
}

/// A quoted text that means the same whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
