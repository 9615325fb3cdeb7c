//! From a permit and a checked request to one statement.
//!
//! Every statement carries the permit's conditions beside the guest's own, and values only as
//! binds. A write that must pass a check aborts itself: the rows are written in a first step, a
//! second looks at all of them and raises, and Postgres undoes the whole statement. So nothing is
//! left behind without a transaction around it, and no row is answered unless every row passed.
//!
//! Names come from the table's shape and are quoted by [`quote_ident`]; text of a guest never
//! becomes part of a statement.

use koyalite_policy::{
    ColumnName, ColumnType, Expr, Permit, Residual, SqlWriter, Value, quote_ident,
};

use super::bind::Bind;
use super::run::{Effect, Plan, Statement};

/// The row that conditions and columns speak of.
const ROW: &str = "t";
/// Whether a written row passed. No column has a space in its name, so it can not clash.
const PASSED: &str = "\"row passed\"";
/// Appears in the error of [`TooMany`]'s cast, and in no other: what is cast besides are numbers and
/// times in canonical form.
pub(crate) const TOO_MANY_ROWS: &str = "koyalite: too many rows: ";

/// Which way an order runs. Nulls come last ascending and first descending, as in Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A checked select: every column exists and may be read.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) filter: Option<Expr>,
    pub(crate) order: Vec<(ColumnName, Direction)>,
    pub(crate) limit: u32,
}

/// A checked insert: every column exists and may be written, every row has a cell per column.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) returning: Returning,
}

/// What an insert puts into one column of one row.
#[derive(Debug)]
pub(crate) enum Cell {
    Default,
    Value(Bind),
}

/// A checked update.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) filter: Option<Expr>,
    pub(crate) changes: Vec<(ColumnName, Bind)>,
    pub(crate) at_most: Option<u32>,
    pub(crate) returning: Returning,
}

/// A checked delete.
#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) filter: Option<Expr>,
    pub(crate) at_most: Option<u32>,
    pub(crate) returning: Returning,
}

/// The columns that a write answers, and what else its rows must meet to be answered.
#[derive(Debug)]
pub(crate) struct Returning {
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) visible: Residual,
}

pub(crate) fn select(permit: &Permit, schema: &str, request: &Select) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let condition = condition(&mut writer, [permit.using()], request.filter.as_ref());
    let mut text = format!(
        "SELECT {} FROM {}",
        columns(&request.columns, ROW),
        table(permit, schema)
    );
    push_where(&mut text, condition);
    for (index, (column, direction)) in request.order.iter().enumerate() {
        text.push_str(if index == 0 { " ORDER BY " } else { ", " });
        text.push_str(&column_of(ROW, column));
        text.push_str(match direction {
            Direction::Ascending => " ASC",
            Direction::Descending => " DESC",
        });
    }
    // Not a bind: the planner must know whether one row is wanted or a thousand.
    text.push_str(&format!(" LIMIT {}", request.limit));
    Statement {
        text,
        binds: Binds::after(writer).0,
        plan: Plan::Kept,
        effect: Effect::Reads,
    }
}

pub(crate) fn insert(permit: &Permit, schema: &str, request: Insert) -> Statement {
    let Insert {
        columns,
        rows,
        returning,
    } = request;
    let mut writer = SqlWriter::new().in_schema(schema);
    let check = condition(&mut writer, [permit.check(), &returning.visible], None);
    let mut binds = Binds::after(writer);
    let plan = if rows.len() == 1 {
        Plan::Kept
    } else {
        Plan::Once
    };
    let names: Vec<_> = columns
        .iter()
        .map(|column| quote_ident(column.as_str()))
        .collect();
    let tuples: Vec<_> = rows.into_iter().map(|row| binds.tuple(row)).collect();
    let write = format!(
        "INSERT INTO {} ({}) VALUES {}",
        table(permit, schema),
        names.join(", "),
        tuples.join(", ")
    );
    let text = checked(&write, &returning.columns, check, None);
    Statement {
        text,
        binds: binds.0,
        plan,
        effect: Effect::Writes,
    }
}

pub(crate) fn update(permit: &Permit, schema: &str, request: Update) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let existing = condition(&mut writer, [permit.using()], request.filter.as_ref());
    let visible = &request.returning.visible;
    let check = condition(&mut writer, [permit.check(), visible], None);
    let mut binds = Binds::after(writer);
    let changes: Vec<_> = request
        .changes
        .into_iter()
        .map(|(column, bind)| format!("{} = {}", quote_ident(column.as_str()), binds.push(bind)))
        .collect();
    let mut write = format!(
        "UPDATE {} SET {}",
        table(permit, schema),
        changes.join(", ")
    );
    push_where(&mut write, existing);
    let too_many = request.at_most.map(|most| TooMany(binds.push_count(most)));
    let text = checked(&write, &request.returning.columns, check, too_many);
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Writes,
    }
}

