//! Policies: stored as their authors wrote them, checked before they are.
//!
//! The policy engine does the checking; here is only where the text lives. Nothing is saved that
//! does not make sense on its table, so the snapshot can always be built.

use chrono::{DateTime, Utc};
use koyalite_policy::{
    ColumnName, Command, Effect, PolicySource, ProjectName, Resource, TableName,
};
use serde::Serialize;
use uuid::Uuid;

use super::audit::{Action, Deed};
use super::change::{Change, LockedProject, project_id};
use super::error::RegistryError;
pub use super::policy_input::{NewPolicy, PolicyPatch};
use super::pool::DbConnection;
use super::verdict::{Rules, verdict};
use super::{Registry, mirror, tables};

/// A policy as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Policy {
    /// The policy itself.
    #[serde(flatten)]
    pub source: PolicySource,
    /// Who made it.
    pub created_by: Uuid,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A policy that was saved, with what its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SavedPolicy {
    /// The policy.
    #[serde(flatten)]
    pub policy: Policy,
    /// What may surprise, and the guard to write.
    pub warnings: Vec<String>,
}

/// Checks a policy against the project's tables, as is done before it is saved; saves nothing.
///
/// # Errors
/// `Invalid` with the field, the place in it, and what to write instead.
pub async fn check(
    registry: &Registry,
    project: &ProjectName,
    new: &NewPolicy,
) -> Result<Vec<String>, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let rules = Rules::load(&mut conn, id).await?;
    verdict(&new.source(Uuid::nil()), rules)
}

/// Creates a policy.
///
/// # Errors
/// `Invalid` where it makes no sense; `Conflict` where the table has one of this name.
pub async fn create(
    registry: &Registry,
    project: &ProjectName,
    new: &NewPolicy,
    creator: Uuid,
) -> Result<SavedPolicy, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let (id, warnings) = create_in(&mut change, &locked, new, creator).await?;
    let policy = find(change.conn(), locked.id, id).await?;
    let deed = Deed::new(Action::PolicyCreate, id).with("policy", recorded(&policy.source)?);
    mirror::commit(change, &locked, deed).await?;
    Ok(SavedPolicy { policy, warnings })
}

/// A policy in a record.
fn recorded(source: &PolicySource) -> Result<serde_json::Value, RegistryError> {
    serde_json::to_value(source).map_err(RegistryError::internal)
}

/// Creates a policy inside a change.
pub(crate) async fn create_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    new: &NewPolicy,
    creator: Uuid,
) -> Result<(Uuid, Vec<String>), RegistryError> {
    let table = match Resource::of(&new.table) {
        Some(resource) => resource_row(change.conn(), project.id, resource).await?,
        None => tables::find(change, project, &new.table).await?.id,
    };
    let source = new.source(Uuid::now_v7());
    let warnings = verdict_in(change, project, &source).await?;
    insert(change.conn(), table, &source, (creator, None)).await?;
    Ok((source.id, warnings))
}

/// The row that policies of a resource hang on. Without columns, it is no table to anybody else.
pub(crate) async fn resource_row(
    conn: &mut DbConnection,
    project: Uuid,
    resource: Resource,
) -> Result<Uuid, RegistryError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO koyalite.tables (id, project_id, name) VALUES ($1, $2, $3)
         ON CONFLICT (project_id, name) DO UPDATE SET name = excluded.name RETURNING id",
        Uuid::now_v7(),
        project,
        resource.name(),
    )
    .fetch_one(conn)
    .await?;
    Ok(id)
}

/// Writes a policy's row, unchecked. `made` is by whom, and when if that was before.
pub(crate) async fn insert(
    conn: &mut DbConnection,
    table: Uuid,
    source: &PolicySource,
    made: (Uuid, Option<DateTime<Utc>>),
) -> Result<(), RegistryError> {
    let (read, write) = masks(source);
    sqlx::query!(
        r#"INSERT INTO koyalite.policies
               (id, table_id, name, effect, commands, roles, "using", "check", enabled, created_by,
                read_columns, write_columns, presets, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, coalesce($14, now()))"#,
        source.id,
        table,
        source.name,
        effect_word(source.effect),
        &command_words(source),
        &source.roles,
        source.using,
        source.check,
        source.enabled,
        made.0,
        read.as_deref(),
        write.as_deref(),
        preset_words(source)?,
        made.1,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The policy of that id.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Policy, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    find(&mut conn, project, id).await
}

/// The policies of a project, or of one of its tables, by table and name.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    table: Option<&TableName>,
) -> Result<Vec<Policy>, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let policies = load(&mut conn, Some(project)).await?;
    let wanted = |policy: &Policy| table.is_none_or(|table| &policy.source.table == table);
    Ok(policies
        .into_iter()
        .map(|(_, policy)| policy)
        .filter(wanted)
        .collect())
}

/// Changes a policy.
///
/// # Errors
/// `NotFound`, or `Invalid` where the policy as changed makes no sense.
pub async fn update(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
    patch: PolicyPatch,
) -> Result<SavedPolicy, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let mut source = find(change.conn(), locked.id, id).await?.source;
    let deed = Deed::new(Action::PolicyUpdate, id).with("before", recorded(&source)?);
    patch.apply(&mut source);
    let warnings = update_in(&mut change, &locked, &source).await?;
    let policy = find(change.conn(), locked.id, id).await?;
    let deed = deed.with("policy", recorded(&policy.source)?);
    mirror::commit(change, &locked, deed).await?;
    Ok(SavedPolicy { policy, warnings })
}

