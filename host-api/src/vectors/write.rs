//! Rows of an index's table, written and deleted: by the tables interface, under the name of the index.

use koyalite_policy::Identity;

use super::VectorIndex;
use crate::error::HostError;
use crate::invocation::Project;
use crate::tables::{self, DeleteQuery, UpsertQuery};

/// Writes rows of the table that the index is on, all or none. `query.table` is the index's name.
///
/// # Errors
/// As [`tables::upsert`]; `unknown_vector_index`.
pub async fn upsert(
    project: &Project,
    identity: &Identity,
    query: UpsertQuery,
) -> Result<String, HostError> {
    let table = table(project, &query.table)?;
    tables::upsert(project, identity, UpsertQuery { table, ..query }).await
}

/// Deletes rows of the table that the index is on, all or none. `query.table` is the index's name.
///
/// # Errors
/// As [`tables::delete`]; `unknown_vector_index`.
pub async fn delete(
    project: &Project,
    identity: &Identity,
    query: DeleteQuery,
) -> Result<String, HostError> {
    let table = table(project, &query.table)?;
    tables::delete(project, identity, DeleteQuery { table, ..query }).await
}

fn table(project: &Project, index: &str) -> Result<String, HostError> {
    let found = project.vectors.index(index);
    found
        .map(|VectorIndex { table, .. }| table.to_string())
        .ok_or_else(|| HostError::unknown_vector_index(index))
}
