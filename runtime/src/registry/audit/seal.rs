//! Gives records their places: in batches, by one node at a time, soon after they were written.
//!
//! Writers never wait for the chain, and the order in it is the order of sealing: a record whose
//! transaction took long comes later than its time says. Each batch ends with a signed checkpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::error::RegistryError;
use super::super::{Outage, Registry};
use super::Chain;
use super::chain::{self, Hash, Position, Record, START};
use crate::keys::{KeyRing, Purpose};
use crate::registry::pool::DbConnection;

/// A record is sealed within about this time.
const SEAL_INTERVAL: Duration = Duration::from_secs(1);

/// Records of one batch: a second's worth of far more writes than control data sees.
const BATCH_MAX: i64 = 1000;

/// Names the lock by which one node seals at a time; any number would do.
const SEALER_LOCK: i64 = 0x6b6f_7961_6175_6474;

/// Seals until `stop`.
pub async fn keep_sealing(registry: &Registry, stop: CancellationToken) {
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(registry.turn(SEAL_INTERVAL)) => {}
        }
        outage.note(seal(registry).await, "sealing the audit log");
    }
}

/// Seals what is there to be sealed, unless another node does; answers how many records.
///
/// # Errors
/// `Unavailable` or `Internal`; nothing is half sealed.
pub async fn seal(registry: &Registry) -> Result<usize, RegistryError> {
    let mut sealed = 0;
    loop {
        let batch = seal_batch(registry).await?;
        sealed += batch;
        if i64::try_from(batch).unwrap_or(0) < BATCH_MAX {
            return Ok(sealed);
        }
    }
}

async fn seal_batch(registry: &Registry) -> Result<usize, RegistryError> {
    let waiting = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM koyalite.audit_logs WHERE position IS NULL) AS "waiting!""#
    );
    if !waiting.fetch_one(&registry.pool).await? {
        return Ok(0);
    }
    let mut tx = registry.pool.begin().await?;
    let alone = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock($1) AS "alone!""#,
        SEALER_LOCK
    );
    if !alone.fetch_one(&mut *tx).await? {
        return Ok(0);
    }
    let records = unsealed(&mut tx).await?;
    let count = records.len();
    let mut chains: BTreeMap<Chain, Vec<Record>> = BTreeMap::new();
    for record in records {
        chains.entry(record.chain).or_default().push(record);
    }
    for (chain, records) in chains {
        extend(&mut tx, &registry.ring(), chain, &records).await?;
    }
    tx.commit().await?;
    Ok(count)
}

async fn unsealed(conn: &mut DbConnection) -> Result<Vec<Record>, RegistryError> {
    let rows = sqlx::query!(
        r#"SELECT id, project_id, actor_id, action, target_type, target_id, at, request_id,
             metadata::text AS "metadata!"
         FROM koyalite.audit_logs WHERE position IS NULL ORDER BY at, id LIMIT $1"#,
        BATCH_MAX,
    )
    .fetch_all(conn)
    .await?;
    let records = rows.into_iter().map(|row| Record {
        id: row.id,
        chain: Chain::of(row.project_id),
        actor: row.actor_id,
        action: row.action,
        target_type: row.target_type,
        target: row.target_id,
        at: row.at,
        request: row.request_id,
        metadata: row.metadata,
    });
    Ok(records.collect())
}

/// Where a chain ends.
async fn end(conn: &mut DbConnection, chain: Chain) -> Result<(Position, Hash), RegistryError> {
    let last = sqlx::query!(
        "SELECT position, hash FROM koyalite.audit_checkpoints
         WHERE project_id IS NOT DISTINCT FROM $1 ORDER BY position DESC LIMIT 1",
        chain.project(),
    )
    .fetch_optional(conn)
    .await?;
    let Some(last) = last else {
        return Ok((0, START));
    };
    let hash = Hash::try_from(last.hash.as_slice()).map_err(RegistryError::internal)?;
    Ok((last.position, hash))
}

async fn extend(
    conn: &mut DbConnection,
    ring: &KeyRing,
    chain: Chain,
    records: &[Record],
) -> Result<(), RegistryError> {
    let (mut position, mut hash) = end(conn, chain).await?;
    let mut ids = Vec::with_capacity(records.len());
    let (mut positions, mut before, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        position += 1;
        before.push(hash.to_vec());
        hash = chain::link(&hash, position, &record.digest());
        ids.push(record.id);
        positions.push(position);
        links.push(hash.to_vec());
    }
    sqlx::query!(
        "UPDATE koyalite.audit_logs l SET position = u.position, previous = u.previous, hash = u.hash
         FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])
             AS u (id, position, previous, hash)
         WHERE l.id = u.id",
        &ids,
        &positions,
        &before,
        &links,
    )
    .execute(&mut *conn)
    .await?;
    sign(conn, ring, chain, (position, &hash)).await
}

async fn sign(
    conn: &mut DbConnection,
    ring: &KeyRing,
    chain: Chain,
    (position, hash): (Position, &Hash),
) -> Result<(), RegistryError> {
    let now: DateTime<Utc> = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(&mut *conn)
        .await?;
    let signed = chain::checkpoint(chain, position, hash, now);
    let signature = ring.derive(Purpose::AuditCheckpoint).sign(&[&signed]);
    sqlx::query!(
        "INSERT INTO koyalite.audit_checkpoints
             (id, project_id, position, hash, sealed_at, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        chain.project(),
        position,
        hash.as_slice(),
        now,
        ring.active_id().to_string(),
        signature.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
