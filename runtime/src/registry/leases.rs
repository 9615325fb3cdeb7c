//! How a run starts, goes on and ends: the lease says that its node is alive, the fence says that the
//! run is still that node's. SQL only.
//!
//! Each claim takes the next fence. Whoever lost the lease holds a fence that no row has any more, or a
//! row that is over, so that its late words change nothing; and its late writes are refused by
//! `koyalite_api.hold_run`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::RegistryError;
use super::pool::DbConnection;
use super::runs::whole;
use crate::scheduler::rules::LOST_RETRIES;

/// Runs whose node went silent, ended at once. More wait for the next look.
const EXPIRED_MAX: i64 = 500;

/// A claimed run: whoever holds the fence may say how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) run: Uuid,
    pub(crate) fence: i64,
}

/// A run that has started, with what is needed to fire it.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    pub(crate) claimed: Claimed,
    pub(crate) project_id: Uuid,
    pub(crate) function_id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) task: String,
    pub(crate) path: Option<String>,
    pub(crate) timeout_s: Option<u64>,
    pub(crate) scheduled_for: DateTime<Utc>,
    pub(crate) attempt: u32,
    pub(crate) missed: u32,
}

/// How many runs a node takes, and of which projects how many are on it already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room<'a> {
    pub(crate) node: &'a str,
    pub(crate) region: &'a str,
    pub(crate) lease_s: f64,
    pub(crate) runs: i64,
    pub(crate) per_project: i64,
    pub(crate) projects: &'a [Uuid],
    pub(crate) running: &'a [i64],
}

/// Starts runs whose turn it is: one project after the other, and of each the longest due first. Runs
/// of one task that wait for each other start in their order. What may not be in this node's region,
/// by its function's regions or its project's `data_residency`, is left to others. Of a function that was switched off
/// meanwhile they are skipped.
///
/// A run that another node started at the same moment beside one of these is a `Conflict`: nothing
/// has started, and the next look finds how it is.
pub(crate) async fn start(
    conn: &mut DbConnection,
    room: Room<'_>,
) -> Result<Vec<Started>, RegistryError> {
    let rows = sqlx::query_as!(
        Row,
        r#"WITH RECURSIVE projects (id) AS (
               (SELECT r.project_id FROM koyalite.runs r WHERE r.status = 'waiting'
                ORDER BY r.project_id LIMIT 1)
               UNION ALL
               SELECT (SELECT r.project_id FROM koyalite.runs r
                       WHERE r.status = 'waiting' AND r.project_id > p.id
                       ORDER BY r.project_id LIMIT 1)
               FROM projects p WHERE p.id IS NOT NULL
           ), locked AS (
               SELECT w.id, w.project_id, w.not_before
               FROM projects p
               LEFT JOIN unnest($5::uuid[], $6::bigint[]) AS here (project_id, runs)
                   ON here.project_id = p.id
               CROSS JOIN LATERAL (
                   SELECT r.id, r.project_id, r.not_before FROM koyalite.runs r
                   WHERE r.status = 'waiting' AND r.project_id = p.id AND r.not_before <= now()
                       AND EXISTS (SELECT FROM koyalite.scheduled_tasks t
                           JOIN koyalite.functions f ON f.id = t.function_id
                           JOIN koyalite.deployments d ON d.id = f.active_deployment_id
                           WHERE t.id = r.task_id AND d.regions && ARRAY['*', $7])
                       AND (NOT r.serial OR NOT EXISTS (SELECT FROM koyalite.runs o
                           WHERE o.task_id = r.task_id AND o.id <> r.id AND (
                               (o.status = 'running' AND o.serial) OR (o.status = 'waiting'
                                   AND (o.trigger = 'backfill', o.scheduled_for, o.attempt)
                                     < (r.trigger = 'backfill', r.scheduled_for, r.attempt)))))
                   ORDER BY r.not_before LIMIT $4 - coalesce(here.runs, 0)
                   FOR UPDATE SKIP LOCKED) w
               WHERE p.id IS NOT NULL AND coalesce(here.runs, 0) < $4
                   AND EXISTS (SELECT FROM koyalite.projects at
                       WHERE at.id = p.id AND (at.settings -> 'data_residency' ? $7
                           OR coalesce(at.settings -> 'data_residency', '[]') = '[]'))
           ), picked AS (
               SELECT l.id FROM (SELECT id, not_before,
                       row_number() OVER (PARTITION BY project_id ORDER BY not_before) AS nth
                   FROM locked) l
               ORDER BY l.nth, l.not_before LIMIT $3
           ), changed AS (
               UPDATE koyalite.runs r SET
                   status = CASE WHEN f.enabled THEN 'running' ELSE 'skipped' END,
                   reason = CASE WHEN f.enabled THEN r.reason ELSE 'the function is disabled' END,
                   fence = nextval('koyalite.fence'),
                   lease_until = CASE WHEN f.enabled
                       THEN clock_timestamp() + make_interval(secs => $2) END,
                   started_at = CASE WHEN f.enabled THEN clock_timestamp() END,
                   finished_at = CASE WHEN f.enabled THEN NULL ELSE clock_timestamp() END,
                   invocation_id = CASE WHEN f.enabled THEN r.id END,
                   node = CASE WHEN f.enabled THEN $1 END
               FROM picked, koyalite.scheduled_tasks t, koyalite.functions f
               WHERE r.id = picked.id AND t.id = r.task_id AND f.id = t.function_id
               RETURNING r.id, r.fence, r.status, r.project_id, t.function_id, r.task_id, t.name,
                   t.path, t.timeout_s, r.scheduled_for, r.attempt, r.missed_count
           )
           SELECT id, fence AS "fence!", project_id AS "project_id!", function_id, task_id, name,
               path, timeout_s, scheduled_for, attempt, missed_count
           FROM changed WHERE status = 'running'"#,
        room.node,
        room.lease_s,
        room.runs,
        room.per_project,
        room.projects,
        room.running,
        room.region,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Started::from).collect())
}