pub(crate) fn delete(permit: &Permit, schema: &str, request: &Delete) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let existing = condition(&mut writer, [permit.using()], request.filter.as_ref());
    let check = condition(&mut writer, [&request.returning.visible], None);
    let mut binds = Binds::after(writer);
    let mut write = format!("DELETE FROM {}", table(permit, schema));
    push_where(&mut write, existing);
    let too_many = request.at_most.map(|most| TooMany(binds.push_count(most)));
    let text = checked(&write, &request.returning.columns, check, too_many);
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Writes,
    }
}

/// The bind that holds how many rows a write may touch.
struct TooMany(String);

/// The write, and whatever must be true of its rows before any of it counts.
///
/// `verdict` is one row, computed from all written rows. It is volatile and materialised, so it can
/// neither be skipped nor inlined, and each form of the last step needs its value: joined, so that
/// no row is answered before the verdict; or filtered by it where no column is asked for.
fn checked(
    write: &str,
    returning: &[ColumnName],
    check: Option<String>,
    too_many: Option<TooMany>,
) -> String {
    let answered = columns(returning, ROW);
    if check.is_none() && too_many.is_none() {
        return match returning {
            [] => write.to_owned(),
            _ => format!("{write} RETURNING {answered}"),
        };
    }
    let separator = if returning.is_empty() { "" } else { ", " };
    let passed = check.map_or("true".to_owned(), |check| format!("({check}) IS TRUE"));
    // No row at all is no failed row.
    let every = format!("koyalite_api.require(coalesce(bool_and(w.{PASSED}), true))");
    let verdict = match too_many {
        None => every,
        // A cast that fails for this one reason: `require` could not tell it from a failed check.
        Some(TooMany(most)) => format!(
            "CASE WHEN count(*) <= {most} THEN {every} \
             ELSE ('{TOO_MANY_ROWS}' || count(*))::boolean END"
        ),
    };
    let last = match returning {
        [] => "SELECT FROM verdict WHERE NOT verdict.passed".to_owned(),
        _ => format!(
            "SELECT {} FROM verdict JOIN w ON verdict.passed",
            columns(returning, "w")
        ),
    };
    format!(
        "WITH w AS ({write} RETURNING {answered}{separator}{passed} AS {PASSED}), \
         verdict AS MATERIALIZED (SELECT {verdict} AS passed FROM w) {last}"
    )
}

/// All of the residuals and the filter; none where every row passes.
fn condition<const N: usize>(
    writer: &mut SqlWriter,
    residuals: [&Residual; N],
    filter: Option<&Expr>,
) -> Option<String> {
    let policies = residuals.into_iter().filter_map(|residual| match residual {
        Residual::True => None,
        Residual::When(expr) => Some(expr),
    });
    let conditions: Vec<_> = policies
        .chain(filter)
        .map(|expr| format!("({})", writer.predicate(expr, ROW)))
        .collect();
    (!conditions.is_empty()).then(|| conditions.join(" AND "))
}

fn push_where(text: &mut String, condition: Option<String>) {
    if let Some(condition) = condition {
        text.push_str(" WHERE ");
        text.push_str(&condition);
    }
}

fn table(permit: &Permit, schema: &str) -> String {
    let name = quote_ident(permit.table().name.as_str());
    format!("{}.{name} AS {ROW}", quote_ident(schema))
}

fn columns(names: &[ColumnName], row: &str) -> String {
    names
        .iter()
        .map(|name| column_of(row, name))
        .collect::<Vec<_>>()
        .join(", ")
}

fn column_of(row: &str, name: &ColumnName) -> String {
    format!("{row}.{}", quote_ident(name.as_str()))
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

    fn push_count(&mut self, count: u32) -> String {
        self.push(Bind::Typed {
            value: Value::Integer(count.into()),
            ty: ColumnType::Bigint,
        })
    }

    fn tuple(&mut self, row: Vec<Cell>) -> String {
        let cells: Vec<_> = row
            .into_iter()
            .map(|cell| match cell {
                Cell::Default => "DEFAULT".to_owned(),
                Cell::Value(bind) => self.push(bind),
            })
            .collect();
        format!("({})", cells.join(", "))
    }
}
