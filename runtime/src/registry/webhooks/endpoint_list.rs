//! Endpoints as operators look for them: one by its id, or those of a project that are asked for.

use chrono::{DateTime, Utc};
use koyalite_policy::ProjectName;
use serde::Deserialize;
use uuid::Uuid;

use super::super::Registry;
use super::super::change::project_id;
use super::super::error::RegistryError;
use super::super::page::{Page, Part};
use super::endpoints::{Endpoint, signature_of, unseal};
use crate::keys::{KeyRing, Signature};
use crate::registry::pool::DbConnection;

/// Which endpoints; what is not given narrows nothing.
#[derive(Debug, Clone, Default)]
pub struct EndpointFilter {
    /// In this state.
    pub status: Option<EndpointStatus>,
    /// That events of this type are delivered to.
    pub event_type: Option<String>,
}

/// How an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndpointStatus {
    /// Its last delivery went well, or there was none.
    Active,
    /// Its last delivery failed.
    Failing,
    /// Nothing is delivered.
    Disabled,
}

impl EndpointStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}

/// Where an endpoint stands in the list: the oldest first.
pub type Place = (DateTime<Utc>, Uuid);

/// The endpoints of a project, the oldest first.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn list(
    registry: &Registry,
    project: &ProjectName,
    filter: &EndpointFilter,
    page: &Page<Place>,
) -> Result<Part<Endpoint>, RegistryError> {
    let id = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    let found = select(&mut conn, &registry.ring(), (id, None, filter), page).await?;
    Ok(page.part(found))
}

/// The endpoint of that id.
///
/// # Errors
/// `NotFound` where the project has none.
pub async fn get(
    registry: &Registry,
    project: &ProjectName,
    id: Uuid,
) -> Result<Endpoint, RegistryError> {
    let project = project_id(registry, project).await?;
    let mut conn = registry.pool.acquire().await?;
    find(&mut conn, &registry.ring(), (project, id)).await
}

/// The same, inside a change or not.
pub(super) async fn find(
    conn: &mut DbConnection,
    ring: &KeyRing,
    (project, id): (Uuid, Uuid),
) -> Result<Endpoint, RegistryError> {
    let which = (project, Some(id), &EndpointFilter::default());
    let found = select(conn, ring, which, &Page::first(1)).await?;
    let mut found = found.into_iter();
    found
        .next()
        .ok_or_else(|| RegistryError::not_found("endpoint", id))
}

async fn select(
    conn: &mut DbConnection,
    ring: &KeyRing,
    (project, id, filter): (Uuid, Option<Uuid>, &EndpointFilter),
    page: &Page<Place>,
) -> Result<Vec<Endpoint>, RegistryError> {
    let (made, last) = page.after.unzip();
    let rows = sqlx::query!(
        r#"SELECT id, target_url, description, event_types, columns, signature, secret,
               previous_until, ordered, order_key, rate_per_minute, enabled, disabled_reason,
               failures, failing_since, open_until, created_at, updated_at
           FROM koyalite.webhook_endpoints
           WHERE project_id = $1 AND ($2::uuid IS NULL OR id = $2)
               AND ($3::text IS NULL OR $3 = CASE WHEN NOT enabled THEN 'disabled'
                   WHEN failures > 0 THEN 'failing' ELSE 'active' END)
               AND ($4::text IS NULL OR koyalite.subscribed(event_types, $4))
               AND ($5::timestamptz IS NULL OR (created_at, id) > ($5, $6::uuid))
           ORDER BY created_at, id LIMIT $7"#,
        project,
        id,
        filter.status.map(EndpointStatus::word),
        filter.event_type,
        made,
        last,
        page.rows(),
    )
    .fetch_all(conn)
    .await?;
    let endpoints = rows.into_iter().map(|row| {
        let signature = signature_of(&row.signature)?;
        let key = match signature {
            Signature::Hmac => None,
            Signature::Ed25519 => Some(unseal(ring, row.id, signature, row.secret)?),
        };
        Ok(Endpoint {
            id: row.id,
            target_url: row.target_url,
            description: row.description,
            event_types: row.event_types,
            columns: serde_json::from_value(row.columns).map_err(RegistryError::internal)?,
            signature,
            public_key: key.and_then(|key| key.public()),
            previous_until: row.previous_until,
            ordered: row.ordered,
            order_key: row.order_key,
            rate_per_minute: row.rate_per_minute,
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            failures: row.failures,
            failing_since: row.failing_since,
            open_until: row.open_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    });
    endpoints.collect()
}
