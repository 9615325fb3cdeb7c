//! Records as operators read them: newest first, narrowed by who, what, on what and when.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::Registry;
use super::super::error::RegistryError;
use super::Chain;

/// A record.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditRecord)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// Who: a user's id, the name in a token, or `system`.
    pub actor_id: String,
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub target_type: String,
    /// To which one.
    pub target_id: Option<String>,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// In which request.
    pub request_id: Option<Uuid>,
    /// Facts about it.
    #[schema(value_type = Object)]
    pub metadata: Box<RawValue>,
    /// Its place in the chain; none until it is sealed.
    pub position: Option<i64>,
}

/// Which records.
#[derive(Debug, Default)]
pub struct Wanted {
    /// By whom.
    pub actor: Option<String>,
    /// An action, such as `policy.create`.
    pub action: Option<String>,
    /// On a kind of thing.
    pub target_type: Option<String>,
    /// On a thing.
    pub target: Option<String>,
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Older than this record.
    pub before: Option<Uuid>,
}

/// The newest records, at most so many.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(
    registry: &Registry,
    chain: Chain,
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<Entry>, RegistryError> {
    // Ids begin with the time, so their order is the order of writing.
    let rows = sqlx::query!(
        r#"SELECT id, actor_id, action, target_type, target_id, at, request_id,
             metadata::text AS "metadata!", position
         FROM koyalite.audit_logs
         WHERE project_id IS NOT DISTINCT FROM $1
             AND ($2::text IS NULL OR actor_id = $2) AND ($3::text IS NULL OR action = $3)
             AND ($4::text IS NULL OR target_type = $4) AND ($5::text IS NULL OR target_id = $5)
             AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
             AND ($8::uuid IS NULL OR id < $8)
         ORDER BY id DESC LIMIT $9"#,
        chain.project(),
        wanted.actor,
        wanted.action,
        wanted.target_type,
        wanted.target,
        wanted.since,
        wanted.until,
        wanted.before,
        i64::from(limit),
    )
    .fetch_all(&registry.pool)
    .await?;
    let entries = rows.into_iter().map(|row| {
        Ok(Entry {
            id: row.id,
            actor_id: row.actor_id,
            action: row.action,
            target_type: row.target_type,
            target_id: row.target_id,
            timestamp: row.at,
            request_id: row.request_id,
            metadata: RawValue::from_string(row.metadata).map_err(RegistryError::internal)?,
            position: row.position,
        })
    });
    entries.collect()
}
