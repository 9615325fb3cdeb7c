//! From a permit and a checked request to one statement.
//!
//! Every statement carries the permit's conditions beside the guest's own, and values only as
//! binds. Names come from the table's shape and are quoted by [`quote_ident`]; text of a guest
//! never becomes part of a statement. The one exception are the keys of an answer, which have
//! passed the rule of `AnswerName` and are quoted too.
//!
//! `select`, `embed` and `keyset` read, `near` reads by distance, `aggregate` sums up, `write` and `upsert` write.

mod aggregate;
mod compare;
mod embed;
mod files;
pub(crate) mod hybrid;
mod keyset;
#[cfg(test)]
mod leak;
pub(crate) mod near;
mod outbox;
mod select;
#[cfg(test)]
mod tests;
mod unnest;
mod upsert;
mod write;

use koyalite_policy::{
    ColumnName, ColumnType, Expr, Permit, Residual, SqlWriter, Value, push_ident, quote_ident,
};

use super::bind::Bind;

pub(crate) use aggregate::{Aggregate, MeasureOf, SortedBy, aggregate};
pub(crate) use compare::{Comparison, comparison};
pub(crate) use embed::{Embed, Link, Through};
pub(crate) use files::{
    FileCell, FileWrite, Found, call_files, delete_file, drop_content, find_files, peek_file,
    write_file,
};
pub(crate) use keyset::{Keyset, PageKey};
pub(crate) use near::{Near, NearIn};
pub(crate) use outbox::{ask, look_up, queue};
pub(crate) use select::{Select, count, select};
pub(crate) use upsert::{Permits, Upsert, upsert};
pub(crate) use write::{
    Cell, Delete, Insert, Update, check_constraints, counted, delete, insert, update,
};

/// The row that conditions and columns speak of.
const ROW: &str = "t";
/// Whether a written row passed. No column has a space in its name, so it can not clash.
const PASSED: &str = "\"row passed\"";
/// Appears in the error of the cast in `write::verdict`, and in no other: what is cast besides are
/// numbers and times in canonical form.
pub(crate) const TOO_MANY_ROWS: &str = "koyalite: too many rows: ";

/// Which way an order runs. Nulls come last ascending and first descending, as in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Where an order puts rows that have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Before all others.
    First,
    /// After all others.
    Last,
}

impl Direction {
    fn words(self) -> &'static str {
        match self {
            Direction::Ascending => " ASC",
            Direction::Descending => " DESC",
        }
    }

    /// Where nulls go if nobody says.
    pub(crate) fn nulls(self) -> Nulls {
        match self {
            Direction::Ascending => Nulls::Last,
            Direction::Descending => Nulls::First,
        }
    }
}

/// A column as an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) column: ColumnName,
    pub(crate) ty: ColumnType,
    /// Its key in the answer.
    pub(crate) name: AnswerName,
}

/// The key of something in an answer: letters, digits and underscores, so that it is the same in
/// SQL and in every guest's language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnswerName(String);

impl AnswerName {
    /// Postgres cuts longer identifiers; two keys could become one.
    const BYTES_MAX: usize = koyalite_policy::NAME_BYTES_MAX;