/// A run that has started, as the statement answers it.
struct Row {
    id: Uuid,
    fence: i64,
    project_id: Uuid,
    function_id: Uuid,
    task_id: Uuid,
    name: String,
    path: Option<String>,
    timeout_s: Option<i64>,
    scheduled_for: DateTime<Utc>,
    attempt: i32,
    missed_count: i32,
}

impl From<Row> for Started {
    fn from(row: Row) -> Self {
        Self {
            claimed: Claimed {
                run: row.id,
                fence: row.fence,
            },
            project_id: row.project_id,
            function_id: row.function_id,
            task_id: row.task_id,
            task: row.name,
            path: row.path,
            timeout_s: row.timeout_s.map(whole),
            scheduled_for: row.scheduled_for,
            attempt: row.attempt.try_into().unwrap_or(1),
            missed: row.missed_count.try_into().unwrap_or(0),
        }
    }
}

/// Notes which version a run is of.
pub(crate) async fn set_version(
    conn: &mut DbConnection,
    claimed: Claimed,
    version: u32,
) -> Result<(), RegistryError> {
    sqlx::query!(
        "UPDATE koyalite.runs SET version = $3 WHERE id = $1 AND fence = $2",
        claimed.run,
        claimed.fence,
        i32::try_from(version).map_err(RegistryError::internal)?,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a lease is still one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    Lost,
}

impl Lease {
    fn of(changed: u64) -> Self {
        match changed {
            0 => Self::Lost,
            _ => Self::Held,
        }
    }
}

/// Extends the lease of a run that is still going. One that is over is lost, also where nobody has
/// noticed yet: its writes have been refused since.
pub(crate) async fn extend(
    conn: &mut DbConnection,
    claimed: Claimed,
    lease_s: f64,
) -> Result<Lease, RegistryError> {
    let extended = sqlx::query!(
        "UPDATE koyalite.runs SET lease_until = clock_timestamp() + make_interval(secs => $3)
         WHERE id = $1 AND fence = $2 AND status = 'running' AND lease_until > clock_timestamp()",
        claimed.run,
        claimed.fence,
        lease_s,
    )
    .execute(conn)
    .await?;
    Ok(Lease::of(extended.rows_affected()))
}

/// Says that a run succeeded, if it is still one's own to say.
pub(crate) async fn succeed(
    conn: &mut DbConnection,
    claimed: Claimed,
) -> Result<Lease, RegistryError> {
    let finished = sqlx::query!(
        "UPDATE koyalite.runs SET status = 'succeeded', lease_until = NULL,
             finished_at = clock_timestamp()
         WHERE id = $1 AND fence = $2 AND status = 'running'",
        claimed.run,
        claimed.fence,
    )
    .execute(conn)
    .await?;
    Ok(Lease::of(finished.rows_affected()))
}

/// Says that a run failed, and enqueues the next attempt where its schedule asks for one.
pub(crate) async fn fail(
    conn: &mut DbConnection,
    claimed: Claimed,
    reason: &str,
) -> Result<Lease, RegistryError> {
    let failed = sqlx::query_scalar!(
        r#"WITH failed AS (
               UPDATE koyalite.runs SET status = 'failed', reason = $3, lease_until = NULL,
                   finished_at = clock_timestamp()
               WHERE id = $1 AND fence = $2 AND status = 'running'
               RETURNING *
           ), again AS (
               INSERT INTO koyalite.runs (id, task_id, project_id, scheduled_for, attempt, retry,
                   status, trigger, not_before, serial, missed_count)
               SELECT $4, r.task_id, r.project_id, r.scheduled_for, r.attempt + 1, r.retry + 1,
                   'waiting', r.trigger,
                   clock_timestamp() + make_interval(secs =>
                       least(t.backoff_max_s, t.backoff_s * power(2, least(r.retry, 20)))),
                   r.serial, r.missed_count
               FROM failed r JOIN koyalite.scheduled_tasks t ON t.id = r.task_id
               WHERE r.retry < t.retries AND t.status <> 'removed'
               ON CONFLICT (task_id, scheduled_for, attempt) DO NOTHING
           )
           SELECT count(*) AS "count!" FROM failed"#,
        claimed.run,
        claimed.fence,
        reason,
        Uuid::now_v7(),
    )
    .fetch_one(conn)
    .await?;
    Ok(Lease::of(whole(failed)))
}

