//! Deleting a function or a whole project: rows, schema and role in one change. What lies outside the
//! database, components above all, is told to the caller, who removes it when the rows are gone.
//!
//! A component may belong to several versions, of several projects. Whoever removes one holds the lock
//! that deploys share, and asks again under it: what a deploy has just named stays.

use koyalite_policy::{FunctionName, ProjectName};
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::{Change, LockedProject};
use super::error::RegistryError;
use super::pool::{DbConnection, Transaction};
use super::projects::Tenant;
use super::{Registry, ddl, functions};

/// Names the lock in this database; any number would do.
const COMPONENTS_LOCK: i64 = 0x6b6f_7961_636f_6d70;

/// What is gone from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The project that it was, or was in.
    pub project: Uuid,
    /// The components of its versions. Others may have them too.
    pub components: Vec<String>,
}

/// Deletes a project with all that is in it.
///
/// # Errors
/// `NotFound`, or `Unavailable` while its statements or changes take too long to end.
pub async fn project(registry: &Registry, name: &ProjectName) -> Result<Removed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    change.take_turn().await?;
    let locked = change.lock(name).await?;
    let functions = sqlx::query_scalar!(
        "SELECT id FROM koyalite.functions WHERE project_id = $1",
        locked.id,
    )
    .fetch_all(change.conn())
    .await?;
    let components = components(change.conn(), &functions).await?;
    drop_functions(change.conn(), &functions).await?;
    drop_data(change.conn(), locked.id).await?;
    let database = sqlx::query_scalar!("SELECT current_database()::text AS \"database!\"")
        .fetch_one(change.conn())
        .await?;
    if let Some(extension) = &locked.vector_schema {
        change
            .run(ddl::vectors::revoke_extension(&locked, extension))
            .await?;
    }
    let tenant = Tenant {
        schema: locked.schema,
        role: locked.role,
    };
    change.run(ddl::drop_tenant(&tenant, &database)).await?;
    change.concerns_none();
    let deed = Deed::new(Action::ProjectDelete, name).with("id", locked.id.to_string());
    change.commit(deed).await?;
    Ok(Removed {
        project: locked.id,
        components,
    })
}

/// Deletes a function with its versions, its schedules and their runs.
///
/// # Errors
/// `NotFound` for an unknown project or function.
pub async fn function(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
) -> Result<Removed, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let LockedProject { id, .. } = change.lock(project).await?;
    let function = functions::id_in(change.conn(), id, name).await?;
    let components = components(change.conn(), &[function]).await?;
    drop_functions(change.conn(), &[function]).await?;
    change
        .commit(Deed::new(Action::FunctionDelete, name))
        .await?;
    Ok(Removed {
        project: id,
        components,
    })
}

/// The components of these functions' versions.
pub(super) async fn components(
    conn: &mut DbConnection,
    functions: &[Uuid],
) -> Result<Vec<String>, RegistryError> {
    let components = sqlx::query_scalar!(
        "SELECT DISTINCT sha256 FROM koyalite.versions WHERE function_id = ANY($1)",
        functions,
    );
    Ok(components.fetch_all(conn).await?)
}

/// The rows of these functions, the ones that refer to others first.
pub(super) async fn drop_functions(
    conn: &mut DbConnection,
    functions: &[Uuid],
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.functions SET active_deployment_id = NULL WHERE id = ANY($1)",
        functions,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.runs WHERE task_id IN
             (SELECT id FROM koyalite.scheduled_tasks WHERE function_id = ANY($1))",
        functions,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.scheduled_tasks WHERE function_id = ANY($1)",
        functions,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.deployments WHERE function_id = ANY($1)",
        functions,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.versions WHERE function_id = ANY($1)",
        functions
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.functions WHERE id = ANY($1)",
        functions
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The rest of a project's rows, its own last. What refers to it and is not named here has to say
/// itself that it goes with it (`ON DELETE CASCADE`); else Postgres refuses.
async fn drop_data(conn: &mut DbConnection, project: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.policy_sets WHERE project_id = $1",
        project
    )
    .execute(&mut *conn)
    .await?;
    // Tables may refer to each other in a circle.
    sqlx::query!(
        "DELETE FROM koyalite.relationships WHERE from_table_id IN
             (SELECT id FROM koyalite.tables WHERE project_id = $1)",
        project,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM koyalite.tables WHERE project_id = $1", project)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM koyalite.projects WHERE id = $1", project)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// A change that may name components that are kept already.
pub(crate) async fn deploying(registry: &Registry) -> Result<Change<'_>, RegistryError> {
    hold_components(Change::begin(registry).await?).await
}

/// The same for any change.
pub(crate) async fn hold_components(mut change: Change<'_>) -> Result<Change<'_>, RegistryError> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind(COMPONENTS_LOCK)
        .execute(change.conn())
        .await?;
    Ok(change)
}

/// Components that no version has. While this is held none can get one.
pub struct Unused {
    tx: Transaction,
    /// Their hashes.
    pub components: Vec<String>,
}

/// Which of these components nothing uses any longer.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn unused(registry: &Registry, components: &[String]) -> Result<Unused, RegistryError> {
    let mut tx = registry.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(COMPONENTS_LOCK)
        .execute(&mut *tx)
        .await?;
    let used = sqlx::query_scalar!(
        "SELECT DISTINCT sha256 FROM koyalite.versions WHERE sha256 = ANY($1)",
        components,
    )
    .fetch_all(&mut *tx)
    .await?;
    let components = components.iter().filter(|hash| !used.contains(hash));
    Ok(Unused {
        components: components.cloned().collect(),
        tx,
    })
}

impl Unused {
    /// Lets deploys go on.
    ///
    /// # Errors
    /// `Unavailable` or `Internal`.
    pub async fn release(self) -> Result<(), RegistryError> {
        Ok(self.tx.commit().await?)
    }
}
