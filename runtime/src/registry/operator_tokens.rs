//! Control tokens that operators gave out: who for, with which role, until when, and whether they
//! were taken back. The tokens themselves are not kept: they are signed, and name their row here.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Registry;
use super::audit::{Action, Deed};
use super::change::Change;
use super::error::{RegistryError, Standing};
use super::page::{Page, Part};

/// A token that was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OperatorToken {
    /// Its id.
    pub id: Uuid,
    /// Whom it is for, as the log says it.
    pub subject: String,
    /// The name of its role.
    pub role: String,
    /// The user who gave it out.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was taken back.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A token to note before it is signed.
#[derive(Debug, Clone)]
pub struct NewOperatorToken {
    /// Whom it is for.
    pub subject: String,
    /// The name of its role.
    pub role: String,
    /// The user who gives it out.
    pub created_by: Uuid,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Notes a token; its id goes into it.
///
/// # Errors
/// `NotFound` where there is no such role.
pub async fn create(registry: &Registry, new: &NewOperatorToken) -> Result<Uuid, RegistryError> {
    let mut change = Change::begin(registry).await?;
    // Those that have ended by themselves can do nothing any more, and nobody needs to read them.
    sqlx::query!(
        "DELETE FROM koyalite.operator_tokens WHERE expires_at < now() - interval '30 days'"
    )
    .execute(change.conn())
    .await?;
    let id = Uuid::now_v7();
    let made = sqlx::query!(
        "INSERT INTO koyalite.operator_tokens (id, subject, role_id, created_by, expires_at)
         SELECT $1, $2, id, $4, $5 FROM koyalite.roles WHERE name = $3",
        id,
        new.subject,
        new.role,
        new.created_by,
        new.expires_at,
    )
    .execute(change.conn())
    .await?;
    if made.rows_affected() == 0 {
        return Err(RegistryError::not_found("role", &new.role));
    }
    let deed = Deed::new(Action::OperatorCreate, &new.subject)
        .with("id", id.to_string())
        .with("role", new.role.as_str())
        .with("expires_at", new.expires_at.to_rfc3339());
    change.commit(deed).await?;
    Ok(id)
}

/// Which tokens; what is not given narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct TokenFilter {
    /// Whose subject begins so.
    pub subject: Option<String>,
    /// With the role of this name.
    pub role: Option<String>,
    /// In this state.
    pub status: Option<TokenStatus>,
}

/// Whether a token is good still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenStatus {
    /// It is.
    Active,
    /// Its end has come.
    Expired,
    /// It was taken back.
    Revoked,
}

impl TokenStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A part of the tokens, newest first.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(
    registry: &Registry,
    filter: &TokenFilter,
    page: &Page<Uuid>,
) -> Result<Part<OperatorToken>, RegistryError> {
    let tokens = sqlx::query_as!(
        OperatorToken,
        "SELECT t.id, t.subject, r.name AS role, t.created_by, t.created_at, t.expires_at,
             t.revoked_at
         FROM koyalite.operator_tokens t JOIN koyalite.roles r ON r.id = t.role_id
         WHERE ($1::uuid IS NULL OR t.id < $1)
             AND ($3::text IS NULL OR starts_with(t.subject, $3))
             AND ($4::text IS NULL OR r.name = $4)
             AND ($5::text IS NULL OR $5 = CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked'
                 WHEN t.expires_at <= now() THEN 'expired' ELSE 'active' END)
         ORDER BY t.id DESC LIMIT $2",
        page.after,
        page.rows(),
        filter.subject,
        filter.role,
        filter.status.map(TokenStatus::word),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(tokens))
}

/// The token of that id.
///
/// # Errors
/// `NotFound` where there is none.
pub async fn get(registry: &Registry, id: Uuid) -> Result<OperatorToken, RegistryError> {
    sqlx::query_as!(
        OperatorToken,
        "SELECT t.id, t.subject, r.name AS role, t.created_by, t.created_at, t.expires_at,
             t.revoked_at
         FROM koyalite.operator_tokens t JOIN koyalite.roles r ON r.id = t.role_id
         WHERE t.id = $1",
        id,
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("token", id))
}

/// Takes a token back and notes another one for the same subject and role in its place.
///
/// # Errors
/// `NotFound` where there is none of that id; `Conflict` where it was taken back before: of two who
/// replace one, one does.
pub async fn replace(
    registry: &Registry,
    id: Uuid,
    (created_by, expires_at): (Uuid, DateTime<Utc>),
) -> Result<Uuid, RegistryError> {
    let mut change = Change::begin(registry).await?;
    let revoked = sqlx::query_scalar!(
        "UPDATE koyalite.operator_tokens SET revoked_at = now()
         WHERE id = $1 AND revoked_at IS NULL RETURNING subject",
        id,
    )
    .fetch_optional(change.conn())
    .await?;
    let Some(subject) = revoked else {
        drop(change);
        get(registry, id).await?;
        let reason = "it was taken back; give out another one";
        return Err(RegistryError::conflict(Standing::State, reason));
    };
    let new = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO koyalite.operator_tokens (id, subject, role_id, created_by, expires_at)
         SELECT $1, subject, role_id, $3, $4 FROM koyalite.operator_tokens WHERE id = $2",
        new,
        id,
        created_by,
        expires_at,
    )
    .execute(change.conn())
    .await?;
    let deed = Deed::new(Action::OperatorReplace, subject)
        .with("id", new.to_string())
        .with("replaced", id.to_string())
        .with("expires_at", expires_at.to_rfc3339());
    change.commit(deed).await?;
    Ok(new)
}

/// Takes a token back: refused from the next request on, by every node.
///
/// # Errors
/// `NotFound` where there is none of that id.
pub async fn revoke(registry: &Registry, id: Uuid) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let revoked = sqlx::query!(
        "UPDATE koyalite.operator_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1",
        id,
    )
    .execute(change.conn())
    .await?;
    match revoked.rows_affected() {
        0 => Err(RegistryError::not_found("token", id)),
        _ => change.commit(Deed::new(Action::OperatorRevoke, id)).await,
    }
}
