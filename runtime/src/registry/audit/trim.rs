//! Cuts old records off the beginning of a chain, and signs where it begins from then on.
//!
//! What is cut is verified first: a chain in which something is wrong there is left alone, because its
//! records are what shows it. A chain is cut behind a checkpoint only, so that what is left is as it was
//! sealed, and goes on to be found changed, removed or reordered.

use chrono::{DateTime, SubsecRound as _, Utc};
use futures::TryStreamExt as _;
use uuid::Uuid;

use super::super::Registry;
use super::super::error::RegistryError;
use super::beginning::{self, Beginning};
use super::chain::{self, Position};
use super::seal::SEALER_LOCK;
use super::verify::{checkpoints, sealed_up_to};
use super::walk::Walk;
use super::write::record_with;
use super::{Action, Chain, Deed};
use crate::keys::{KeyRing, Purpose};
use crate::registry::pool::DbConnection;

/// Records that one transaction cuts: with what is left to be read in memory, and no lock for long.
const CUT_MAX: i64 = 20_000;

/// What became of the old part of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trimmed {
    /// Nothing in it is old enough, or it is a part of a batch.
    Nothing,
    /// The chain begins behind this place.
    Behind(Position),
    /// It is not as it was sealed, so it stays.
    Broken,
}

/// Cuts off what was written before, as far as batches are old as a whole.
///
/// # Errors
/// `Unavailable` or `Internal`; the chain is then as it was, or cut in part.
pub async fn trim(
    registry: &Registry,
    chain: Chain,
    before: DateTime<Utc>,
) -> Result<Trimmed, RegistryError> {
    let mut done = Trimmed::Nothing;
    loop {
        match cut(registry, chain, before).await? {
            Trimmed::Nothing => return Ok(done),
            Trimmed::Broken => return Ok(Trimmed::Broken),
            further @ Trimmed::Behind(_) => done = further,
        }
    }
}

async fn cut(
    registry: &Registry,
    chain: Chain,
    before: DateTime<Utc>,
) -> Result<Trimmed, RegistryError> {
    let ring = registry.ring();
    let mut tx = registry.pool.begin().await?;
    alone(&mut tx).await?;
    let begins = beginning::of(&mut tx, &ring, chain).await?;
    let after = begins.as_ref().map_or(0, |begins| begins.position);
    let Some(to) = last_old(&mut tx, chain, (after, before)).await? else {
        // The sealer's lock goes with the answer, not some time after it.
        tx.commit().await?;
        return Ok(Trimmed::Nothing);
    };
    let (part, _) = checkpoints(&mut tx, &ring, (chain, Some(to))).await?;
    let mut walk = Walk::new(part, begins.as_ref());
    let mut records = sealed_up_to(&mut tx, chain, Some(to));
    while let Some(sealed) = records.try_next().await? {
        walk.step(&sealed);
    }
    drop(records);
    let reached = walk.reached();
    if !walk.end().0.is_empty() {
        return Ok(Trimmed::Broken);
    }
    remove(&mut tx, chain, to).await?;
    let begins = Beginning {
        position: to,
        hash: reached,
        // As exact as the database is: what is signed has to be what is stored.
        before: before.trunc_subsecs(6),
        trimmed_at: Utc::now().trunc_subsecs(6),
        genuine: true,
    };
    sign(&mut tx, &ring, chain, &begins).await?;
    let deed = Deed::new(Action::AuditTrim, chain)
        .with("after", after)
        .with("to", to)
        .with("before", before.to_rfc3339())
        .with("hash", hex::encode(reached));
    record_with(&mut tx, chain, deed).await?;
    tx.commit().await?;
    Ok(Trimmed::Behind(to))
}

/// Until the end of the transaction nobody seals, nor cuts.
async fn alone(conn: &mut DbConnection) -> Result<(), RegistryError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(SEALER_LOCK)
        .execute(conn)
        .await?;
    Ok(())
}

