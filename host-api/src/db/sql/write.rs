//! Insert, update and delete.
//!
//! A write that must pass a check aborts itself: the rows are written in a first step, a second
//! looks at all of them and raises, and Postgres undoes the whole statement. So nothing is left
//! behind without a transaction around it, and no row is answered unless every row passed.

use koyalite_policy::{ColumnName, Expr, Permit, Residual, SqlWriter, quote_ident};

use super::super::bind::Bind;
use super::super::rows::Reading;
use super::super::run::{Effect, Plan, Statement};
#[cfg(test)]
use super::leak::{self, Leak};
use super::unnest::unnest;
use super::{
    Binds, Output, PASSED, ROW, TOO_MANY_ROWS, column_of, condition, outputs, push_where, table,
};

/// The rows of an update as they were.
const BEFORE: &str = "before";

/// The last step where no column is asked for.
const NO_ROW: &str = "SELECT FROM verdict WHERE NOT verdict.passed";

/// A checked insert: every column exists and may be written, every row has a cell per column.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) returning: Vec<Output>,
}

/// What is put into one column of one row.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Default,
    /// The database's clock.
    Now,
    Value(Bind),
}

/// A checked update.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) filter: Option<Expr>,
    pub(crate) changes: Vec<(ColumnName, Cell)>,
    pub(crate) at_most: Option<u32>,
    pub(crate) returning: Vec<Output>,
}

/// A checked delete.
#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) filter: Option<Expr>,
    pub(crate) at_most: Option<u32>,
    pub(crate) returning: Vec<Output>,
}

