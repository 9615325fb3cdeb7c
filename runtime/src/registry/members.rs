//! Who belongs to a project, and with which role: those who work on it, and the users of its functions,
//! whose role `member` permits nothing on the control API.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::{Change, project_id};
use super::condition::Condition;
use super::error::{RegistryError, Standing};
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::roles::BuiltInRole;
use super::sessions::{self, Opened, Scope};
use super::users::{self, NewUser, User};

/// A user in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Member {
    /// The user's id.
    pub user_id: Uuid,
    /// The user's address.
    pub email: String,
    /// The name of their role in this project.
    pub role: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When the role was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A part of a project's members by the user's id; those of one role, where one is named.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    role: Option<&str>,
    page: &Page<Uuid>,
) -> Result<Part<Member>, RegistryError> {
    let project = project_id(registry, project).await?;
    let members = sqlx::query_as!(
        Member,
        "SELECT m.user_id, u.email, r.name AS role, m.created_at, m.updated_at
         FROM koyalite.members m JOIN koyalite.users u ON u.id = m.user_id
         JOIN koyalite.roles r ON r.id = m.role_id
         WHERE m.project_id = $1 AND ($2::text IS NULL OR r.name = $2)
             AND ($3::uuid IS NULL OR m.user_id > $3)
         ORDER BY m.user_id LIMIT $4",
        project,
        role,
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(members))
}

/// A user in a project.
///
/// # Errors
/// `NotFound` where they are not in it.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    user: Uuid,
) -> Result<Member, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let found = find(&mut conn, project, user).await?;
    found.ok_or_else(|| RegistryError::not_found("member", user))
}

async fn find(
    conn: &mut DbConnection,
    project: Uuid,
    user: Uuid,
) -> Result<Option<Member>, RegistryError> {
    let found = sqlx::query_as!(
        Member,
        "SELECT m.user_id, u.email, r.name AS role, m.created_at, m.updated_at
         FROM koyalite.members m JOIN koyalite.users u ON u.id = m.user_id
         JOIN koyalite.roles r ON r.id = m.role_id
         WHERE m.project_id = $1 AND m.user_id = $2",
        project,
        user,
    );
    Ok(found.fetch_optional(conn).await?)
}

/// Puts a user into a project with a role, or gives them another one there, where that is as the condition
/// says. `weighed` is the role that they were seen with when it was judged whether that is allowed.
///
/// # Errors
/// `NotFound` for project, user or role; `Conflict` where the condition does not hold, or they have another
/// role by now.
pub async fn put(
    registry: &Registry,
    project: &ProjectName,
    (user, role): (Uuid, &str),
    (condition, weighed): (&Condition, Option<&str>),
) -> Result<Member, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    still(change.conn(), (project, user), weighed).await?;
    let known = sqlx::query_scalar!("SELECT email FROM koyalite.users WHERE id = $1", user)
        .fetch_optional(change.conn())
        .await?;
    let email = known.ok_or_else(|| RegistryError::not_found("user", user))?;
    condition.check(&find(change.conn(), project, user).await?)?;
    let row = sqlx::query!(
        "INSERT INTO koyalite.members (project_id, user_id, role_id)
         SELECT $1, $2, id FROM koyalite.roles WHERE name = $3
         ON CONFLICT (project_id, user_id)
             DO UPDATE SET role_id = excluded.role_id,
                 updated_at = greatest(now(), members.updated_at + interval '1 microsecond')
         RETURNING created_at, updated_at",
        project,
        user,
        role,
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("role", role))?;
    let deed = Deed::new(Action::MemberPut, user).with("role", role);
    change.commit(deed).await?;
    Ok(Member {
        user_id: user,
        email,
        role: role.to_owned(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// Takes a user out of a project; their sessions there end. `weighed` as in [`put`].
///
/// # Errors
/// `NotFound` where they are not in it; `Conflict` where they have another role by now.
pub async fn remove(
    registry: &Registry,
    project: &ProjectName,
    user: Uuid,
    weighed: Option<&str>,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let project = change.lock(project).await?.id;
    still(change.conn(), (project, user), weighed).await?;
    let removed = sqlx::query!(
        "DELETE FROM koyalite.members WHERE project_id = $1 AND user_id = $2",
        project,
        user,
    )
    .execute(change.conn())
    .await?;
    if removed.rows_affected() == 0 {
        return Err(RegistryError::not_found("member", user));
    }
    sqlx::query!(
        "DELETE FROM koyalite.sessions WHERE project_id = $1 AND user_id = $2",
        project,
        user,
    )
    .execute(change.conn())
    .await?;
    change.commit(Deed::new(Action::MemberRemove, user)).await
}

/// Refuses where a user got another role since it was looked at: whoever changes it might not be allowed to any
/// more. The project is locked, so it stays.
async fn still(
    conn: &mut DbConnection,
    (project, user): (Uuid, Uuid),
    weighed: Option<&str>,
) -> Result<(), RegistryError> {
    if role_in(conn, project, user).await?.as_deref() == weighed {
        return Ok(());
    }
    let reason = format!("the role of {user} changed a moment ago; look at it and try again");
    Err(RegistryError::conflict(Standing::ChangedSince, reason))
}

/// The name of a user's role in a project: as its member, or `admin` as its owner.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn role_of(
    registry: &Registry,
    project: Uuid,
    user: Uuid,
) -> Result<Option<String>, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    role_in(&mut conn, project, user).await
}

async fn role_in(
    conn: &mut DbConnection,
    project: Uuid,
    user: Uuid,
) -> Result<Option<String>, RegistryError> {
    let row = sqlx::query!(
        r#"SELECT r.name AS "role?", (p.owner_id = $2) AS "owner!"
           FROM koyalite.projects p
           LEFT JOIN koyalite.members m ON m.project_id = p.id AND m.user_id = $2
           LEFT JOIN koyalite.roles r ON r.id = m.role_id
           WHERE p.id = $1"#,
        project,
        user,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.and_then(|row| match (row.role, row.owner) {
        (Some(role), _) => Some(role),
        (None, true) => Some(BuiltInRole::Admin.name().to_owned()),
        (None, false) => None,
    }))
}

/// Whether anybody may become a user of the project's functions.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn is_open(registry: &Registry, project: Uuid) -> Result<bool, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    open_in(&mut conn, project).await
}

