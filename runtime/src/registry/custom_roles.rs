//! All roles, and the custom ones as they are made, changed and deleted. Built-in roles change with the
//! release alone; who may give which permission is for the caller to decide.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::error::{RegistryError, Standing};
use super::operators::permissions;
use super::pool::DbConnection;
use super::roles::{BuiltInRole, Permission};

/// A role as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Role {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Whether the release brings it, so that it cannot be changed.
    pub built_in: bool,
    /// What it permits.
    pub permissions: BTreeSet<Permission>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

struct Row {
    id: Uuid,
    name: String,
    permissions: serde_json::Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Role {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            built_in: is_built_in(&row.name),
            name: row.name,
            permissions: permissions(&row.permissions),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn is_built_in(name: &str) -> bool {
    BuiltInRole::ALL.iter().any(|role| role.name() == name)
}

/// All roles, by name. There are few.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(registry: &Registry) -> Result<Vec<Role>, RegistryError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, name, permissions, created_at, updated_at FROM koyalite.roles ORDER BY name"
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(rows.into_iter().map(Role::from).collect())
}

/// The role of that name.
///
/// # Errors
/// `NotFound` where there is none.
pub async fn get(registry: &Registry, name: &str) -> Result<Role, RegistryError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, permissions, created_at, updated_at FROM koyalite.roles WHERE name = $1",
        name,
    )
    .fetch_optional(&registry.pool)
    .await?;
    row.map(Role::from)
        .ok_or_else(|| RegistryError::not_found("role", name))
}

/// Makes a role.
///
/// # Errors
/// `Invalid` for a name that is none, `Conflict` where it is taken.
pub async fn create(
    registry: &Registry,
    name: &str,
    permitted: &BTreeSet<Permission>,
) -> Result<Role, RegistryError> {
    check_name(name)?;
    let permitted = serde_json::to_value(permitted).map_err(RegistryError::internal)?;
    let mut change = Change::begin(registry).await?;
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO koyalite.roles (id, name, permissions) VALUES ($1, $2, $3)
         RETURNING id, name, permissions, created_at, updated_at",
        Uuid::now_v7(),
        name,
        permitted.clone(),
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::RoleCreate, name).with("permissions", permitted);
    change.commit(deed).await?;
    Ok(row.into())
}

/// As the table checks it.
fn check_name(name: &str) -> Result<(), RegistryError> {
    const CHARS_MAX: usize = 63;
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    match first && name.bytes().all(plain) && name.len() <= CHARS_MAX {
        true => Ok(()),
        false => Err(RegistryError::invalid(
            "name",
            "write a lower-case letter, then up to 62 lower-case letters, digits, dashes or \
             underscores",
        )),
    }
}

/// What a change of a role says.
#[derive(Debug, Clone)]
pub struct RoleChange {
    /// What it permits from now on.
    pub permissions: BTreeSet<Permission>,
    /// What it permitted when the caller was judged.
    pub before: BTreeSet<Permission>,
}

/// Gives a custom role other permissions; its holders have them from their next request on.
///
/// # Errors
/// `NotFound`, `Conflict` for a built-in role or an old copy.
pub async fn change(
    registry: &Registry,
    name: &str,
    wanted: &RoleChange,
) -> Result<Role, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let now = lock_custom(change.conn(), name).await?;
    if now.permissions != wanted.before {
        let reason = "the role was changed since; look again, and send the new ETag";
        return Err(RegistryError::conflict(Standing::ChangedSince, reason));
    }
    let permitted = serde_json::to_value(&wanted.permissions).map_err(RegistryError::internal)?;
    let row = sqlx::query_as!(
        Row,
        "UPDATE koyalite.roles SET permissions = $2,
             updated_at = greatest(now(), updated_at + interval '1 microsecond')
         WHERE id = $1 RETURNING id, name, permissions, created_at, updated_at",
        now.id,
        permitted.clone(),
    )
    .fetch_one(change.conn())
    .await?;
    let deed = Deed::new(Action::RoleUpdate, name).with("permissions", permitted);
    change.commit(deed).await?;
    Ok(row.into())
}

/// Deletes a custom role that nobody has.
///
/// # Errors
/// `NotFound`, `Conflict` for a built-in role or one in use.
pub async fn remove(registry: &Registry, name: &str) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let role = lock_custom(change.conn(), name).await?;
    let uses = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM koyalite.users WHERE role_id = $1) AS "users!",
               (SELECT count(*) FROM koyalite.members WHERE role_id = $1) AS "members!",
               (SELECT count(*) FROM koyalite.operator_tokens WHERE role_id = $1) AS "tokens!""#,
        role.id,
    )
    .fetch_one(change.conn())
    .await?;
    if uses.users + uses.members + uses.tokens > 0 {
        let reason = format!(
            "the role is in use: {} user(s), {} member(s) of projects, {} token(s); give them \
             another one first",
            uses.users, uses.members, uses.tokens
        );
        return Err(RegistryError::conflict(Standing::InUse, reason));
    }
    sqlx::query!("DELETE FROM koyalite.roles WHERE id = $1", role.id)
        .execute(change.conn())
        .await?;
    change.commit(Deed::new(Action::RoleDelete, name)).await
}

async fn lock_custom(conn: &mut DbConnection, name: &str) -> Result<Role, RegistryError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, permissions, created_at, updated_at FROM koyalite.roles
         WHERE name = $1 FOR UPDATE",
        name,
    )
    .fetch_optional(conn)
    .await?;
    let role: Role = row
        .map(Role::from)
        .ok_or_else(|| RegistryError::not_found("role", name))?;
    match role.built_in {
        false => Ok(role),
        true => Err(RegistryError::conflict(
            Standing::State,
            "built-in roles stay as they are; make a custom one",
        )),
    }
}