/// Ends runs whose node went silent, and enqueues their next attempt. Answers how many. A run that is
/// writing at this moment is held by its write, and looked at again next time.
pub(crate) async fn expire(conn: &mut DbConnection, reason: &str) -> Result<u64, RegistryError> {
    let expired = sqlx::query_scalar!(
        r#"WITH lost AS (
               SELECT id FROM koyalite.runs
               WHERE status = 'running' AND lease_until < clock_timestamp()
               ORDER BY lease_until LIMIT $3 FOR UPDATE SKIP LOCKED
           ), failed AS (
               UPDATE koyalite.runs r SET status = 'failed', reason = $1, lease_until = NULL,
                   finished_at = clock_timestamp()
               FROM lost WHERE r.id = lost.id
               RETURNING r.*
           ), again AS (
               INSERT INTO koyalite.runs (id, task_id, project_id, scheduled_for, attempt, retry,
                   status, trigger, not_before, serial, missed_count)
               SELECT gen_random_uuid(), r.task_id, r.project_id, r.scheduled_for, r.attempt + 1,
                   r.retry + 1, 'waiting', r.trigger, clock_timestamp(), r.serial, r.missed_count
               FROM failed r JOIN koyalite.scheduled_tasks t ON t.id = r.task_id
               WHERE r.retry < greatest(t.retries, $2) AND t.status <> 'removed'
                   AND r.project_id IS NOT NULL
               ON CONFLICT (task_id, scheduled_for, attempt) DO NOTHING
           )
           SELECT count(*) AS "count!" FROM failed"#,
        reason,
        i32::try_from(LOST_RETRIES).unwrap_or(i32::MAX),
        EXPIRED_MAX,
    )
    .fetch_one(conn)
    .await?;
    Ok(whole(expired))
}

/// Forgets runs that ended so many days ago, at most so many at once. Answers how many.
pub(crate) async fn forget(
    conn: &mut DbConnection,
    days: i32,
    limit: i64,
) -> Result<u64, RegistryError> {
    let forgotten = sqlx::query!(
        "DELETE FROM koyalite.runs WHERE id IN (
             SELECT id FROM koyalite.runs
             WHERE finished_at < clock_timestamp() - make_interval(days => $1)
             ORDER BY finished_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        days,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}
