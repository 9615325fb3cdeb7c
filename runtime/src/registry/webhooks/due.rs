//! What the worker asks of the database: deliveries that are due, and how they went. SQL only; what an
//! answer means is decided in [`crate::delivery`]. All times are the database's.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::Registry;
use super::super::error::RegistryError;
use super::endpoints::{signature_of, unseal};
use super::input::Columns;
use crate::keys::WebhookKey;
use crate::registry::pool::DbConnection;

/// A delivery that is this node's to make.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) fence: i64,
    pub(crate) endpoint: Uuid,
    pub(crate) event: Uuid,
    pub(crate) event_type: String,
    /// JSON text.
    pub(crate) payload: String,
    pub(crate) emitted_at: DateTime<Utc>,
    pub(crate) target_url: String,
    pub(crate) columns: Columns,
    /// What signs: the secret, and for a while the one before it.
    pub(crate) keys: Vec<WebhookKey>,
    /// Retries that have failed since the schedule began.
    pub(crate) retries: i32,
}

/// How many deliveries to claim.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Altogether.
    pub(crate) all: i64,
    /// At work for one endpoint, on all nodes.
    pub(crate) per_endpoint: i64,
}

/// Claims what is due. Endpoints whose circuit is open are left alone; one that is failing is tried with
/// a single delivery. One that has a rate is claimed from by one node at a time, as much as a second of its
/// rate, and then left alone for as long as that takes.
pub(crate) async fn claim(
    registry: &Registry,
    bounds: Bounds,
    lease_s: f64,
) -> Result<Vec<Claimed>, RegistryError> {
    let mut conn = registry.acquire().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"WITH paced AS MATERIALIZED (
               SELECT e.id, ceil(e.rate_per_minute / 60.0)::bigint AS room
               FROM koyalite.webhook_endpoints e
               WHERE e.rate_per_minute IS NOT NULL AND e.enabled
                 AND coalesce(e.paced_until <= clock_timestamp(), true)
                 AND EXISTS (SELECT FROM koyalite.webhooks p WHERE p.endpoint_id = e.id
                     AND p.status = 'pending' AND p.next_attempt_at <= clock_timestamp())
               FOR NO KEY UPDATE OF e SKIP LOCKED
           ), due AS (
               SELECT w.id FROM (
                   SELECT e.id, e.ordered, e.failures,
                       CASE WHEN e.rate_per_minute IS NULL THEN $2::bigint ELSE coalesce(
                           (SELECT paced.room FROM paced WHERE paced.id = e.id), 0) END AS room, (
                       SELECT count(*) FROM koyalite.webhooks s
                       WHERE s.endpoint_id = e.id AND s.status = 'sending') AS sending
                   FROM koyalite.webhook_endpoints e
                   WHERE e.enabled AND coalesce(e.open_until <= clock_timestamp(), true)
                     AND EXISTS (SELECT FROM koyalite.webhooks p WHERE p.endpoint_id = e.id
                         AND p.status = 'pending' AND p.next_attempt_at <= clock_timestamp())
                   ORDER BY random()
               ) e CROSS JOIN LATERAL (
                   SELECT p.id FROM koyalite.webhooks p
                   WHERE p.endpoint_id = e.id AND p.status = 'pending'
                     AND p.next_attempt_at <= clock_timestamp()
                     AND NOT (e.ordered AND EXISTS (SELECT FROM koyalite.webhooks b
                         WHERE b.endpoint_id = e.id AND b.number < p.number
                           AND b.status IN ('pending', 'sending')))
                     AND NOT EXISTS (SELECT FROM koyalite.webhooks b
                         WHERE b.endpoint_id = e.id AND b.order_value = p.order_value
                           AND b.number < p.number AND b.status IN ('pending', 'sending'))
                   ORDER BY p.next_attempt_at
                   LIMIT greatest(0,
                       least(e.room,
                           CASE WHEN e.failures > 0 OR e.ordered THEN 1 ELSE $2::bigint END
                               - e.sending))
                   FOR UPDATE OF p SKIP LOCKED
               ) w LIMIT $1
           ), claimed AS (
               UPDATE koyalite.webhooks w SET status = 'sending', fence = nextval('koyalite.fence'),
                   attempt_count = w.attempt_count + 1, last_attempt_at = clock_timestamp(),
                   lease_until = clock_timestamp() + make_interval(secs => $3)
               FROM due WHERE w.id = due.id
               RETURNING w.id, w.fence, w.event_id, w.endpoint_id, w.retries
           ), slowed AS (
               UPDATE koyalite.webhook_endpoints e
               SET paced_until = clock_timestamp() + n * interval '1 minute' / e.rate_per_minute
               FROM (SELECT endpoint_id, count(*) AS n FROM claimed GROUP BY endpoint_id) c
               WHERE e.id = c.endpoint_id AND e.rate_per_minute IS NOT NULL
           )
           SELECT c.id, c.fence AS "fence!", c.endpoint_id, c.event_id, c.retries, v.event_type,
               v.payload::text AS "payload!", v.created_at AS emitted_at, e.target_url, e.columns,
               e.signature, e.secret,
               CASE WHEN e.previous_until > clock_timestamp() THEN e.previous_secret END AS previous
           FROM claimed c JOIN koyalite.webhook_events v ON v.id = c.event_id
           JOIN koyalite.webhook_endpoints e ON e.id = c.endpoint_id"#,
        bounds.all,
        bounds.per_endpoint,
        lease_s,
    )
    .fetch_all(&mut conn)
    .await?;
    Ok(readable(rows, registry))
}

