//! Whether a chain is as it was sealed.
//!
//! What it cannot see: records and checkpoints that went together from the end of the chain. Whoever
//! needs that seen keeps a checkpoint of a report elsewhere, and asks that the chain still leads to it.

use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt as _};
use serde::Serialize;

use super::super::Registry;
use super::super::error::RegistryError;
use super::Chain;
use super::beginning::{self, Beginning};
use super::chain::{self, Hash, Position, Record};
pub use super::walk::Finding;
use super::walk::{Checkpoint, Sealed, Walk};
use crate::keys::{KeyRing, Purpose};
use crate::registry::pool::DbConnection;

/// What became of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditReport)]
pub struct Report {
    /// Records that have a place and are there.
    pub sealed: Position,
    /// Records that have none yet: written within the last second or so.
    pub unsealed: i64,
    /// Where it begins, if older records were cut off.
    pub begins: Option<Begins>,
    /// The last signed checkpoint, to be kept elsewhere.
    pub checkpoint: Option<Mark>,
    /// What is not as it was sealed.
    pub findings: Vec<Finding>,
    /// Whether there is more of it than is named.
    pub more: bool,
}

/// What was cut off a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditBeginning)]
pub struct Begins {
    /// The place of the last record that is gone.
    pub after: Position,
    /// What is gone was older than this.
    pub before: DateTime<Utc>,
    /// When it was cut off.
    pub trimmed_at: DateTime<Utc>,
}

/// Where a chain led at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditCheckpoint)]
pub struct Mark {
    /// The place of the last record.
    pub position: Position,
    /// The hash there: 64 hexadecimal digits.
    pub hash: String,
    /// When.
    pub sealed_at: DateTime<Utc>,
}

/// Walks along a chain from its first record to its last, in one snapshot of the database.
///
/// # Errors
/// `Unavailable` or `Internal`. What is wrong with the chain is in the report.
pub async fn verify(registry: &Registry, chain: Chain) -> Result<Report, RegistryError> {
    let mut tx = registry.pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *tx)
        .await?;
    let (checkpoints, mark) = checkpoints(&mut tx, &registry.ring(), (chain, None)).await?;
    let begins = beginning::of(&mut tx, &registry.ring(), chain).await?;
    let mut walk = Walk::new(checkpoints, begins.as_ref());
    let mut sealed = 0;
    let mut records = sealed_up_to(&mut tx, chain, None);
    while let Some(record) = records.try_next().await? {
        sealed += 1;
        walk.step(&record);
    }
    drop(records);
    let unsealed = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM koyalite.audit_logs
         WHERE project_id IS NOT DISTINCT FROM $1 AND position IS NULL"#,
        chain.project(),
    )
    .fetch_one(&mut *tx)
    .await?;
    let (findings, all) = walk.end();
    Ok(Report {
        sealed,
        unsealed,
        begins: begins.filter(|begins| begins.genuine).map(Begins::from),
        checkpoint: mark,
        findings,
        more: !all,
    })
}

impl From<Beginning> for Begins {
    fn from(begins: Beginning) -> Self {
        Self {
            after: begins.position,
            before: begins.before,
            trimmed_at: begins.trimmed_at,
        }
    }
}

/// The records that have a place, by it, up to one.
pub(super) fn sealed_up_to(
    conn: &mut DbConnection,
    chain: Chain,
    to: Option<Position>,
) -> impl Stream<Item = Result<Sealed, sqlx::Error>> + Send {
    let rows = sqlx::query!(
        r#"SELECT id, actor_id, action, target_type, target_id, at, request_id,
             metadata::text AS "metadata!", position AS "position!", previous AS "previous!",
             hash AS "hash!"
         FROM koyalite.audit_logs
         WHERE project_id IS NOT DISTINCT FROM $1 AND position <= coalesce($2, position)
         ORDER BY position, id"#,
        chain.project(),
        to,
    );
    rows.fetch(conn).map_ok(move |row| Sealed {
        record: Record {
            id: row.id,
            chain,
            actor: row.actor_id,
            action: row.action,
            target_type: row.target_type,
            target: row.target_id,
            at: row.at,
            request: row.request_id,
            metadata: row.metadata,
        },
        position: row.position,
        previous: row.previous,
        hash: row.hash,
    })
}

/// The checkpoints of a chain in their order, to its end or to a place, each judged; and the last that is genuine.
pub(super) async fn checkpoints(
    conn: &mut DbConnection,
    ring: &KeyRing,
    (chain, to): (Chain, Option<Position>),
) -> Result<(Vec<Checkpoint>, Option<Mark>), RegistryError> {
    let keys = beginning::keys(ring, Purpose::AuditCheckpoint);
    let rows = sqlx::query!(
        "SELECT position, hash, sealed_at, key_id, signature FROM koyalite.audit_checkpoints
         WHERE project_id IS NOT DISTINCT FROM $1 AND position <= coalesce($2, position)
         ORDER BY position",
        chain.project(),
        to,
    )
    .fetch_all(conn)
    .await?;
    let (mut checkpoints, mut mark) = (Vec::with_capacity(rows.len()), None);
    for row in rows {
        let hash = Hash::try_from(row.hash.as_slice());
        let genuine = hash.is_ok_and(|hash| {
            let signed = chain::checkpoint(chain, row.position, &hash, row.sealed_at);
            let key = keys.get(&row.key_id);
            key.is_some_and(|key| key.verify(&[&signed], &row.signature))
        });
        if genuine {
            mark = Some(Mark {
                position: row.position,
                hash: hex::encode(&row.hash),
                sealed_at: row.sealed_at,
            });
        }
        checkpoints.push(Checkpoint {
            position: row.position,
            hash: row.hash,
            genuine,
        });
    }
    Ok((checkpoints, mark))
}
