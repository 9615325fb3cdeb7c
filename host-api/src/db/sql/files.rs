//! Statements about files: rows of the view `koyalite_api.files`, written through functions.
//!
//! As in `outbox`, the row to be written stands as a relation of one row, so that the policies' condition is
//! about its columns; where it is not true, the statement undoes itself. The view and the functions know the
//! project by the role that calls them.

use koyalite_policy::{ColumnType, Permit, SqlWriter, Value, quote_ident};
use uuid::Uuid;

use super::super::bind::Bind;
use super::super::rows::Reading;
use super::super::run::{Effect, Plan, Statement};
use super::write::is_true;
use super::{Binds, ROW, condition};

/// The row as it is before a write.
const BEFORE: &str = "before";

/// What a file is, to whoever may see it.
const COLUMNS: [&str; 9] = [
    "id",
    "user_id",
    "path",
    "mime_type",
    "size",
    "created_at",
    "updated_at",
    "version",
    "sha256",
];

/// What stands in one column of the row to be written.
pub(crate) enum FileCell {
    /// A value.
    Value(Bind),
    /// What is there before.
    Before,
    /// The database's clock.
    Now,
}

/// A file to be written.
pub(crate) struct FileWrite {
    /// The function of `koyalite_api` that does it.
    pub(crate) function: &'static str,
    /// The row as it would be: all columns, in the resource's order.
    pub(crate) row: Vec<(&'static str, FileCell)>,
    /// What else the function is told.
    pub(crate) more: Vec<Bind>,
    /// The file whose row it takes the place of.
    pub(crate) replaces: Option<String>,
}

/// `SELECT koyalite_api.commit_file(…) AS done` of a row that passes the permit; of nothing where what it
/// replaces is not there.
pub(crate) fn write_file(permit: &Permit, schema: &str, write: FileWrite) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema).with_old_row(BEFORE);
    let check = condition(&mut writer, ROW, [permit.check()], None);
    let using = match &write.replaces {
        Some(_) => condition(&mut writer, BEFORE, [permit.using()], None),
        None => None,
    };
    let mut binds = Binds::after(writer);
    let before = write.replaces.map(|path| {
        let path = binds.push(text(path));
        format!("{BEFORE} AS MATERIALIZED (SELECT * FROM koyalite_api.files WHERE path = {path}), ")
    });
    let from = match &before {
        Some(_) => format!(" FROM {BEFORE}"),
        None => String::new(),
    };
    let names: Vec<_> = write
        .row
        .iter()
        .map(|(name, _)| quote_ident(name))
        .collect();
    let cells = write.row.into_iter().zip(&names);
    let cells: Vec<_> = cells
        .map(|((_, cell), name)| match cell {
            FileCell::Value(bind) => format!("{} AS {name}", binds.push(bind)),
            FileCell::Before => format!("{BEFORE}.{name} AS {name}"),
            FileCell::Now => format!("clock_timestamp() AS {name}"),
        })
        .collect();
    let mut arguments: Vec<_> = names.iter().map(|name| format!("{ROW}.{name}")).collect();
    arguments.extend(write.more.into_iter().map(|bind| binds.push(bind)));
    let mut statement = format!(
        "WITH {}{ROW} AS MATERIALIZED (SELECT {}{from}) SELECT koyalite_api.{}({}) AS done FROM {ROW}",
        before.as_deref().unwrap_or_default(),
        cells.join(", "),
        write.function,
        arguments.join(", "),
    );
    if before.is_some() {
        statement.push_str(&format!(", {BEFORE}"));
    }
    let conditions = [using, check].into_iter().flatten();
    let conditions: Vec<_> = conditions
        .map(|one| format!("koyalite_api.require({})", is_true(one)))
        .collect();
    if !conditions.is_empty() {
        statement.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    writes(statement, binds)
}

/// Which files are meant.
pub(crate) enum Found {
    /// The one of that path.
    At(String),
    /// So many whose paths begin so, after that one.
    Under {
        prefix: String,
        after: Option<String>,
        limit: u32,
    },
}

