//! Control data of files: content that no file has any longer, and what users own.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;
use super::owned::Possession;
use super::page::{Page, Part};
use super::pool::DbConnection;

/// A file, as those who operate see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = File)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// Its path.
    pub path: String,
    /// Whose it is.
    pub user_id: Option<String>,
    /// Its media type.
    pub mime_type: String,
    /// Its bytes.
    pub size: i64,
    /// Another with every content.
    pub version: Uuid,
    /// The hash of its content.
    pub sha256: String,
    /// When there was first a file of that path.
    pub created_at: DateTime<Utc>,
    /// When it was last written or moved.
    pub updated_at: DateTime<Utc>,
}

/// A part of a project's files whose paths begin so, by path.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(
    registry: &Registry,
    project: Uuid,
    prefix: &str,
    page: &Page<String>,
) -> Result<Part<Listed>, RegistryError> {
    let found = sqlx::query_as!(
        Listed,
        "SELECT id, path, user_id, mime_type, size, version, sha256, created_at, updated_at
         FROM koyalite.files
         WHERE project_id = $1 AND starts_with(path, $2) AND ($3::text IS NULL OR path > $3)
         ORDER BY path LIMIT $4",
        project,
        prefix,
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(found))
}

/// The file of that path.
///
/// # Errors
/// `NotFound`, `Unavailable` or `Internal`.
pub async fn find(registry: &Registry, project: Uuid, path: &str) -> Result<Listed, RegistryError> {
    let first = Page::first(1);
    let found = list(registry, project, path, &first).await?;
    // What begins so comes after what is so.
    let found = found.items.into_iter().find(|file| file.path == path);
    found.ok_or_else(|| RegistryError::not_found("file", path))
}

/// A part of what a user owns, by id.
pub(super) async fn owned(
    registry: &Registry,
    user: Uuid,
    page: &Page<Uuid>,
) -> Result<Vec<Possession>, RegistryError> {
    let found = sqlx::query_as!(
        Possession,
        "SELECT f.id, f.path AS name, p.name AS project, f.created_at FROM koyalite.files f
         JOIN koyalite.projects p ON p.id = f.project_id
         WHERE f.user_id = $1 AND ($2::uuid IS NULL OR f.id > $2) ORDER BY f.id LIMIT $3",
        user.to_string(),
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(found)
}

/// Gives a user's files to another.
pub(super) async fn transfer(
    conn: &mut DbConnection,
    user: Uuid,
    heir: Uuid,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.files SET user_id = $2 WHERE user_id = $1",
        user.to_string(),
        heir.to_string(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a user's files; their content goes when it is swept.
pub(super) async fn remove(conn: &mut DbConnection, user: Uuid) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.files WHERE user_id = $1",
        user.to_string()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Content that nobody has, to be deleted from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Whose it was.
    pub project: Uuid,
    /// Its key within the project.
    pub version: Uuid,
    /// What the store calls the upload of its parts, where there were several.
    pub upload: Option<String>,
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
           AND NOT EXISTS (SELECT FROM koyalite.email_attachments a WHERE a.version = c.version)
         RETURNING c.project_id AS project, c.version, c.upload"#,
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
