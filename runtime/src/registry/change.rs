//! One change to control data: a transaction that ends by moving `koyalite.head`.
//!
//! The head row is written last, so it is locked only while committing, and the order of commits is
//! the order of its numbers: a poller that has seen a number has seen every change up to it.
//! A change that is dropped is rolled back and moves nothing.

use koyalite_policy::ProjectName;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::Registry;
use super::ddl::Ddl;
use super::error::RegistryError;

/// Names the lock in this database; any number would do.
const SHARED_GRANTS_LOCK: i64 = 0x6b6f_7961_6772_6e74;

/// An open change.
pub(crate) struct Change<'a> {
    registry: &'a Registry,
    tx: Transaction<'static, Postgres>,
}

/// The project that a change works on. Its row is locked until the change ends.
#[derive(Debug, Clone)]
pub(crate) struct LockedProject {
    pub(crate) id: Uuid,
    pub(crate) schema: String,
    pub(crate) role: String,
    /// Whether its policies are Postgres' own as well; see `mirror`.
    pub(crate) mirrored: bool,
}

impl<'a> Change<'a> {
    pub(crate) async fn begin(registry: &'a Registry) -> Result<Self, RegistryError> {
        Ok(Self {
            registry,
            tx: registry.pool.begin().await?,
        })
    }

    /// The connection, for metadata statements.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Locks the project, so that a policy is never checked against tables that another change is
    /// about to alter.
    pub(crate) async fn lock(
        &mut self,
        name: &ProjectName,
    ) -> Result<LockedProject, RegistryError> {
        sqlx::query_as!(
            LockedProject,
            r#"SELECT id, database_schema AS schema, database_role AS role,
                   (settings -> 'native_mirror' = 'true') IS TRUE AS "mirrored!"
               FROM koyalite.projects WHERE name = $1 FOR UPDATE"#,
            name.as_str(),
        )
        .fetch_optional(self.conn())
        .await?
        .ok_or_else(|| RegistryError::not_found("project", name))
    }

    /// Waits for other changes that grant rights on what all projects share. Postgres does not queue
    /// such grants: of two at once, one fails.
    pub(crate) async fn take_turn(&mut self) -> Result<(), RegistryError> {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(SHARED_GRANTS_LOCK)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Runs DDL inside the change: Postgres undoes it with everything else.
    pub(crate) async fn run(&mut self, ddl: Ddl) -> Result<(), RegistryError> {
        // Safe to assert: a `Ddl` is only made by `ddl`, from validated names that it quotes,
        // types and defaults of closed lists, fixed words, and what the policy engine prints of its
        // own tree. Nothing a caller wrote is in it as it was written.
        let statement = sqlx::AssertSqlSafe(ddl.into_text());
        sqlx::raw_sql(statement).execute(self.conn()).await?;
        Ok(())
    }

    /// The one truth value that a question about a project's tables has.
    pub(crate) async fn finds(&mut self, question: Ddl) -> Result<bool, RegistryError> {
        // Safe to assert for the reason given in `run`.
        let statement = sqlx::AssertSqlSafe(question.into_text());
        let found = sqlx::query_scalar(statement).fetch_one(self.conn()).await?;
        Ok(found)
    }

    /// The one number that a question about a project's tables has.
    pub(crate) async fn counts(&mut self, question: Ddl) -> Result<i64, RegistryError> {
        // Safe to assert for the reason given in `run`.
        let statement = sqlx::AssertSqlSafe(question.into_text());
        let count = sqlx::query_scalar(statement).fetch_one(self.conn()).await?;
        Ok(count)
    }

    /// Commits, then serves the new state from this node at once.
    pub(crate) async fn commit(mut self) -> Result<(), RegistryError> {
        sqlx::query_scalar!("UPDATE koyalite.head SET seq = seq + 1 RETURNING seq")
            .fetch_one(self.conn())
            .await?;
        self.tx.commit().await?;
        // The change stands whether or not it can be read back; polling will catch up.
        if let Err(error) = self.registry.refresh().await {
            tracing::warn!(
                error = error.detail(),
                "a change is stored but not served yet"
            );
        }
        Ok(())
    }
}

/// The id of a project, for reading.
pub(crate) async fn project_id(
    registry: &Registry,
    name: &ProjectName,
) -> Result<Uuid, RegistryError> {
    sqlx::query_scalar!(
        "SELECT id FROM koyalite.projects WHERE name = $1",
        name.as_str()
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("project", name))
}