    pub(crate) fn parse(text: &str) -> Option<AnswerName> {
        let mut bytes = text.bytes();
        let first = bytes.next()?;
        let fits = (first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && text.len() <= Self::BYTES_MAX;
        fits.then(|| AnswerName(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A column's name is always good as a key.
impl From<&ColumnName> for AnswerName {
    fn from(name: &ColumnName) -> AnswerName {
        AnswerName(name.as_str().to_owned())
    }
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) column: ColumnName,
    pub(crate) direction: Direction,
    pub(crate) nulls: Nulls,
}

/// `ORDER BY …`, or nothing.
fn order_by(keys: &[Key], row: &str) -> String {
    let keys = keys.iter().map(|key| {
        let column = column_of(row, &key.column);
        sorted(&column, key.direction, key.nulls)
    });
    order_text(keys.collect())
}

fn order_text(keys: Vec<String>) -> String {
    match keys.as_slice() {
        [] => String::new(),
        keys => format!(" ORDER BY {}", keys.join(", ")),
    }
}

fn sorted(what: &str, direction: Direction, nulls: Nulls) -> String {
    let nulls = match nulls {
        // As it is anyway: an index is easier to match without a word.
        nulls if nulls == direction.nulls() => "",
        Nulls::First => " NULLS FIRST",
        Nulls::Last => " NULLS LAST",
    };
    format!("{what}{}{nulls}", direction.words())
}

/// All of the residuals and the filter; none where every row passes.
fn condition<const N: usize>(
    writer: &mut SqlWriter,
    row: &str,
    residuals: [&Residual; N],
    filter: Option<&Expr>,
) -> Option<String> {
    let policies = residuals.into_iter().filter_map(|residual| match residual {
        Residual::True => None,
        Residual::When(expr) => Some(expr),
    });
    let conditions: Vec<_> = policies
        .chain(filter)
        .map(|expr| format!("({})", writer.predicate(expr, row)))
        .collect();
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}

/// Which rows are asked for, where not all are.
#[derive(Debug)]
pub(crate) enum Filtered {
    /// None, whatever the table holds.
    Never,
    /// Those where the condition is true.
    When(Expr),
}

/// As [`condition`], with a filter that may leave nothing.
fn narrowed<const N: usize>(
    writer: &mut SqlWriter,
    row: &str,
    residuals: [&Residual; N],
    filter: Option<&Filtered>,
) -> Option<String> {
    match filter {
        None => condition(writer, row, residuals, None),
        Some(Filtered::When(expr)) => condition(writer, row, residuals, Some(expr)),
        Some(Filtered::Never) => Some("FALSE".to_owned()),
    }
}

fn push_where(text: &mut String, condition: Option<String>) {
    if let Some(condition) = condition {
        text.push_str(" WHERE ");
        text.push_str(&condition);
    }
}

/// The permit's table under an alias.
fn table(permit: &Permit, schema: &str, row: &str) -> String {
    let name = quote_ident(permit.table().name.as_str());
    format!("{}.{name} AS {row}", quote_ident(schema))
}

fn column_of(row: &str, name: &ColumnName) -> String {
    koyalite_policy::column_of(row, name.as_str())
}

/// A column in the form that the answer is written from.
fn value_of(row: &str, output: &Output) -> String {
    let column = column_of(row, &output.column);
    match output.ty {
        // Its own type is an extension's; an array of the same numbers is Postgres' own.
        ColumnType::Vector(_) => format!("{column}::real[]"),
        _ => column,
    }
}

/// `t."title" AS "heading", …`
fn outputs(columns: &[Output], row: &str) -> Vec<String> {
    let named = columns.iter().map(|output| {
        let mut value = value_of(row, output);
        let plain = output.name.as_str() == output.column.as_str();
        match (plain, output.ty) {
            (_, ColumnType::Vector(_)) | (false, _) => {
                value.push_str(" AS ");
                push_ident(&mut value, output.name.as_str());
            }
            (true, _) => {}
        }
        value
    });
    named.collect()
}

/// The binds of a statement: first those of its conditions, then those of its rows.
struct Binds(Vec<Bind>);

impl Binds {
    fn after(writer: SqlWriter) -> Binds {
        let typed = writer.into_binds().into_iter();
        Binds(typed.map(|(value, ty)| Bind::Typed { value, ty }).collect())
    }

    /// Adds a bind; its place in the statement.
    fn push(&mut self, bind: Bind) -> String {
        let placeholder = bind.placeholder(self.0.len() + 1);
        self.0.push(bind);
        placeholder
    }

    /// Adds the values of a column; its place, without a cast, for each of them has its own.
    fn push_list(&mut self, bind: Bind) -> String {
        self.0.push(bind);
        format!("${}", self.0.len())
    }

    fn push_count(&mut self, count: u32) -> String {
        self.push(Bind::Typed {
            value: Value::Integer(count.into()),
            ty: ColumnType::Bigint,
        })
    }

    fn tuple(&mut self, row: Vec<Cell>) -> String {
        let cells: Vec<_> = row.into_iter().map(|cell| self.cell(cell)).collect();
        format!("({})", cells.join(", "))
    }

    fn cell(&mut self, cell: Cell) -> String {
        match cell {
            Cell::Default => "DEFAULT".to_owned(),
            Cell::Now => "now()".to_owned(),
            Cell::Value(bind) => self.push(bind),
        }
    }

    /// `"title" = $1, "seen" = now()`
    fn changes(&mut self, changes: Vec<(ColumnName, Cell)>) -> Vec<String> {
        let changes = changes.into_iter();
        changes
            .map(|(column, cell)| format!("{} = {}", quote_ident(column.as_str()), self.cell(cell)))
            .collect()
    }
}