/// Those that can be read. Others are left to their lease and the log.
fn readable(rows: Vec<Row>, registry: &Registry) -> Vec<Claimed> {
    let claimed = rows.into_iter().map(|row| row.read(registry));
    let readable = claimed.filter_map(|claimed| {
        claimed
            .inspect_err(|error| tracing::error!(error = error.detail(), "a delivery is left out"))
            .ok()
    });
    readable.collect()
}

/// A delivery as it is stored.
struct Row {
    id: Uuid,
    fence: i64,
    endpoint_id: Uuid,
    event_id: Uuid,
    retries: i32,
    event_type: String,
    payload: String,
    emitted_at: DateTime<Utc>,
    target_url: String,
    columns: serde_json::Value,
    signature: String,
    secret: Vec<u8>,
    previous: Option<Vec<u8>>,
}

impl Row {
    fn read(self, registry: &Registry) -> Result<Claimed, RegistryError> {
        let sealed = [Some(self.secret), self.previous];
        let keys = keys(registry, self.endpoint_id, &self.signature, sealed)?;
        Ok(Claimed {
            id: self.id,
            fence: self.fence,
            endpoint: self.endpoint_id,
            event: self.event_id,
            event_type: self.event_type,
            payload: self.payload,
            emitted_at: self.emitted_at,
            target_url: self.target_url,
            columns: serde_json::from_value(self.columns).map_err(RegistryError::internal)?,
            keys,
            retries: self.retries,
        })
    }
}

/// The keys that sign for an endpoint: its own, and for a while the one before.
fn keys(
    registry: &Registry,
    endpoint: Uuid,
    signature: &str,
    sealed: [Option<Vec<u8>>; 2],
) -> Result<Vec<WebhookKey>, RegistryError> {
    let signature = signature_of(signature)?;
    let sealed = sealed.into_iter().flatten();
    sealed
        .map(|sealed| unseal(&registry.ring(), endpoint, signature, sealed))
        .collect()
}

/// What an attempt came to, as it is kept.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) response_status: Option<i32>,
    pub(crate) response_snippet: Option<String>,
    pub(crate) reason: Option<String>,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Delivered,
    /// Once more, after so many seconds.
    Retry {
        after_s: f64,
    },
    Dead,
}

