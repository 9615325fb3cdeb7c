//! Deliveries made again: one, some, or all that a filter means. Receivers see the same `webhook-id`, so
//! that whoever has taken it already can tell.

use koyalite_policy::ProjectName;
use uuid::Uuid;

use super::super::Registry;
use super::super::audit::{self, Action, Chain, Deed};
use super::super::change::project_id;
use super::super::error::RegistryError;
use super::deliveries::Filter;

/// Deliveries that one request makes again. A larger backlog goes in several, so that none holds its
/// rows for long.
pub const REPLAYED_MAX: i64 = 1000;

/// Makes deliveries due again and answers how many: those of these ids, where any are given, that the
/// filter means. What is on its way right now is left alone; the schedule of retries begins anew.
///
/// # Errors
/// `NotFound` where there is no such project.
pub async fn replay(
    registry: &Registry,
    project: &ProjectName,
    ids: Option<&[Uuid]>,
    filter: &Filter,
) -> Result<u64, RegistryError> {
    let project = project_id(registry, project).await?;
    let deed = Deed::new(Action::DeliveriesReplay, project)
        .with(
            "ids",
            ids.map(|ids| ids.iter().map(Uuid::to_string).collect::<Vec<_>>()),
        )
        .with("status", filter.status.clone())
        .with("endpoint", filter.endpoint.map(|id| id.to_string()))
        .with("event_type", filter.event_type.clone());
    audit::record(registry, Chain::Project(project), deed).await?;
    let replayed = sqlx::query!(
        "UPDATE koyalite.webhooks SET status = 'pending', retries = 0, reason = 'replayed',
             next_attempt_at = clock_timestamp()
         WHERE id IN (
             SELECT w.id FROM koyalite.webhooks w
             JOIN koyalite.webhook_events v ON v.id = w.event_id
             WHERE w.project_id = $1 AND w.status IN ('delivered', 'dead', 'pending')
               AND ($2::uuid[] IS NULL OR w.id = ANY($2))
               AND ($3::text IS NULL OR w.status = $3)
               AND ($4::uuid IS NULL OR w.endpoint_id = $4)
               AND ($5::text IS NULL OR v.event_type = $5)
               AND ($6::timestamptz IS NULL OR w.created_at >= $6)
               AND ($7::timestamptz IS NULL OR w.created_at < $7)
             ORDER BY w.number LIMIT $8 FOR UPDATE OF w SKIP LOCKED)",
        project,
        ids,
        filter.status,
        filter.endpoint,
        filter.event_type,
        filter.from,
        filter.to,
        REPLAYED_MAX,
    )
    .execute(&registry.pool)
    .await?;
    Ok(replayed.rows_affected())
}