/// The files that the permit lets be seen.
pub(crate) fn find_files(permit: &Permit, schema: &str, found: Found) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let visible = condition(&mut writer, ROW, [permit.using()], None);
    let mut binds = Binds::after(writer);
    let mut conditions: Vec<_> = visible.into_iter().collect();
    let mut rest = String::new();
    match found {
        Found::At(path) => conditions.push(format!("{ROW}.path = {}", binds.push(text(path)))),
        Found::Under {
            prefix,
            after,
            limit,
        } => {
            if !prefix.is_empty() {
                // No path holds the last of all characters, so this is what begins with the prefix.
                let end = binds.push(text(format!("{prefix}\u{10ffff}")));
                let start = binds.push(text(prefix));
                conditions.push(format!("{ROW}.path >= {start} AND {ROW}.path < {end}"));
            }
            if let Some(after) = after {
                conditions.push(format!("{ROW}.path > {}", binds.push(text(after))));
            }
            rest = format!(" ORDER BY {ROW}.path LIMIT {}", binds.push_count(limit));
        }
    }
    let columns = COLUMNS.map(|name| format!("{ROW}.{name}")).join(", ");
    let mut statement = format!("SELECT {columns} FROM koyalite_api.files AS {ROW}");
    if !conditions.is_empty() {
        statement.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    reads(statement + &rest, binds)
}

/// What is at a path, for a caller who may write there or not: the permit says that there is one who may
/// write somewhere.
pub(crate) fn peek_file(_permit: &Permit, path: String) -> Statement {
    let mut binds = Binds(Vec::new());
    let path = binds.push(text(path));
    let statement = format!(
        "SELECT {ROW}.version, {ROW}.size FROM koyalite_api.files AS {ROW} WHERE {ROW}.path = {path}"
    );
    reads(statement, binds)
}

/// Deletes the file of that path and version, if the permit lets it be seen and deleted.
pub(crate) fn delete_file(
    permit: &Permit,
    schema: &str,
    (path, seen): (String, Uuid),
) -> Statement {
    let mut writer = SqlWriter::new().in_schema(schema);
    let mut conditions: Vec<_> = condition(&mut writer, ROW, [permit.using()], None)
        .into_iter()
        .collect();
    let mut binds = Binds::after(writer);
    conditions.push(format!("{ROW}.path = {}", binds.push(text(path))));
    let seen = binds.push(Bind::Typed {
        value: Value::Uuid(seen),
        ty: ColumnType::Uuid,
    });
    let statement = format!(
        "SELECT koyalite_api.delete_file({ROW}.id, {seen}) AS done FROM koyalite_api.files AS {ROW} WHERE {}",
        conditions.join(" AND ")
    );
    writes(statement, binds)
}

/// A function of `koyalite_api` about an upload that a caller has begun, who may write somewhere.
pub(crate) fn call_files(
    _permit: &Permit,
    (function, columns, effect): (&str, &[&str], Effect),
    arguments: Vec<Bind>,
) -> Statement {
    let mut binds = Binds(Vec::new());
    let arguments: Vec<_> = arguments.into_iter().map(|bind| binds.push(bind)).collect();
    let called = format!("koyalite_api.{function}({})", arguments.join(", "));
    let statement = match columns {
        [] => format!("SELECT {called} AS done"),
        columns => format!("SELECT {} FROM {called}", columns.join(", ")),
    };
    Statement {
        effect,
        ..reads(statement, binds)
    }
}

/// Lets go of content that was begun under a permit and will not be a file.
pub(crate) fn drop_content(version: Uuid) -> Statement {
    let mut binds = Binds(Vec::new());
    let version = binds.push(Bind::Typed {
        value: Value::Uuid(version),
        ty: ColumnType::Uuid,
    });
    writes(
        format!("SELECT koyalite_api.drop_content({version}) AS done"),
        binds,
    )
}

fn text(value: String) -> Bind {
    Bind::Typed {
        value: Value::Text(value),
        ty: ColumnType::Text,
    }
}

fn reads(text: String, binds: Binds) -> Statement {
    Statement {
        text,
        binds: binds.0,
        plan: Plan::Kept,
        effect: Effect::Reads,
        reading: Reading::default(),
    }
}

fn writes(text: String, binds: Binds) -> Statement {
    Statement {
        effect: Effect::Writes,
        ..reads(text, binds)
    }
}