async fn open_in(conn: &mut DbConnection, project: Uuid) -> Result<bool, RegistryError> {
    let open = sqlx::query_scalar!(
        "SELECT app_sign_up FROM koyalite.projects WHERE id = $1",
        project
    )
    .fetch_optional(conn)
    .await?;
    open.ok_or_else(|| RegistryError::not_found("project", project))
}

/// Says whether anybody may, where that is as the condition says.
///
/// # Errors
/// `NotFound` where there is no such project; `Conflict` where the condition does not hold.
pub async fn set_open(
    registry: &Registry,
    project: &ProjectName,
    (condition, wanted): (&Condition, &SignUp),
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let deed = Deed::new(Action::SignUpSet, project).with("enabled", wanted.enabled);
    let project = change.lock(project).await?.id;
    let enabled = open_in(change.conn(), project).await?;
    condition.check(&SignUp { enabled })?;
    sqlx::query!(
        "UPDATE koyalite.projects SET app_sign_up = $2, updated_at = now() WHERE id = $1",
        project,
        wanted.enabled,
    )
    .execute(change.conn())
    .await?;
    change.commit(deed).await
}

/// Whether anybody may become a user of a project's functions, or only whom an administrator puts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SignUp {
    /// Anybody may.
    pub enabled: bool,
}

/// Makes a user and opens their first session, all or nothing; at a project's door they are its member
/// from then on.
///
/// # Errors
/// `Conflict` where the e-mail is taken.
pub async fn sign_up(
    registry: &Registry,
    new: &NewUser,
    scope: Scope,
) -> Result<(User, Opened), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let user = users::create_in(change.conn(), new).await?;
    if let Scope::Project(project) = scope {
        join_in(change.conn(), project, user.id).await?;
    }
    let session = sessions::open_in(change.conn(), user.id, scope).await?;
    change.by(user.id);
    scope.concern(&mut change);
    change.keep(Deed::new(Action::SignUp, user.id)).await?;
    Ok((user, session))
}

/// Makes somebody a user of the project's functions who has an account already.
///
/// # Errors
/// `Conflict` where project or user are gone.
pub async fn join(registry: &Registry, project: Uuid, user: Uuid) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    join_in(change.conn(), project, user).await?;
    change.by(user);
    change.concerns(project);
    let deed = Deed::new(Action::MemberPut, user).with("role", BuiltInRole::Member.name());
    change.keep(deed).await
}

async fn join_in(conn: &mut DbConnection, project: Uuid, user: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "INSERT INTO koyalite.members (project_id, user_id, role_id)
         SELECT $1, $2, id FROM koyalite.roles WHERE name = $3
         ON CONFLICT (project_id, user_id) DO NOTHING",
        project,
        user,
        BuiltInRole::Member.name(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
