//! Deliveries as operators see them: a list without what was sent, and each with all of it.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::Registry;
use super::super::change::project_id;
use super::super::error::RegistryError;
use super::super::page::{Page, Part};

/// One delivery to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// The event; receivers see it as `webhook-id`.
    pub event_id: Uuid,
    /// What happened.
    pub event_type: String,
    /// Where it goes.
    pub endpoint_id: Uuid,
    /// The endpoint's address of now.
    pub target_url: String,
    /// `pending`, `sending`, `delivered` or `dead`.
    pub status: String,
    /// How often it was tried.
    pub attempt_count: i32,
    /// When last.
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// When next, while it is pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The status of the last answer.
    pub response_status: Option<i32>,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// When the event was emitted.
    pub created_at: DateTime<Utc>,
    /// Where it stands in lists, for cursors.
    #[serde(skip)]
    pub number: i64,
}

/// A delivery with what was sent and what came back.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct WholeDelivery {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// What the event carries.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// The beginning of the last answer's body.
    pub response_snippet: Option<String>,
    /// The key that made the event one.
    pub idempotency_key: Option<String>,
    /// Whom the emitting function acted for.
    pub user_id: Option<String>,
    /// The function that emitted it; none: a table or the host did.
    pub function: Option<String>,
    /// The invocation that did.
    pub invocation_id: Option<Uuid>,
}

/// Which deliveries are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub status: Option<String>,
    /// To this endpoint.
    pub endpoint: Option<Uuid>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Emitted at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Emitted before this time.
    pub to: Option<DateTime<Utc>>,
}

/// Deliveries, the latest first, below `before`.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    filter: &Filter,
    page: &Page<i64>,
) -> Result<Part<Delivery>, RegistryError> {
    let project = project_id(registry, project).await?;
    let deliveries = sqlx::query_as!(
        Delivery,
        r#"SELECT w.id, w.event_id, v.event_type, w.endpoint_id, e.target_url, w.status,
               w.attempt_count, w.last_attempt_at,
               CASE WHEN w.status = 'pending' THEN w.next_attempt_at END AS next_attempt_at,
               w.response_status, w.reason, w.created_at, w.number
           FROM koyalite.webhooks w JOIN koyalite.webhook_events v ON v.id = w.event_id
           JOIN koyalite.webhook_endpoints e ON e.id = w.endpoint_id
           WHERE w.project_id = $1 AND ($2::text IS NULL OR w.status = $2)
             AND ($3::uuid IS NULL OR w.endpoint_id = $3)
             AND ($4::text IS NULL OR v.event_type = $4)
             AND ($5::timestamptz IS NULL OR w.created_at >= $5)
             AND ($6::timestamptz IS NULL OR w.created_at < $6)
             AND ($7::bigint IS NULL OR w.number < $7)
           ORDER BY w.number DESC LIMIT $8"#,
        project,
        filter.status,
        filter.endpoint,
        filter.event_type,
        filter.from,
        filter.to,
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    Ok(page.part(deliveries))
}

/// The delivery of that id, with all of it.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<WholeDelivery, RegistryError> {
    let project = project_id(registry, project).await?;
    let row = sqlx::query!(
        r#"SELECT w.id, w.event_id, v.event_type, w.endpoint_id, e.target_url, w.status,
               w.attempt_count, w.last_attempt_at,
               CASE WHEN w.status = 'pending' THEN w.next_attempt_at END AS next_attempt_at,
               w.response_status, w.reason, w.created_at, w.number, w.response_snippet,
               v.payload::text AS "payload!", v.idempotency_key, v.user_id, v.function,
               v.invocation_id
           FROM koyalite.webhooks w JOIN koyalite.webhook_events v ON v.id = w.event_id
           JOIN koyalite.webhook_endpoints e ON e.id = w.endpoint_id
           WHERE w.project_id = $1 AND w.id = $2"#,
        project,
        id,
    )
    .fetch_optional(&registry.pool)
    .await?
    .ok_or_else(|| RegistryError::not_found("delivery", id))?;
    Ok(WholeDelivery {
        delivery: Delivery {
            id: row.id,
            event_id: row.event_id,
            event_type: row.event_type,
            endpoint_id: row.endpoint_id,
            target_url: row.target_url,
            status: row.status,
            attempt_count: row.attempt_count,
            last_attempt_at: row.last_attempt_at,
            next_attempt_at: row.next_attempt_at,
            response_status: row.response_status,
            reason: row.reason,
            created_at: row.created_at,
            number: row.number,
        },
        payload: RawValue::from_string(row.payload).map_err(RegistryError::internal)?,
        response_snippet: row.response_snippet,
        idempotency_key: row.idempotency_key,
        user_id: row.user_id,
        function: row.function,
        invocation_id: row.invocation_id,
    })
}
