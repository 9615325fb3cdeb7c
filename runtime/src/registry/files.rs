//! Control data of files: content that no file has any longer, and what users own.

use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;

/// Content that nobody has, to be deleted from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphan {
    /// Whose it was.
    pub project: Uuid,
    /// Its key within the project.
    pub version: Uuid,
}

/// Takes up to `most` orphans whose time is over. No file can have them any more; they come again until they
/// are forgotten.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn take_orphans(registry: &Registry, most: i64) -> Result<Vec<Orphan>, RegistryError> {
    let orphans = sqlx::query_as!(
        Orphan,
        r#"UPDATE koyalite.file_contents c SET sweeping = true
         FROM (SELECT version FROM koyalite.file_contents
               WHERE sweep_after <= clock_timestamp()
               ORDER BY sweep_after LIMIT $1 FOR UPDATE SKIP LOCKED) AS due
         WHERE c.version = due.version
           AND NOT EXISTS (SELECT FROM koyalite.files f WHERE f.version = c.version)
         RETURNING c.project_id AS project, c.version"#,
        most,
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(orphans)
}

/// Forgets orphans that are gone from the store, and signed URLs whose time is over.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn forget(registry: &Registry, versions: &[Uuid]) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.file_contents WHERE version = ANY($1) AND sweeping",
        versions,
    )
    .execute(&registry.pool)
    .await?;
    sqlx::query!("DELETE FROM koyalite.file_tickets WHERE expires_at < clock_timestamp()")
        .execute(&registry.pool)
        .await?;
    Ok(())
}
