//! What a verified control token stands for right now: asked of the database with each request, so
//! that a sign-out, a deletion or another role counts from the next request on, on every node.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;
use super::roles::{BuiltInRole, Permission};
use crate::keys::{ControlRole, Presented, Right};

/// Somebody who operates, with all that they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The user; none for the bearer of a token of the list or of the administrator's file.
    pub user: Option<Uuid>,
    /// The name of their role everywhere.
    pub role: String,
    /// What they may do everywhere.
    pub everywhere: BTreeSet<Permission>,
    /// What they may do in the project that was asked about, as its owner or member. None: they are
    /// neither, or there is no such project.
    pub here: Option<BTreeSet<Permission>>,
}

/// Who presents a token, and what they may do in the project of that name, if one is named.
///
/// # Errors
/// `Unavailable` or `Internal`. A token that is good no longer is `None`.
pub async fn known(
    registry: &Registry,
    presented: &Presented,
    project: Option<&str>,
) -> Result<Option<Known>, RegistryError> {
    match presented.right {
        Right::Signed(role) => Ok(Some(signed(role))),
        Right::Listed(id) => listed(registry, id).await,
        Right::Session(id) => in_session(registry, id, project).await,
    }
}

fn signed(role: ControlRole) -> Known {
    let role = match role {
        ControlRole::Admin => BuiltInRole::Admin,
        ControlRole::Developer => BuiltInRole::Developer,
        ControlRole::Viewer => BuiltInRole::Viewer,
    };
    Known {
        user: None,
        role: role.name().to_owned(),
        everywhere: role.permissions(),
        here: None,
    }
}

async fn listed(registry: &Registry, id: Uuid) -> Result<Option<Known>, RegistryError> {
    let row = sqlx::query!(
        "SELECT r.name, r.permissions FROM koyalite.operator_tokens t
         JOIN koyalite.roles r ON r.id = t.role_id
         WHERE t.id = $1 AND t.revoked_at IS NULL",
        id,
    )
    .fetch_optional(&registry.pool)
    .await?;
    Ok(row.map(|row| Known {
        user: None,
        role: row.name,
        everywhere: permissions(&row.permissions),
        here: None,
    }))
}

async fn in_session(
    registry: &Registry,
    session: Uuid,
    project: Option<&str>,
) -> Result<Option<Known>, RegistryError> {
    let row = sqlx::query!(
        r#"SELECT u.id, r.name, r.permissions, mr.permissions AS "member_permissions?",
               (p.owner_id = u.id) IS TRUE AS "owner!"
           FROM koyalite.sessions s
           JOIN koyalite.users u ON u.id = s.user_id
           JOIN koyalite.roles r ON r.id = u.role_id
           LEFT JOIN koyalite.projects p ON p.name = $2
           LEFT JOIN koyalite.members m ON m.project_id = p.id AND m.user_id = u.id
           LEFT JOIN koyalite.roles mr ON mr.id = m.role_id
           WHERE s.id = $1 AND s.project_id IS NULL AND s.ended_at IS NULL
               AND s.expires_at > now()"#,
        session,
        project,
    )
    .fetch_optional(&registry.pool)
    .await?;
    Ok(row.map(|row| Known {
        user: Some(row.id),
        role: row.name,
        everywhere: permissions(&row.permissions),
        here: match (row.owner, &row.member_permissions) {
            (true, _) => Some(BuiltInRole::Admin.permissions()),
            (false, member) => member.as_ref().map(permissions),
        },
    }))
}

/// A role's permissions as stored. What a later release has added means nothing here.
pub(crate) fn permissions(stored: &serde_json::Value) -> BTreeSet<Permission> {
    let names = stored.as_array().map(Vec::as_slice).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| serde_json::from_value(name.clone()).ok())
        .collect()
}

/// All that a user may do anywhere: by their role everywhere, those in projects, and as an owner. Whoever
/// can become that user can do all of it.
///
/// # Errors
/// `Unavailable` or `Internal`. A user that there is not may do nothing.
pub async fn reach(registry: &Registry, user: Uuid) -> Result<BTreeSet<Permission>, RegistryError> {
    let roles = sqlx::query_scalar!(
        r#"SELECT r.permissions AS "permissions!" FROM koyalite.users u
               JOIN koyalite.roles r ON r.id = u.role_id WHERE u.id = $1
           UNION ALL SELECT r.permissions FROM koyalite.members m
               JOIN koyalite.roles r ON r.id = m.role_id WHERE m.user_id = $1
           UNION ALL SELECT r.permissions FROM koyalite.roles r
               WHERE r.name = $2 AND EXISTS (SELECT FROM koyalite.projects WHERE owner_id = $1)"#,
        user,
        BuiltInRole::Admin.name(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(roles.iter().flat_map(permissions).collect())
}

/// The projects that a user may see without a permission everywhere: those they own, and those that
/// they are a member of with a role that reads projects.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn projects_of(registry: &Registry, user: Uuid) -> Result<BTreeSet<Uuid>, RegistryError> {
    let reads = serde_json::to_value([Permission::ProjectRead]).map_err(RegistryError::internal)?;
    let projects = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM koyalite.projects WHERE owner_id = $1
           UNION
           SELECT m.project_id FROM koyalite.members m JOIN koyalite.roles r ON r.id = m.role_id
           WHERE m.user_id = $1 AND r.permissions @> $2"#,
        user,
        reads,
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(projects.into_iter().collect())
}
