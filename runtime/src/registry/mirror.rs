//! The mirror: policies as Postgres' own row security, beside the host's; of a project or of some tables.
//!
//! Off unless somebody turns it on, for it makes a transaction of every statement. While it is on, each
//! change of tables, policies or claims rewrites it before it commits, so the two never differ, and is
//! refused where Postgres cannot say what a policy says. What it says is the policy engine's matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use koyalite_host_api::db::Mirror;
use koyalite_policy::{ProjectName, TableName, native};
use serde::Serialize;

use super::audit::{Action, Deed};
use super::change::{Change, LockedProject};
use super::columns::{self, StoredTable};
use super::condition::Condition;
use super::error::{Mistake, RegistryError, Standing};
use super::tables::{self, Table};
use super::{Registry, ddl};

/// Which tables of a project are mirrored.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn get(registry: &Registry, project: &ProjectName) -> Result<Mirror, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    let stored = sqlx::query!(
        r#"SELECT id, (settings -> 'native_mirror' = 'true') IS TRUE AS "mirrored!"
           FROM koyalite.projects WHERE name = $1"#,
        project.as_str(),
    )
    .fetch_optional(&mut conn)
    .await?
    .ok_or_else(|| RegistryError::not_found("project", project))?;
    let tables = columns::load(&mut conn, Some(stored.id)).await?;
    Ok(of(stored.mirrored, &tables))
}

/// The setting as operators see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NativeMirror {
    /// Whether all tables are mirrored.
    pub enabled: bool,
    /// Those that are mirrored by themselves, where not all are.
    pub tables: BTreeSet<TableName>,
}

impl From<Mirror> for NativeMirror {
    fn from(stored: Mirror) -> Self {
        let tables = match &stored {
            Mirror::Off | Mirror::On => BTreeSet::new(),
            Mirror::Tables(tables) => BTreeSet::clone(tables),
        };
        Self {
            enabled: stored == Mirror::On,
            tables,
        }
    }
}

/// Turns the mirror of a whole project on or off. On again writes it again; tables that are mirrored by
/// themselves stay so.
///
/// # Errors
/// `Conflict` with every policy that Postgres cannot say, and where the condition does not hold.
pub async fn set(
    registry: &Registry,
    project: &ProjectName,
    (condition, wanted): (&Condition, Switch),
) -> Result<NativeMirror, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let before = stored(&mut change, &locked).await?;
    condition.check(&NativeMirror::from(before))?;
    sqlx::query!(
        "UPDATE koyalite.projects SET updated_at = now(),
             settings = jsonb_set(settings, '{native_mirror}', to_jsonb($2::boolean))
         WHERE id = $1",
        locked.id,
        wanted == Switch::On,
    )
    .execute(change.conn())
    .await?;
    if wanted == Switch::Off {
        let schema = tables::schema_in(&mut change, &locked).await?;
        for rules in schema.tables() {
            lift(&mut change, &locked, &rules.shape().name).await?;
        }
    }
    write(&mut change, &locked).await?;
    let after = stored(&mut change, &locked).await?;
    let deed = Deed::new(Action::NativeMirrorSet, project).with("on", wanted == Switch::On);
    change.commit(deed).await?;
    Ok(after.into())
}

/// Turns the mirror of one table on or off. Where the whole project is mirrored, so is the table.
///
/// # Errors
/// `Conflict` with every policy that Postgres cannot say, or cannot while another table is not mirrored,
/// and where the condition does not hold for the table.
pub async fn set_table(
    registry: &Registry,
    project: &ProjectName,
    name: &TableName,
    (condition, wanted): (&Condition, Switch),
) -> Result<Table, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let table = Table::from(tables::find(&mut change, &locked, name).await?);
    condition.check(&table)?;
    sqlx::query!(
        "UPDATE koyalite.tables SET native_mirror = $2 WHERE id = $1",
        table.id,
        wanted == Switch::On,
    )
    .execute(change.conn())
    .await?;
    if wanted == Switch::Off {
        lift(&mut change, &locked, name).await?;
    }
    write(&mut change, &locked).await?;
    let table = tables::find(&mut change, &locked, name).await?;
    let deed = Deed::new(Action::NativeMirrorSet, name).with("on", wanted == Switch::On);
    change.commit(deed).await?;
    Ok(table.into())
}

/// What is asked of the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Postgres too.
    On,
    /// The host alone.
    Off,
}

/// The setting as it is stored: of the whole project, and of its tables.
pub(crate) fn of(whole: bool, tables: &[StoredTable]) -> Mirror {
    let alone = tables.iter().filter(|table| table.native_mirror);
    let alone: BTreeSet<_> = alone.map(|table| table.name.clone()).collect();
    match (whole, alone.is_empty()) {
        (true, _) => Mirror::On,
        (false, true) => Mirror::Off,
        (false, false) => Mirror::Tables(Arc::new(alone)),
    }
}

/// Commits a change of tables, policies or claims; the mirror follows in the same transaction.
pub(crate) async fn commit(
    mut change: Change<'_>,
    project: &LockedProject,
    deed: Deed,
) -> Result<(), RegistryError> {
    renew(&mut change, project).await?;
    change.commit(deed).await
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

/// Makes the policies of all tables that are to be mirrored Postgres' own.
async fn write(change: &mut Change<'_>, project: &LockedProject) -> Result<(), RegistryError> {
    let mirror = stored(change, project).await?;
    let schema = tables::schema_in(change, project).await?;
    let mut refused = Vec::new();
    let mut written = Vec::new();
    let names = schema.tables().map(|rules| &rules.shape().name);
    for table in names.filter(|table| mirror.covers(table)) {
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
        // Inside its policies Postgres would show all rows of a table that is not mirrored.
        let inner = native::read_by_policies(&schema, table);
        refused.extend(
            inner
                .iter()
                .filter(|inner| !mirror.covers(inner))
                .map(|inner| {
                    let reason = format!(
                        "its policies read {inner}, which is not mirrored; mirror it first"
                    );
                    Mistake::new(table.as_str(), reason)
                }),
        );
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

/// Which tables are to be mirrored, as the change has it.
pub(crate) async fn stored(
    change: &mut Change<'_>,
    project: &LockedProject,
) -> Result<Mirror, RegistryError> {
    let whole = sqlx::query_scalar!(
        r#"SELECT (settings -> 'native_mirror' = 'true') IS TRUE AS "mirrored!"
           FROM koyalite.projects WHERE id = $1"#,
        project.id,
    )
    .fetch_one(change.conn())
    .await?;
    let tables = columns::load(change.conn(), Some(project.id)).await?;
    Ok(of(whole, &tables))
}
