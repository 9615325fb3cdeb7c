//! An endpoint that the host switches off by itself: it is told to the project's other endpoints, and tables
//! of which nobody wants to hear any more say nothing.

use koyalite_policy::ProjectName;
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{Action, Deed};
use super::super::change::Change;
use super::super::error::RegistryError;
use super::tables;

/// Switches an endpoint off. One that is off, or gone, stays so.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub(crate) async fn disable(
    registry: &Registry,
    endpoint: Uuid,
    reason: &str,
) -> Result<(), RegistryError> {
    let mut change = Change::begin(registry).await?;
    let name = sqlx::query_scalar!(
        "SELECT p.name FROM koyalite.webhook_endpoints e
         JOIN koyalite.projects p ON p.id = e.project_id WHERE e.id = $1",
        endpoint,
    )
    .fetch_optional(change.conn())
    .await?;
    let Some(name) = name else {
        return Ok(());
    };
    let name: ProjectName = name.parse().map_err(RegistryError::internal)?;
    let project = change.lock(&name).await?;
    let off = sqlx::query!(
        "UPDATE koyalite.webhook_endpoints
         SET enabled = false, disabled_reason = $2, updated_at = now()
         WHERE id = $1 AND enabled RETURNING target_url, event_types",
        endpoint,
        reason,
    )
    .fetch_optional(change.conn())
    .await?;
    let Some(off) = off else {
        return Ok(());
    };
    sqlx::query!(
        "WITH event AS (
             INSERT INTO koyalite.webhook_events (id, project_id, event_type, payload)
             VALUES ($1, $2, 'webhook.endpoint.disabled', jsonb_build_object(
                 'endpoint_id', $3::uuid, 'target_url', $4::text, 'reason', $5::text))
             RETURNING *
         )
         SELECT koyalite.fan_out(event) FROM event",
        Uuid::now_v7(),
        project.id,
        endpoint,
        off.target_url,
        reason,
    )
    .execute(change.conn())
    .await?;
    tables::renew(&mut change, &project, &tables::named(&off.event_types)).await?;
    let deed = Deed::new(Action::EndpointDisable, endpoint).with("reason", reason);
    change.commit(deed).await
}
