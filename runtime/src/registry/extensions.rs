//! Types that a database has only with an extension: asked for before a column of one is made, so
//! that whoever asked learns what to install.

use koyalite_policy::ColumnType;

use super::change::Change;
use super::definition::ColumnDefinition;
use super::error::{RegistryError, Standing};

/// Refuses columns of types that this database does not have.
pub(crate) async fn check_types<'a>(
    change: &mut Change<'_>,
    columns: impl IntoIterator<Item = &'a ColumnDefinition>,
) -> Result<(), RegistryError> {
    let is_vector = |column: &&ColumnDefinition| matches!(column.ty.ty, ColumnType::Vector(_));
    let Some(column) = columns.into_iter().find(is_vector) else {
        return Ok(());
    };
    let known: bool = sqlx::query_scalar("SELECT to_regtype('vector') IS NOT NULL")
        .fetch_one(change.conn())
        .await?;
    match known {
        true => Ok(()),
        false => Err(RegistryError::conflict(
            Standing::UnsupportedType,
            format!(
                "{}: the database has no type vector; install pgvector on its server and run \
                 `CREATE EXTENSION vector` in it as a superuser",
                column.name
            ),
        )),
    }
}
