//! The mirror: a project's policies as Postgres' own row security, beside the host's.
//!
//! Off unless somebody turns it on, for it makes a transaction of every statement. While it is on, each
//! change of tables, policies or claims rewrites it before it commits, so the two never differ, and is
//! refused where Postgres cannot say what a policy says. What it says is the policy engine's matter.

use koyalite_host_api::db::Mirror;
use koyalite_policy::{ProjectName, TableName, native};

use super::change::{Change, LockedProject};
use super::error::{Mistake, RegistryError, Standing};
use super::{Registry, ddl, tables};

/// Whether a project is mirrored.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn get(registry: &Registry, project: &ProjectName) -> Result<Mirror, RegistryError> {
    let stored = sqlx::query_scalar!(
        r#"SELECT (settings -> 'native_mirror' = 'true') IS TRUE AS "mirrored!"
           FROM koyalite.projects WHERE name = $1"#,
        project.as_str(),
    )
    .fetch_optional(&registry.pool)
    .await?;
    stored
        .map(from_stored)
        .ok_or_else(|| RegistryError::not_found("project", project))
}

/// Turns the mirror on or off. On again writes it again.
///
/// # Errors
/// `Conflict` with every policy that Postgres cannot say.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    wanted: Mirror,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    sqlx::query!(
        "UPDATE koyalite.projects SET updated_at = now(),
             settings = jsonb_set(settings, '{native_mirror}', to_jsonb($2::boolean))
         WHERE id = $1",
        locked.id,
        wanted == Mirror::On,
    )
    .execute(change.conn())
    .await?;
    match wanted {
        Mirror::On => write(&mut change, &locked).await?,
        Mirror::Off => remove(&mut change, &locked).await?,
    }
    change.commit().await
}

/// The setting as it is stored.
pub(crate) fn from_stored(mirrored: bool) -> Mirror {
    match mirrored {
        true => Mirror::On,
        false => Mirror::Off,
    }
}

/// Commits a change of tables, policies or claims; the mirror follows in the same transaction.
pub(crate) async fn commit(
    mut change: Change<'_>,
    project: &LockedProject,
) -> Result<(), RegistryError> {
    renew(&mut change, project).await?;
    change.commit().await
}

/// Writes the mirror of a mirrored project again, inside a change.
pub(crate) async fn renew(
    change: &mut Change<'_>,
    project: &LockedProject,
) -> Result<(), RegistryError> {
    match project.mirrored {
        true => write(change, project).await,
        false => Ok(()),
    }
}

/// Takes the mirror away from a table until the change renews it: row security that speaks of a column
/// keeps the column as it is.
pub(crate) async fn lift(
    change: &mut Change<'_>,
    project: &LockedProject,
    table: &TableName,
) -> Result<(), RegistryError> {
    let statements = native::removal(table, &project.schema);
    change.run(ddl::row_security(&statements)).await
}

const CANNOT_SAY: &str =
    "Postgres cannot enforce every policy; change or disable these, or leave the mirror off";

async fn write(change: &mut Change<'_>, project: &LockedProject) -> Result<(), RegistryError> {
    let schema = tables::schema_in(change, project).await?;
    let mut refused = Vec::new();
    let mut written = Vec::new();
    for rules in schema.tables() {
        let table = &rules.shape().name;
        match native::statements(&schema, table, &project.schema) {
            Ok(statements) => written.push(ddl::row_security(&statements)),
            Err(_) => {
                let found = native::not_mirrorable(&schema, table);
                refused.extend(
                    found
                        .iter()
                        .map(|policy| Mistake::new(table.as_str(), policy)),
                );
            }
        }
    }
    if !refused.is_empty() {
        let kind = Standing::NotMirrorable;
        return Err(RegistryError::conflicts(kind, CANNOT_SAY, refused));
    }
    for statements in written {
        change.run(statements).await?;
    }
    Ok(())
}

async fn remove(change: &mut Change<'_>, project: &LockedProject) -> Result<(), RegistryError> {
    let schema = tables::schema_in(change, project).await?;
    for rules in schema.tables() {
        lift(change, project, &rules.shape().name).await?;
    }
    Ok(())
}