/// `visible` is what the rows must meet to be answered, beyond the permit's check.
pub(crate) fn insert(
    permit: &Permit,
    visible: &Residual,
    schema: &str,
    request: Insert,
) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let check = condition(&mut writer, ROW, [permit.check(), visible], None);
    let mut binds = Binds::after(writer);
    let (write, plan) = insert_into(permit, schema, &request.columns, request.rows, &mut binds);
    let verdict = Verdict {
        passed: check.map(is_true),
        rows: Rows::Any,
    };
    Statement {
        text: checked("", &write, &request.returning, verdict),
        binds: binds.0,
        plan,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// `INSERT INTO … (…)` and the rows; and whether the statement is likely to come again. One for a row,
/// or for rows as arrays, is; one for rows one by one depends on how many.
pub(super) fn insert_into(
    permit: &Permit,
    schema: &str,
    columns: &[ColumnName],
    rows: Vec<Vec<Cell>>,
    binds: &mut Binds,
) -> (String, Plan) {
    let names: Vec<_> = columns
        .iter()
        .map(|column| quote_ident(column.as_str()))
        .collect();
    let arrays = match rows.len() {
        1 => None,
        _ => unnest(&rows, binds),
    };
    let plan = match (rows.len(), &arrays) {
        (1, _) | (_, Some(_)) => Plan::Kept,
        (_, None) => Plan::Once,
    };
    let rows = arrays.unwrap_or_else(|| {
        let tuples: Vec<_> = rows.into_iter().map(|row| binds.tuple(row)).collect();
        format!("VALUES {}", tuples.join(", "))
    });
    let write = format!(
        "INSERT INTO {} ({}) {rows}",
        table(permit, schema, ROW),
        names.join(", "),
    );
    (write, plan)
}

pub(crate) fn update(permit: &Permit, schema: &str, request: Update) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema).with_old_row(BEFORE);
    let using = permit.using();
    #[cfg(test)]
    let using = match permit.check_needs_old() {
        true => leak::residual(Leak::UpdateWithOld, using),
        false => leak::residual(Leak::Update, using),
    };
    let existing = condition(&mut writer, ROW, [using], request.filter.as_ref());
    let check = condition(&mut writer, ROW, [permit.check()], None);
    let mut binds = Binds::after(writer);
    let changes = binds.changes(request.changes).join(", ");
    let table = table(permit, schema, ROW);
    let (first, write) = if permit.check_needs_old() {
        let mut before = format!("SELECT {ROW}.* FROM {table}");
        push_where(&mut before, existing);
        (
            format!("{BEFORE} AS MATERIALIZED ({before} FOR UPDATE OF {ROW}), "),
            format!(
                "UPDATE {table} SET {changes} FROM {BEFORE} WHERE {}",
                same_row(permit)
            ),
        )
    } else {
        let mut write = format!("UPDATE {table} SET {changes}");
        push_where(&mut write, existing);
        (String::new(), write)
    };
    let verdict = Verdict {
        passed: check.map(is_true),
        rows: Rows::at_most(request.at_most, &mut binds),
    };
    Statement {
        text: checked(&first, &write, &request.returning, verdict),
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// A row and what it was before have the same key. Who changes the key itself is found by the old.
fn same_row(permit: &Permit) -> String {
    let columns = permit.table().columns.iter();
    let equal: Vec<_> = columns
        .filter(|column| column.primary_key)
        .map(|column| {
            let (row, before) = (
                column_of(ROW, &column.name),
                column_of(BEFORE, &column.name),
            );
            format!("{row} = {before}")
        })
        .collect();
    match equal.as_slice() {
        // No policy on a table without a key compares with the old row; should one, none passes.
        [] => "FALSE".to_owned(),
        equal => equal.join(" AND "),
    }
}

pub(crate) fn delete(permit: &Permit, schema: &str, request: &Delete) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let using = permit.using();
    #[cfg(test)]
    let using = leak::residual(Leak::Delete, using);
    let existing = condition(&mut writer, ROW, [using], request.filter.as_ref());
    let mut binds = Binds::after(writer);
    let mut write = format!("DELETE FROM {}", table(permit, schema, ROW));
    push_where(&mut write, existing);
    let verdict = Verdict {
        passed: None,
        rows: Rows::at_most(request.at_most, &mut binds),
    };
    Statement {
        text: checked("", &write, &request.returning, verdict),
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// A write that answers no row, answering instead how many rows it wrote.
pub(crate) fn counted(write: Statement) -> Statement {
    let text = match write.text.strip_suffix(NO_ROW) {
        Some(checked) => format!("{checked}SELECT count(*) FROM verdict JOIN w ON verdict.passed"),
        None => format!(
            "WITH w AS ({} RETURNING 1) SELECT count(*) FROM w",
            write.text
        ),
    };
    Statement {
        text,
        plan: Plan::Once,
        reading: Reading {
            hidden: 1,
            ..Reading::default()
        },
        ..write
    }
}

/// Looks at deferred constraints before the transaction ends.
pub(crate) fn check_constraints() -> Statement {
    Statement {
        text: "SET CONSTRAINTS ALL IMMEDIATE".to_owned(),
        binds: Vec::new(),
        plan: Plan::Once,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// What must be true of the rows of a write before any of it counts.
pub(super) struct Verdict {
    /// Of each row: a condition that is true or false. None: every row passes.
    pub(super) passed: Option<String>,
    pub(super) rows: Rows,
}

/// How many rows there may be. Each holds the place of a bind.
pub(super) enum Rows {
    Any,
    AtMost(String),
    /// As many as were proposed: none was skipped.
    Exactly(String),
}

impl Rows {
    fn at_most(most: Option<u32>, binds: &mut Binds) -> Rows {
        most.map_or(Rows::Any, |most| Rows::AtMost(binds.push_count(most)))
    }
}

/// NULL does not pass.
pub(super) fn is_true(condition: String) -> String {
    format!("({condition}) IS TRUE")
}

/// The write, and whatever must be true of its rows before any of it counts.
///
/// `verdict` is one row, computed from all written rows. It is volatile and materialised, so it can
/// neither be skipped nor inlined, and each form of the last step needs its value: joined, so that
/// no row is answered before the verdict; or filtered by it where no column is asked for.
///
/// `first` is what stands before the write in the same WITH, with a comma, or nothing.
pub(super) fn checked(first: &str, write: &str, returning: &[Output], verdict: Verdict) -> String {
    let mut answered = outputs(returning, ROW);
    if verdict.passed.is_none() && matches!(verdict.rows, Rows::Any) {
        return match returning {
            [] => write.to_owned(),
            _ => format!("{write} RETURNING {}", answered.join(", ")),
        };
    }
    let passed = verdict.passed.unwrap_or_else(|| "true".to_owned());
    answered.push(format!("{passed} AS {PASSED}"));
    // No row at all is no failed row.
    let every = format!("coalesce(bool_and(w.{PASSED}), true)");
    let verdict = match verdict.rows {
        Rows::Any => format!("koyalite_api.require({every})"),
        Rows::Exactly(rows) => format!("koyalite_api.require({every} AND count(*) = {rows})"),
        // A cast that fails for this one reason: `require` could not tell it from a failed check.
        Rows::AtMost(most) => format!(
            "CASE WHEN count(*) <= {most} THEN koyalite_api.require({every}) \
             ELSE ('{TOO_MANY_ROWS}' || count(*))::boolean END"
        ),
    };
    let last = match returning {
        [] => NO_ROW.to_owned(),
        _ => {
            let names = returning
                .iter()
                .map(|output| format!("w.{}", quote_ident(output.name.as_str())));
            let names: Vec<_> = names.collect();
            format!(
                "SELECT {} FROM verdict JOIN w ON verdict.passed",
                names.join(", ")
            )
        }
    };
    format!(
        "WITH {first}w AS ({write} RETURNING {}), \
         verdict AS MATERIALIZED (SELECT {verdict} AS passed FROM w) {last}",
        answered.join(", ")
    )
}
