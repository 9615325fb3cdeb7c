//! Statements about vectors: how a column of them is stored, and the indexes that pgvector keeps.
//!
//! Where the database has no pgvector, a vector is an array of the same numbers, of the same length.

use std::borrow::Cow;

use koyalite_host_api::vectors::Metric;
use koyalite_policy::{ColumnName, ColumnType, TableName, quote_ident};
use uuid::Uuid;

use super::{Ddl, qualified};
use crate::registry::change::LockedProject;

/// The type of a column in Postgres' words.
pub(super) fn stored_type(project: &LockedProject, ty: ColumnType) -> Cow<'static, str> {
    match (ty, &project.vector_schema) {
        (ColumnType::Vector(_), Some(schema)) => {
            format!("{}.{}", quote_ident(schema), ty.sql_name()).into()
        }
        (ColumnType::Vector(_), None) => "real[]".into(),
        (ty, _) => ty.sql_name(),
    }
}

/// What an array has to be, to stand for a vector.
pub(super) fn stored_check(
    project: &LockedProject,
    column: &ColumnName,
    ty: ColumnType,
) -> Option<String> {
    let ColumnType::Vector(dimensions) = ty else {
        return None;
    };
    if project.vector_schema.is_some() {
        return None;
    }
    let column = quote_ident(column.as_str());
    // NULL is no vector and may be there; an array of nothing has no dimension to ask for.
    Some(format!(
        " CHECK (cardinality({column}) = {dimensions} AND array_ndims({column}) = 1
              AND array_position({column}, NULL) IS NULL)"
    ))
}

/// An index of pgvector's, to be made.
#[derive(Debug, Clone)]
pub(crate) struct Hnsw<'a> {
    pub(crate) id: Uuid,
    /// The project's schema.
    pub(crate) schema: &'a str,
    pub(crate) table: &'a TableName,
    pub(crate) column: &'a ColumnName,
    pub(crate) dimension: u16,
    pub(crate) metric: Metric,
    /// Where the extension lives.
    pub(crate) extension: &'a str,
}

impl Hnsw<'_> {
    /// Makes it while the table is read and written. Not for a transaction.
    pub(crate) fn create(&self) -> Ddl {
        let extension = quote_ident(self.extension);
        // The cast changes nothing of a column that is a vector, and makes one of an array.
        Ddl(format!(
            "CREATE INDEX CONCURRENTLY {} ON {} USING hnsw (({}::{extension}.vector({})) {extension}.{})",
            quote_ident(&index_name(self.id)),
            qualified(self.schema, self.table),
            quote_ident(self.column.as_str()),
            self.dimension,
            self.metric.operator_class(),
        ))
    }

    /// Takes away what is left of one that was not finished. Not for a transaction.
    pub(crate) fn clear(&self) -> Ddl {
        let (schema, name) = (quote_ident(self.schema), quote_ident(&index_name(self.id)));
        Ddl(format!("DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}"))
    }
}

/// Drops an index of pgvector's. One that is being built is not waited for.
pub(crate) fn drop_hnsw(project: &LockedProject, id: Uuid) -> Ddl {
    let (schema, name) = (quote_ident(&project.schema), quote_ident(&index_name(id)));
    Ddl(format!(
        "SET LOCAL lock_timeout = '{}';
         DROP INDEX IF EXISTS {schema}.{name};",
        super::LOCK_TIMEOUT
    ))
}

/// Lets the project's role look up the extension's types and operators.
pub(crate) fn grant_extension(project: &LockedProject, extension: &str) -> Ddl {
    Ddl(format!(
        "GRANT USAGE ON SCHEMA {} TO {};",
        quote_ident(extension),
        quote_ident(&project.role)
    ))
}

/// The opposite: a role that has a right left cannot be dropped.
pub(crate) fn revoke_extension(project: &LockedProject, extension: &str) -> Ddl {
    Ddl(format!(
        "REVOKE USAGE ON SCHEMA {} FROM {};",
        quote_ident(extension),
        quote_ident(&project.role)
    ))
}

/// By the id: short, and the same whatever the index is called.
fn index_name(id: Uuid) -> String {
    format!("hnsw_{}", id.simple())
}
