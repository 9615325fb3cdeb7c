//! Preview URLs of a function's versions, as far as the database knows them: that one was made, and that all
//! that were made until now are good no longer.

use koyalite_policy::{FunctionName, ProjectName};

use crate::registry::Registry;
use crate::registry::audit::{self, Action, Chain, Deed};
use crate::registry::change::Change;
use crate::registry::error::RegistryError;
use crate::registry::snapshot::{FunctionEntry, ProjectEntry};

/// Records that one is made, before it is.
///
/// # Errors
/// `Unavailable` or `Internal`: then it is not to be made.
pub async fn record(
    registry: &Registry,
    project: &ProjectEntry,
    function: &FunctionEntry,
    (version, expires_at): (u32, chrono::DateTime<chrono::Utc>),
) -> Result<(), RegistryError> {
    let deed = Deed::new(Action::PreviewCreate, &function.name)
        .with("version", version)
        .with("expires_at", expires_at.to_rfc3339());
    audit::record(registry, Chain::Project(project.id), deed).await
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