/// Changes a policy inside a change.
pub(crate) async fn update_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    source: &PolicySource,
) -> Result<Vec<String>, RegistryError> {
    let warnings = verdict_in(change, project, source).await?;
    let (read, write) = masks(source);
    sqlx::query!(
        r#"UPDATE koyalite.policies SET name = $2, effect = $3, commands = $4, roles = $5,
               "using" = $6, "check" = $7, enabled = $8, read_columns = $9, write_columns = $10,
               presets = $11, updated_at = now()
           WHERE id = $1"#,
        source.id,
        source.name,
        effect_word(source.effect),
        &command_words(source),
        &source.roles,
        source.using,
        source.check,
        source.enabled,
        read.as_deref(),
        write.as_deref(),
        preset_words(source)?,
    )
    .execute(change.conn())
    .await?;
    Ok(warnings)
}

/// Deletes a policy.
///
/// # Errors
/// `NotFound` where the project has none of this id.
pub async fn delete(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let was = find(change.conn(), locked.id, id).await?;
    delete_in(&mut change, id).await?;
    let deed = Deed::new(Action::PolicyDelete, id).with("before", recorded(&was.source)?);
    mirror::commit(change, &locked, deed).await
}

/// Deletes a policy inside a change.
pub(crate) async fn delete_in(change: &mut Change<'_>, id: Uuid) -> Result<(), RegistryError> {
    sqlx::query!("DELETE FROM koyalite.policies WHERE id = $1", id)
        .execute(change.conn())
        .await?;
    Ok(())
}

async fn verdict_in(
    change: &mut Change<'_>,
    project: &LockedProject,
    source: &PolicySource,
) -> Result<Vec<String>, RegistryError> {
    verdict(source, Rules::load(change.conn(), project.id).await?)
}

/// The policies of one project as the policy engine takes them.
pub(crate) async fn sources(
    conn: &mut DbConnection,
    project: Uuid,
) -> Result<Vec<PolicySource>, RegistryError> {
    let policies = load(conn, Some(project)).await?;
    Ok(policies
        .into_iter()
        .map(|(_, policy)| policy.source)
        .collect())
}

/// The policies of one project, or of all, each with its project's id.
pub(crate) async fn load(
    conn: &mut DbConnection,
    project: Option<Uuid>,
) -> Result<Vec<(Uuid, Policy)>, RegistryError> {
    let rows = sqlx::query!(
        r#"SELECT t.project_id, p.id, p.name, t.name AS table_name, p.effect, p.commands, p.roles,
               p."using", p."check", p.read_columns, p.write_columns, p.presets, p.enabled,
               p.created_by, p.created_at, p.updated_at
           FROM koyalite.policies p JOIN koyalite.tables t ON t.id = p.table_id
           WHERE $1::uuid IS NULL OR t.project_id = $1
           ORDER BY t.project_id, t.name, p.name"#,
        project,
    )
    .fetch_all(conn)
    .await?;
    let policies = rows.into_iter().map(|row| {
        let commands = row.commands.iter().map(|word| command_of(word));
        let source = PolicySource {
            id: row.id,
            name: row.name,
            table: row.table_name.parse().map_err(RegistryError::internal)?,
            effect: effect_of(&row.effect)?,
            commands: commands.collect::<Result<_, _>>()?,
            roles: row.roles,
            using: row.using,
            check: row.check,
            read: columns_of(row.read_columns)?,
            write: columns_of(row.write_columns)?,
            set: serde_json::from_value(row.presets).map_err(RegistryError::internal)?,
            enabled: row.enabled,
        };
        let (created_by, created_at, updated_at) = (row.created_by, row.created_at, row.updated_at);
        Ok((
            row.project_id,
            Policy {
                source,
                created_by,
                created_at,
                updated_at,
            },
        ))
    });
    policies.collect()
}

async fn find(conn: &mut DbConnection, project: Uuid, id: Uuid) -> Result<Policy, RegistryError> {
    let policies = load(conn, Some(project)).await?;
    let mut matching = policies.into_iter().map(|(_, policy)| policy);
    matching
        .find(|policy| policy.source.id == id)
        .ok_or_else(|| RegistryError::not_found("policy", id))
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

fn effect_of(word: &str) -> Result<Effect, RegistryError> {
    [Effect::Allow, Effect::Deny]
        .into_iter()
        .find(|effect| effect_word(*effect) == word)
        .ok_or_else(|| RegistryError::internal(format!("unknown effect {word:?}")))
}

fn command_words(source: &PolicySource) -> Vec<String> {
    source
        .commands
        .iter()
        .map(|command| command.as_str().to_owned())
        .collect()
}

/// What may be read, and what may be written.
fn masks(source: &PolicySource) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let words = |columns: &Option<Vec<ColumnName>>| {
        let columns = columns.as_ref()?;
        Some(columns.iter().map(ToString::to_string).collect())
    };
    (words(&source.read), words(&source.write))
}

fn columns_of(words: Option<Vec<String>>) -> Result<Option<Vec<ColumnName>>, RegistryError> {
    let parsed = words.map(|words| words.iter().map(|word| word.parse()).collect());
    parsed.transpose().map_err(RegistryError::internal)
}

fn preset_words(source: &PolicySource) -> Result<serde_json::Value, RegistryError> {
    serde_json::to_value(&source.set).map_err(RegistryError::internal)
}

fn command_of(word: &str) -> Result<Command, RegistryError> {
    Command::ALL
        .into_iter()
        .find(|command| command.as_str() == word)
        .ok_or_else(|| RegistryError::internal(format!("unknown command {word:?}")))
}
