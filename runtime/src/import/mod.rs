//! An existing Postgres as a `schema.json`: its tables, and its row security where our language takes
//! it. Reads a catalogue and nothing else; it writes nowhere, and no server of ours is asked.
//!
//! What cannot be carried over is told, each with its reason; nothing is dropped in silence. Where a
//! restrictive policy cannot be carried over, the table stays closed rather than more open than it was.
//!
//! Reading order: `catalogue` (what is there), `column` (types and defaults), `table`, `policy`, `checks`.

mod catalogue;
mod checks;
mod column;
mod expression;
mod policy;
mod source;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;

use crate::registry::migration::SchemaFile;

pub use self::source::{Source, SourceError};

/// A schema, and what of it is not in the file.
#[derive(Debug, Default)]
pub struct Imported {
    /// What can be applied.
    pub file: SchemaFile,
    /// What was left out, or is not quite as it was.
    pub notes: Vec<Note>,
    /// For each table of the file, how its columns are read as our JSON: an SQL expression by name.
    pub rows: BTreeMap<String, Vec<(String, String)>>,
}

/// One thing that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The table, `table.column`, or `table: policy`.
    pub subject: String,
    /// What happened to it, and why.
    pub reason: String,
}

impl Imported {
    fn note(&mut self, subject: impl Into<String>, reason: impl Into<String>) {
        self.notes.push(Note {
            subject: subject.into(),
            reason: reason.into(),
        });
    }
}

/// Reads a schema of a database. One without tables is `RowNotFound`.
async fn read(conn: &mut PgConnection, schema: &str) -> Result<Imported, sqlx::Error> {
    let found = catalogue::read(conn, schema).await?;
    let mut imported = Imported::default();
    let tables = table::translate(&found, &mut imported);
    policy::translate(&found, &tables, &mut imported);
    Ok(imported)
}
