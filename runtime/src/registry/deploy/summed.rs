//! What nodes counted of a watched version, told to each other, so that it is judged by all of its calls.
//!
//! A node tells only what it has counted within the window, and only while there are other nodes: nobody
//! writes while nobody calls, or alone. What it hears is a moment old, a tenth of the window at most.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::rule::{AutoRollback, Counts};
use crate::registry::Registry;
use crate::registry::error::RegistryError;

/// Between two exchanges about one deployment: a tenth of its window, and within these.
const EXCHANGE_MIN: Duration = Duration::from_secs(1);
const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// What a node has said counts for so many of its intervals; one may be lost.
const GOOD_FOR: u32 = 3;

/// How often nodes tell each other of the calls that such a rule judges.
pub(super) fn every(rule: &AutoRollback) -> Duration {
    (rule.window() / 10).clamp(EXCHANGE_MIN, EXCHANGE_MAX)
}

/// For how long what others said counts.
pub(super) fn good_for(rule: &AutoRollback) -> Duration {
    every(rule) * GOOD_FOR
}

/// What this node has counted of one deployment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mine {
    pub(super) deployment: Uuid,
    pub(super) seen: Counts,
    /// For how long it counts.
    pub(super) good_for: Duration,
}

/// Tells what this node has counted, and answers what the others have. `kept` are the deployments that it has
/// counted anything of; what it has said of others is forgotten.
pub(super) async fn exchange(
    registry: &Registry,
    node: Uuid,
    (mine, kept): (&[Mine], &[Uuid]),
) -> Result<HashMap<Uuid, Counts>, RegistryError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let column = |of: fn(&Counts) -> u64| mine.iter().map(|it| number(of(&it.seen))).collect();
    let (requests, errors, slow): (Vec<_>, Vec<_>, Vec<_>) = (
        column(|seen| seen.requests),
        column(|seen| seen.errors),
        column(|seen| seen.slow),
    );
    let deployments: Vec<Uuid> = mine.iter().map(|it| it.deployment).collect();
    let good_for: Vec<f64> = mine.iter().map(|it| it.good_for.as_secs_f64()).collect();
    let rows = sqlx::query!(
        r#"WITH told AS (
               INSERT INTO koyalite.watched_calls (deployment_id, node_id, requests, errors, slow)
               SELECT m.deployment_id, n.id, m.requests, m.errors, m.slow
               FROM koyalite.nodes n,
                   unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
                       AS m (deployment_id, requests, errors, slow)
               WHERE n.id = $1
               ON CONFLICT (deployment_id, node_id) DO UPDATE SET seen_at = now(),
                   requests = excluded.requests, errors = excluded.errors, slow = excluded.slow
           ), over AS (
               DELETE FROM koyalite.watched_calls
               WHERE node_id = $1 AND deployment_id <> ALL ($6::uuid[])
           )
           SELECT c.deployment_id, sum(c.requests)::bigint AS "requests!",
               sum(c.errors)::bigint AS "errors!", sum(c.slow)::bigint AS "slow!"
           FROM koyalite.watched_calls c
           JOIN unnest($2::uuid[], $7::float8[]) AS m (deployment_id, good_for)
               ON m.deployment_id = c.deployment_id
           WHERE c.node_id <> $1 AND c.seen_at > now() - make_interval(secs => m.good_for)
           GROUP BY c.deployment_id"#,
        node,
        &deployments,
        &requests,
        &errors,
        &slow,
        kept,
        &good_for,
    )
    .fetch_all(&registry.pool)
    .await?;
    let count = |stored: i64| u64::try_from(stored).unwrap_or_default();
    let sums = rows.into_iter().map(|row| {
        let counts = Counts {
            requests: count(row.requests),
            errors: count(row.errors),
            slow: count(row.slow),
        };
        (row.deployment_id, counts)
    });
    Ok(sums.collect())
}
