//! Where a chain begins: at its first record, or behind those that were cut off, which is signed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::super::error::RegistryError;
use super::Chain;
use super::chain::{self, Hash, Position, START};
use crate::keys::{KeyRing, Purpose, SecretKey};
use crate::registry::pool::DbConnection;

/// The end of what was cut off.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    /// The place of the last record that is gone.
    pub(super) position: Position,
    /// The hash there.
    pub(super) hash: Hash,
    /// What is gone was older than this.
    pub(super) before: DateTime<Utc>,
    /// When it went.
    pub(super) trimmed_at: DateTime<Utc>,
    /// Whether one of our keys has signed it.
    pub(super) genuine: bool,
}

/// Where a chain begins that was cut, judged by its signature.
pub(super) async fn of(
    conn: &mut DbConnection,
    ring: &KeyRing,
    chain: Chain,
) -> Result<Option<Beginning>, RegistryError> {
    let row = sqlx::query!(
        "SELECT position, hash, before, trimmed_at, key_id, signature FROM koyalite.audit_trims
         WHERE project_id IS NOT DISTINCT FROM $1",
        chain.project(),
    );
    let Some(row) = row.fetch_optional(conn).await? else {
        return Ok(None);
    };
    let hash = Hash::try_from(row.hash.as_slice());
    let mut begins = Beginning {
        position: row.position,
        hash: hash.unwrap_or(START),
        before: row.before,
        trimmed_at: row.trimmed_at,
        genuine: false,
    };
    let keys = keys(ring, Purpose::AuditTrim);
    let signed = chain::beginning(chain, &begins);
    let key = keys.get(&row.key_id);
    begins.genuine = key.is_some_and(|key| key.verify(&[&signed], &row.signature));
    Ok(Some(begins))
}

/// Every key that may have signed, by its id.
pub(super) fn keys(ring: &KeyRing, purpose: Purpose) -> HashMap<String, SecretKey> {
    let keys = ring.derive_all(purpose).into_iter();
    keys.map(|(id, key)| (id.to_string(), key)).collect()
}
