//! Preview URLs of a function's versions, as far as the database knows them: that one was made, that one is good
//! no longer, or none that was made until now.

use koyalite_policy::{FunctionName, ProjectName};
use uuid::Uuid;

use crate::registry::Registry;
use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::change::Change;
use crate::registry::error::{RegistryError, Standing};
use crate::registry::functions;
use crate::registry::snapshot::{FunctionEntry, ProjectEntry};

/// A week: who needs longer wants it deployed.
pub const PREVIEW_TTL_S_MAX: i32 = 7 * 24 * 3600;

/// Taken back one by one: every node keeps them in memory, and whoever ends more means all.
const REVOKED_PREVIEWS_MAX: i64 = 100;

/// Records that one is made, before it is.
///
/// # Errors
/// `Unavailable` or `Internal`: then it is not to be made.
pub async fn record(
    registry: &Registry,
    project: &ProjectEntry,
    function: &FunctionEntry,
    (id, version, expires_at): (Uuid, u32, chrono::DateTime<chrono::Utc>),
) -> Result<(), RegistryError> {
    let deed = Deed::new(Action::PreviewCreate, &function.name)
        .with("preview", id.to_string())
        .with("version", version)
        .with("expires_at", expires_at.to_rfc3339());
    audit::record(registry, Chain::Project(project.id), deed).await
}

/// Ends one, on every node as soon as it follows. There is no list of those that are good: one that never was is
/// ended as well.
///
/// # Errors
/// `NotFound` for an unknown project or function; `Conflict` where so many were ended already.
pub async fn revoke_one(
    registry: &Registry,
    (project, name): (&ProjectName, &FunctionName),
    preview: Uuid,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    let function = functions::id_in(change.conn(), locked.id, name).await?;
    sqlx::query!(
        "DELETE FROM koyalite.revoked_previews WHERE function_id = $1 AND expires_at < now()",
        function,
    )
    .execute(change.conn())
    .await?;
    let inserted = sqlx::query!(
        "INSERT INTO koyalite.revoked_previews (function_id, id, expires_at)
         SELECT $1, $2, now() + make_interval(secs => $3)
         WHERE (SELECT count(*) FROM koyalite.revoked_previews WHERE function_id = $1) < $4
         ON CONFLICT (function_id, id) DO UPDATE SET expires_at = excluded.expires_at",
        function,
        preview,
        f64::from(PREVIEW_TTL_S_MAX),
        REVOKED_PREVIEWS_MAX,
    )
    .execute(change.conn())
    .await?;
    if inserted.rows_affected() == 0 {
        let reason = format!(
            "{REVOKED_PREVIEWS_MAX} preview URLs of this function were taken back one by one; take all back"
        );
        return Err(RegistryError::conflict(Standing::State, reason));
    }
    let deed = Deed::new(Action::PreviewRevoke, name).with("preview", preview.to_string());
    change.commit(deed).await
}

/// Ends all that were made until now, on every node as soon as it follows.
///
/// # Errors
/// `NotFound` for an unknown project or function.
pub async fn revoke(
    registry: &Registry,
    project: &ProjectName,
    name: &FunctionName,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let locked = change.lock(project).await?;
    sqlx::query_scalar!(
        "UPDATE koyalite.functions SET preview_epoch = preview_epoch + 1
         WHERE project_id = $1 AND name = $2 RETURNING id",
        locked.id,
        name.as_str(),
    )
    .fetch_optional(change.conn())
    .await?
    .ok_or_else(|| RegistryError::not_found("function", name))?;
    change.commit(Deed::new(Action::PreviewRevoke, name)).await
}
