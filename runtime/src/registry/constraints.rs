//! What Postgres calls the constraints of a column: most are made with it, and named by Postgres.
//!
//! It reads the catalogue and changes nothing.

use koyalite_policy::{ColumnName, TableName};

use super::change::LockedProject;
use super::error::RegistryError;
use super::pool::DbConnection;

/// A kind of constraint on one column alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A condition on its values.
    Check,
    /// No two rows agree in it.
    Unique,
}

impl Kind {
    fn letter(self) -> &'static str {
        match self {
            Kind::Check => "c",
            Kind::Unique => "u",
        }
    }
}

/// The names of a column's own constraints of a kind.
pub(crate) async fn of_column(
    conn: &mut DbConnection,
    project: &LockedProject,
    (table, column): (&TableName, &ColumnName),
    kind: Kind,
) -> Result<Vec<String>, RegistryError> {
    let names = sqlx::query_scalar(CONSTRAINTS_OF_COLUMN)
        .bind(&project.schema)
        .bind(table.as_str())
        .bind(column.as_str())
        .bind(kind.letter())
        .fetch_all(conn)
        .await?;
    Ok(names)
}

const CONSTRAINTS_OF_COLUMN: &str = "SELECT c.conname::text
    FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_attribute a ON a.attrelid = r.oid AND c.conkey = ARRAY[a.attnum]
    WHERE n.nspname = $1 AND r.relname = $2 AND a.attname = $3 AND c.contype = $4::\"char\"";
