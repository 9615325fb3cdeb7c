//! Users: people with an account. Who may change whom is decided by the caller; that each e-mail is
//! one person's, and what a user's deletion leaves behind, is decided here.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::email::Email;
use super::error::{RegistryError, Standing};
use super::page::{Page, Part};
use super::pool::DbConnection;
use super::sessions;

/// A user as operators see one. The hash of their password is read by [`credentials`] alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct User {
    /// Their id: `auth.uid()` in policies.
    pub id: Uuid,
    /// Their address, in lower case.
    pub email: String,
    /// The name of their role.
    pub role: String,
    /// When they signed up or were made.
    pub created_at: DateTime<Utc>,
    /// When they last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to make.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Their address.
    pub email: Email,
    /// The hash of their password; none: they cannot sign in until an administrator sets one.
    pub hashed_password: Option<PasswordHash>,
    /// The name of their role.
    pub role: String,
}

/// A password's hash, as a PHC string. Not shown: it is what an attacker would work on.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// No hash has this form, so no password matches it.
pub(crate) const UNUSABLE_PASSWORD: &str = "!";

/// What an update changes; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another address.
    pub email: Option<Email>,
    /// The name of another role.
    pub role: Option<String>,
    /// Another password; all sessions end.
    pub hashed_password: Option<PasswordHash>,
}

/// Which users to list.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// A part of the address.
    pub email: Option<String>,
    /// The name of their role.
    pub role: Option<String>,
}

/// Makes a user.
///
/// # Errors
/// `Conflict` where the e-mail is taken, `NotFound` where there is no such role.
pub async fn create(registry: &Registry, new: &NewUser) -> Result<User, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let user = create_in(change.conn(), new).await?;
    let deed = Deed::new(Action::UserCreate, user.id).with("role", user.role.as_str());
    change.commit(deed).await?;
    Ok(user)
}

/// The same, as a part of a change.
pub(crate) async fn create_in(
    conn: &mut DbConnection,
    new: &NewUser,
) -> Result<User, RegistryError> {
    let hash = new.hashed_password.as_ref();
    let row = sqlx::query!(
        "INSERT INTO koyalite.users (id, email, hashed_password, role_id)
         SELECT $1, $2, $3, id FROM koyalite.roles WHERE name = $4
         RETURNING id, created_at",
        Uuid::now_v7(),
        new.email.as_str(),
        hash.map_or(UNUSABLE_PASSWORD, |hash| hash.0.as_str()),
        new.role,
    )
    .fetch_optional(conn)
    .await?
    .ok_or_else(|| RegistryError::not_found("role", &new.role))?;
    Ok(User {
        id: row.id,
        email: new.email.to_string(),
        role: new.role.clone(),
        created_at: row.created_at,
        updated_at: row.created_at,
    })
}

/// The user of that id.
///
/// # Errors
/// `NotFound` where there is none.
pub async fn get(registry: &Registry, id: Uuid) -> Result<User, RegistryError> {
    let mut conn = registry.pool.acquire().await?;
    get_in(&mut conn, id).await
}

async fn get_in(conn: &mut DbConnection, id: Uuid) -> Result<User, RegistryError> {
    let user = sqlx::query_as!(
        User,
        "SELECT u.id, u.email, r.name AS role, u.created_at, u.updated_at
         FROM koyalite.users u JOIN koyalite.roles r ON r.id = u.role_id WHERE u.id = $1",
        id,
    )
    .fetch_optional(conn)
    .await?;
    user.ok_or_else(|| RegistryError::not_found("user", id))
}

/// A part of the users in the order of their ids, which is that of their making.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(
    registry: &Registry,
    filter: &UserFilter,
    page: &Page<Uuid>,
) -> Result<Part<User>, RegistryError> {
    let users = sqlx::query_as!(
        User,
        "SELECT u.id, u.email, r.name AS role, u.created_at, u.updated_at
         FROM koyalite.users u JOIN koyalite.roles r ON r.id = u.role_id
         WHERE ($1::uuid IS NULL OR u.id > $1)
             AND ($2::text IS NULL OR position(lower($2) IN lower(u.email)) > 0)
             AND ($3::text IS NULL OR r.name = $3)
         ORDER BY u.id LIMIT $4",
        page.after,
        filter.email,
        filter.role,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(users))
}

