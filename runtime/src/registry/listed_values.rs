//! Other values for a column that lists them: more at any time, fewer where no row holds what goes.
//!
//! In two steps, with the policies of the same change between them: first both lists are allowed,
//! so that old policies and new ones can be read, and at the end the new list alone.

use koyalite_policy::TableName;

use super::change::{Change, LockedProject};
use super::columns::Column;
use super::constraints::{self, Kind};
use super::ddl;
use super::error::{RegistryError, Standing};

/// A column and what it is to allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewValues<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) column: &'a Column,
    pub(crate) values: &'a [String],
}

impl NewValues<'_> {
    fn old(&self) -> &[String] {
        self.column.ty.values.as_deref().unwrap_or_default()
    }

    /// Lets policies speak of the old values and the new ones.
    pub(crate) async fn widen(&self, change: &mut Change<'_>) -> Result<(), RegistryError> {
        let mut both = self.old().to_vec();
        let new = self.values.iter().filter(|value| !both.contains(value));
        let new: Vec<String> = new.cloned().collect();
        both.extend(new);
        self.store(change, &both).await
    }

    /// Leaves the new values alone, in the catalogue and in Postgres.
    pub(crate) async fn settle(
        &self,
        change: &mut Change<'_>,
        project: &LockedProject,
    ) -> Result<(), RegistryError> {
        let (table, column) = (self.table, &self.column.name);
        change.hold(project, table).await?;
        if self.old().iter().any(|value| !self.values.contains(value)) {
            let others = ddl::count_others(project, table, column, self.values);
            let held = change.counts(others).await?;
            if held > 0 {
                let reason = format!(
                    "rows of {table} still hold {held} of the values that {column} would lose; \
                     change those rows first"
                );
                return Err(RegistryError::conflict(Standing::WouldLoseData, reason));
            }
        }
        let at = (table, column);
        let checks = constraints::of_column(change.conn(), project, at, Kind::Check).await?;
        change
            .run(ddl::replace_checks(
                project,
                (table, column),
                &checks,
                self.values,
            ))
            .await?;
        self.store(change, self.values).await
    }

    async fn store(&self, change: &mut Change<'_>, values: &[String]) -> Result<(), RegistryError> {
        sqlx::query!(
            "UPDATE koyalite.columns SET listed_values = $2 WHERE id = $1",
            self.column.id,
            values,
        )
        .execute(change.conn())
        .await?;
        Ok(())
    }
}
