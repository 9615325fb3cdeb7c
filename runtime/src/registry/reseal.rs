//! After a rotation of the key ring: every value that an older key sealed is sealed again by the active
//! one, while everything goes on. The values stay what they are, so nothing has to be served anew.
//!
//! A column that holds sealed values belongs into [`SEALED`], under the names it was sealed for.

use serde::Serialize;
use uuid::Uuid;

use super::Registry;
use super::audit::{self, Action, Chain, Deed};
use super::error::RegistryError;
use crate::keys::{Context, KeyRing, Sealed};

/// Every column of sealed values: table, column, and the column that they were sealed for. The row is
/// its `id`.
const SEALED: [(&str, &str, &str); 7] = [
    ("projects", "jwt_secret", "jwt_secret"),
    ("projects", "database_password", "database_password"),
    ("secrets", "value", "value"),
    ("idempotency_keys", "answer", "answer"),
    ("webhook_endpoints", "secret", "secret"),
    ("webhook_endpoints", "previous_secret", "secret"),
    ("email_senders", "dkim_key", "dkim_key"),
];

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Resealed {
    /// The active key of this node's ring.
    pub key: String,
    /// Values that it had not sealed, and has now.
    pub resealed: u64,
    /// Values that did not open, because their key is not on the ring. They stay as they are.
    pub unreadable: u64,
}

/// Seals everything with the active key of the ring, as its file is now.
///
/// # Errors
/// `Unavailable` or `Internal`; what was sealed anew stays so, and the rest is done by the next call.
pub async fn reseal(registry: &Registry) -> Result<Resealed, RegistryError> {
    registry.renew_keys();
    let ring = registry.ring();
    let deed = Deed::new(Action::KeysReseal, ring.active_id());
    audit::record(registry, Chain::Installation, deed).await?;
    let mut done = Resealed {
        key: ring.active_id().to_string(),
        resealed: 0,
        unreadable: 0,
    };
    for place in SEALED {
        column(registry, &ring, place, &mut done).await?;
    }
    Ok(done)
}

async fn column(
    registry: &Registry,
    ring: &KeyRing,
    (table, column, place): (&str, &str, &str),
    done: &mut Resealed,
) -> Result<(), RegistryError> {
    // Safe to assert: the names are of the list above.
    let read = format!("SELECT id, {column} FROM koyalite.{table} WHERE {column} IS NOT NULL");
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(sqlx::AssertSqlSafe(read))
        .fetch_all(&registry.pool)
        .await?;
    for (id, old) in rows {
        let row = id.to_string();
        let context = Context {
            table,
            row: &row,
            column: place,
        };
        let sealed = Sealed::from_bytes(old.clone());
        if sealed.key_id() == Some(ring.active_id()) {
            continue;
        }
        let Ok(plain) = ring.unseal(&sealed, &context) else {
            tracing::error!(table, column, %id, "a sealed value does not open");
            done.unreadable += 1;
            continue;
        };
        let new = ring
            .seal(&plain, &context)
            .map_err(RegistryError::internal)?;
        // Who has set another value in the meantime has sealed it as well.
        let write =
            format!("UPDATE koyalite.{table} SET {column} = $2 WHERE id = $1 AND {column} = $3");
        let written = sqlx::query(sqlx::AssertSqlSafe(write))
            .bind(id)
            .bind(new.into_bytes())
            .bind(old)
            .execute(&registry.pool)
            .await?;
        done.resealed += written.rows_affected();
    }
    Ok(())
}