/// Records how a delivery went, if it is still this node's to say; answers whether it is.
pub(crate) async fn finish(
    conn: &mut DbConnection,
    (id, fence): (Uuid, i64),
    attempt: &Attempt,
    then: Then,
) -> Result<bool, RegistryError> {
    let (status, after_s) = match then {
        Then::Delivered => ("delivered", 0.0),
        Then::Retry { after_s } => ("pending", after_s),
        Then::Dead => ("dead", 0.0),
    };
    let finished = sqlx::query!(
        "UPDATE koyalite.webhooks SET status = $3, lease_until = NULL, response_status = $4,
             response_snippet = $5, reason = $6,
             retries = CASE WHEN $3 = 'pending' THEN retries + 1 ELSE retries END,
             next_attempt_at = clock_timestamp() + make_interval(secs => $7)
         WHERE id = $1 AND fence = $2 AND status = 'sending'",
        id,
        fence,
        status,
        attempt.response_status,
        attempt.response_snippet,
        attempt.reason,
        after_s,
    )
    .execute(conn)
    .await?;
    Ok(finished.rows_affected() == 1)
}

/// Notes that an endpoint has answered well.
pub(crate) async fn close_circuit(
    conn: &mut DbConnection,
    endpoint: Uuid,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.webhook_endpoints
         SET failures = 0, failing_since = NULL, open_until = NULL
         WHERE id = $1 AND (failures > 0 OR open_until IS NOT NULL)",
        endpoint,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How an endpoint has been failing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failing {
    pub(crate) failures: i32,
    pub(crate) for_s: f64,
}

/// Notes that an endpoint has failed once more.
pub(crate) async fn count_failure(
    conn: &mut DbConnection,
    endpoint: Uuid,
) -> Result<Option<Failing>, RegistryError> {
    let failing = sqlx::query!(
        r#"UPDATE koyalite.webhook_endpoints SET failures = failures + 1,
               failing_since = coalesce(failing_since, clock_timestamp())
           WHERE id = $1
           RETURNING failures,
               extract(epoch FROM clock_timestamp() - failing_since)::double precision AS "for_s!""#,
        endpoint,
    )
    .fetch_optional(conn)
    .await?;
    Ok(failing.map(|row| Failing {
        failures: row.failures,
        for_s: row.for_s,
    }))
}

/// Leaves an endpoint alone for so long.
pub(crate) async fn open_circuit(
    conn: &mut DbConnection,
    endpoint: Uuid,
    for_s: f64,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.webhook_endpoints
         SET open_until = greatest(open_until, clock_timestamp() + make_interval(secs => $2))
         WHERE id = $1",
        endpoint,
        for_s,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts back what nodes have gone silent over; it may have arrived. Answers how many.
pub(crate) async fn expire(conn: &mut DbConnection, reason: &str) -> Result<u64, RegistryError> {
    let expired = sqlx::query!(
        "UPDATE koyalite.webhooks SET status = 'pending', lease_until = NULL, reason = $1,
             next_attempt_at = clock_timestamp()
         WHERE status = 'sending' AND lease_until < clock_timestamp()",
        reason,
    )
    .execute(conn)
    .await?;
    Ok(expired.rows_affected())
}

/// Forgets events that are over and older than so many days, so many at once. Answers how many.
pub(crate) async fn forget(
    conn: &mut DbConnection,
    days: i32,
    at_once: i64,
) -> Result<u64, RegistryError> {
    let forgotten = sqlx::query!(
        "DELETE FROM koyalite.webhook_events WHERE id IN (
             SELECT id FROM koyalite.webhook_events e
             WHERE created_at < now() - make_interval(days => $1) AND NOT EXISTS (
                 SELECT FROM koyalite.webhooks w
                 WHERE w.event_id = e.id AND w.status IN ('pending', 'sending'))
             ORDER BY created_at LIMIT $2)",
        days,
        at_once,
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}