/// The last checkpoint that has nothing young before it. Records are not in the order of their time
/// exactly: one that waited in a long transaction comes later.
async fn last_old(
    conn: &mut DbConnection,
    chain: Chain,
    (after, before): (Position, DateTime<Utc>),
) -> Result<Option<Position>, RegistryError> {
    let last = sqlx::query_scalar!(
        "SELECT max(position) FROM koyalite.audit_checkpoints
         WHERE project_id IS NOT DISTINCT FROM $1 AND position > $2 AND position <= $2 + $4
             AND position < coalesce((SELECT min(position) FROM koyalite.audit_logs
                 WHERE project_id IS NOT DISTINCT FROM $1 AND at >= $3), 9223372036854775807)",
        chain.project(),
        after,
        before,
        CUT_MAX,
    );
    Ok(last.fetch_one(conn).await?)
}

/// The checkpoint behind which the chain begins stays: it goes on from there.
async fn remove(conn: &mut DbConnection, chain: Chain, to: Position) -> Result<(), RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.audit_logs
         WHERE project_id IS NOT DISTINCT FROM $1 AND position <= $2",
        chain.project(),
        to,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM koyalite.audit_checkpoints
         WHERE project_id IS NOT DISTINCT FROM $1 AND position < $2",
        chain.project(),
        to,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn sign(
    conn: &mut DbConnection,
    ring: &KeyRing,
    chain: Chain,
    begins: &Beginning,
) -> Result<(), RegistryError> {
    let signed = chain::beginning(chain, begins);
    let signature = ring.derive(Purpose::AuditTrim).sign(&[&signed]);
    sqlx::query!(
        "INSERT INTO koyalite.audit_trims
             (id, project_id, position, hash, before, trimmed_at, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (project_id) DO UPDATE SET position = excluded.position,
             hash = excluded.hash, before = excluded.before, trimmed_at = excluded.trimmed_at,
             key_id = excluded.key_id, signature = excluded.signature",
        Uuid::now_v7(),
        chain.project(),
        begins.position,
        begins.hash.as_slice(),
        begins.before,
        begins.trimmed_at,
        ring.active_id().to_string(),
        signature.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the log of a project that is gone, once all of it is old; a record of the installation's log
/// says that. None: it is young in part, or not as it was sealed, and stays.
///
/// # Errors
/// `Unavailable` or `Internal`; nothing is half removed.
pub async fn remove_gone(
    registry: &Registry,
    project: Uuid,
    before: DateTime<Utc>,
) -> Result<Option<i64>, RegistryError> {
    let chain = Chain::Project(project);
    if !super::verify(registry, chain).await?.findings.is_empty() {
        return Ok(None);
    }
    let mut tx = registry.pool.begin().await?;
    alone(&mut tx).await?;
    let removed = sqlx::query_scalar!(
        r#"WITH logs AS (DELETE FROM koyalite.audit_logs WHERE project_id = $1
                 AND NOT EXISTS (SELECT FROM koyalite.projects WHERE id = $1)
                 AND NOT EXISTS (SELECT FROM koyalite.audit_logs
                     WHERE project_id = $1 AND (at >= $2 OR position IS NULL)) RETURNING id),
               checkpoints AS (DELETE FROM koyalite.audit_checkpoints
                 WHERE project_id = $1 AND EXISTS (SELECT FROM logs)),
               trims AS (DELETE FROM koyalite.audit_trims
                 WHERE project_id = $1 AND EXISTS (SELECT FROM logs))
           SELECT count(*) AS "count!" FROM logs"#,
        project,
        before,
    )
    .fetch_one(&mut *tx)
    .await?;
    if removed == 0 {
        return Ok(None);
    }
    let deed = Deed::new(Action::AuditRemove, project)
        .with("records", removed)
        .with("before", before.to_rfc3339());
    record_with(&mut tx, Chain::Installation, deed).await?;
    tx.commit().await?;
    Ok(Some(removed))
}

/// Projects that are gone and whose logs are there.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn gone(registry: &Registry) -> Result<Vec<Uuid>, RegistryError> {
    let gone = sqlx::query_scalar!(
        r#"SELECT DISTINCT project_id AS "id!" FROM koyalite.audit_checkpoints c
         WHERE project_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM koyalite.projects p WHERE p.id = c.project_id)"#,
    );
    Ok(gone.fetch_all(&registry.pool).await?)
}
