//! Writing rows that may be there already.
//!
//! One `INSERT … ON CONFLICT DO UPDATE`. Postgres leaves out a stored row that fails the condition
//! of the update; here the condition holds what the caller must be allowed (to read and to change
//! the stored row, and to insert the proposed one), and the statement aborts unless as many rows
//! were written as were proposed. So nothing is skipped, and a row that may not be seen answers
//! like one that may not be written.

use koyalite_policy::{ColumnName, Permit, Residual, SqlWriter, quote_ident};

use super::super::rows::Reading;
use super::super::run::{Effect, Statement};
use super::write::{Cell, Rows, Verdict, checked, insert_into, is_true};
use super::{Binds, Output, ROW, condition};

/// The proposed row, as Postgres calls it. It has its defaults already.
const PROPOSED: &str = "excluded";

/// The stored row as the update would leave it.
const CHANGED: &str = "changed";

/// A checked upsert.
#[derive(Debug)]
pub(crate) struct Upsert {
    pub(crate) columns: Vec<ColumnName>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The unique columns that tell whether a row is there.
    pub(crate) conflict: Vec<ColumnName>,
    /// What a stored row takes over from the proposed one.
    pub(crate) taken: Vec<ColumnName>,
    /// What a stored row gets besides.
    pub(crate) set: Vec<(ColumnName, Cell)>,
    pub(crate) returning: Vec<Output>,
}

/// The two permits of an upsert: for rows that are new, and for rows that are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permits<'a> {
    pub(crate) insert: &'a Permit,
    pub(crate) update: &'a Permit,
    /// What rows must meet to be read, new or not.
    pub(crate) visible: &'a Residual,
}

pub(crate) fn upsert(permits: Permits<'_>, schema: &str, mut request: Upsert) -> Statement {
    // While the update is judged, the stored row is still as it was.
    let mut writer = SqlWriter::new().in_schema(schema).with_old_row(ROW);
    let proposed = [permits.insert.check(), permits.visible];
    let using = permits.update.using();
    #[cfg(test)]
    let using = super::leak::residual(super::leak::Leak::Conflict, using);
    let existing = [
        condition(&mut writer, ROW, [using], None),
        condition(&mut writer, PROPOSED, proposed, None),
    ];
    let inserted = condition(&mut writer, ROW, proposed, None);
    // What a policy says of old and new together is asked before the row is changed, and holds the
    // change back; all else is asked of the row as it is written.
    let check = [permits.update.check()];
    let (changed, updated) = match permits.update.check_needs_old() {
        true => (condition(&mut writer, CHANGED, check, None), None),
        false => (None, condition(&mut writer, ROW, check, None)),
    };
    let mut binds = Binds::after(writer);
    let proposals = request.rows.len();
    let (mut write, plan) = insert_into(
        permits.insert,
        schema,
        &request.columns,
        std::mem::take(&mut request.rows),
        &mut binds,
    );
    let changed = changed.map(|condition| {
        let columns = changed_columns(permits.update, &request, &mut binds);
        format!("EXISTS (SELECT FROM (SELECT {columns}) AS {CHANGED} WHERE {condition})")
    });
    let taken = request.taken.iter().map(|column| {
        let column = quote_ident(column.as_str());
        format!("{column} = {PROPOSED}.{column}")
    });
    let mut changes: Vec<_> = taken.collect();
    changes.extend(binds.changes(request.set));
    let conflict = request
        .conflict
        .iter()
        .map(|column| quote_ident(column.as_str()));
    let conflict: Vec<_> = conflict.collect();
    write.push_str(&format!(
        " ON CONFLICT ({}) DO UPDATE SET {}",
        conflict.join(", "),
        changes.join(", ")
    ));
    let existing: Vec<_> = existing.into_iter().flatten().chain(changed).collect();
    if !existing.is_empty() {
        write.push_str(&format!(" WHERE {}", existing.join(" AND ")));
    }
    let rows = u32::try_from(proposals).unwrap_or(u32::MAX);
    let verdict = Verdict {
        passed: passed(inserted, updated),
        rows: Rows::Exactly(binds.push_count(rows)),
    };
    Statement {
        text: checked("", &write, &request.returning, verdict),
        binds: binds.0,
        plan,
        effect: Effect::Writes,
        reading: Reading::default(),
    }
}

/// Every column of the stored row with what the update would put there.
fn changed_columns(permit: &Permit, request: &Upsert, binds: &mut Binds) -> String {
    let columns = permit.table().columns.iter().map(|column| {
        let name = quote_ident(column.name.as_str());
        let set = request.set.iter().find(|(set, _)| *set == column.name);
        match set {
            Some((_, cell)) => format!("{}::{} AS {name}", binds.cell(cell.clone()), column.ty),
            None if request.taken.contains(&column.name) => format!("{PROPOSED}.{name}"),
            None => format!("{ROW}.{name}"),
        }
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// What a written row must meet: the insert's check if it is new, the update's if it is not.
///
/// A row version that `DO UPDATE` made carries the lock that it was found under in `xmax`; a row
/// version that was inserted carries none.
fn passed(inserted: Option<String>, updated: Option<String>) -> Option<String> {
    if inserted.is_none() && updated.is_none() {
        return None;
    }
    let test = |condition: Option<String>| condition.map_or("true".to_owned(), is_true);
    Some(format!(
        "CASE WHEN {ROW}.xmax = 0 THEN {} ELSE {} END",
        test(inserted),
        test(updated)
    ))
}