/// Changes a user. `seen` is when the caller's copy was last changed: a later change refuses it.
///
/// # Errors
/// `Conflict` where the e-mail is taken or the copy is old, `NotFound` for user or role.
pub async fn change(
    registry: &Registry,
    (id, seen): (Uuid, DateTime<Utc>),
    wanted: &UserChange,
) -> Result<User, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let now = sqlx::query_scalar!(
        "SELECT updated_at FROM koyalite.users WHERE id = $1 FOR UPDATE",
        id
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("user", id))?;
    if seen != now {
        let reason = "the user was changed since; look again, and send the new ETag";
        return Err(RegistryError::conflict(Standing::ChangedSince, reason));
    }
    write(change.conn(), id, wanted).await?;
    if wanted.hashed_password.is_some() {
        sessions::end_others(change.conn(), id, None).await?;
    }
    let user = get_in(change.conn(), id).await?;
    let deed = Deed::new(Action::UserUpdate, id)
        .with("role", user.role.as_str())
        .with("email_changed", wanted.email.is_some())
        .with("password_changed", wanted.hashed_password.is_some());
    change.commit(deed).await?;
    Ok(user)
}

async fn write(
    conn: &mut DbConnection,
    id: Uuid,
    wanted: &UserChange,
) -> Result<(), RegistryError> {
    let role = match &wanted.role {
        None => None,
        Some(name) => Some(
            sqlx::query_scalar!("SELECT id FROM koyalite.roles WHERE name = $1", name)
                .fetch_optional(&mut *conn)
                .await?
                .ok_or_else(|| RegistryError::not_found("role", name))?,
        ),
    };
    sqlx::query!(
        "UPDATE koyalite.users SET email = coalesce($2, email), role_id = coalesce($3, role_id),
             hashed_password = coalesce($4, hashed_password),
             updated_at = greatest(now(), updated_at + interval '1 microsecond')
         WHERE id = $1",
        id,
        wanted.email.as_ref().map(Email::as_str),
        role,
        wanted.hashed_password.as_ref().map(|hash| hash.0.as_str()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a password is compared with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose it is.
    pub user: User,
    /// The hash.
    pub hash: PasswordHash,
}

/// The credentials of whoever has that address.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn credentials(
    registry: &Registry,
    email: &Email,
) -> Result<Option<Credentials>, RegistryError> {
    let row = sqlx::query!(
        "SELECT u.id, u.email, r.name AS role, u.created_at, u.updated_at, u.hashed_password
         FROM koyalite.users u JOIN koyalite.roles r ON r.id = u.role_id
         WHERE lower(u.email) = lower($1)",
        email.as_str(),
    )
    .fetch_optional(&registry.pool)
    .await?;
    Ok(row.map(|row| Credentials {
        user: User {
            id: row.id,
            email: row.email,
            role: row.role,
            created_at: row.created_at,
            updated_at: row.updated_at,
        },
        hash: PasswordHash(row.hashed_password),
    }))
}

/// Whether that stands in the place of a password which nobody has: the account was made without one.
pub(super) fn is_unusable(hash: &PasswordHash) -> bool {
    hash.0 == UNUSABLE_PASSWORD
}

/// Puts another hash in the place of one, if that is still there; every session but one ends, or none
/// where only the way of hashing has changed.
///
/// # Errors
/// `Conflict` where the password was changed meanwhile.
pub async fn replace_password(
    registry: &Registry,
    (user, before): (Uuid, &PasswordHash),
    after: &PasswordHash,
    keep: Keep,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let replaced = sqlx::query!(
        "UPDATE koyalite.users SET hashed_password = $3, updated_at = now()
         WHERE id = $1 AND hashed_password = $2",
        user,
        before.0,
        after.0,
    )
    .execute(change.conn())
    .await?;
    if replaced.rows_affected() == 0 {
        let reason = "the password was changed at the same moment; sign in with the new one";
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    match keep {
        Keep::All => change.keep_unrecorded().await,
        Keep::Only(session) => {
            sessions::end_others(change.conn(), user, Some(session)).await?;
            change.keep(Deed::new(Action::PasswordChange, user)).await
        }
    }
}

/// Which sessions outlive a change of the stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All: the password is the same, hashed in another way.
    All,
    /// This one: the password is another.
    Only(Uuid),
}
