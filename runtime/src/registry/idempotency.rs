//! Creations under a key of the caller's own: the first one is remembered, and its answer is given to
//! whoever repeats it. Kept for a day, for each operator apart; answers are sealed.
//!
//! What a request is, and when its answer is worth keeping, is decided in the control API.

use std::fmt;

use uuid::Uuid;

use super::Registry;
use super::error::RegistryError;
use crate::keys::{Context, Sealed};

/// How long an answer is kept, in seconds: a day, within which clients have given up repeating.
pub const KEPT_S: f64 = 24.0 * 3600.0;

/// After how many seconds one that has not ended is given up: its node is gone. No request takes so long.
const GIVEN_UP_S: f64 = 900.0;

/// Whose key, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The subject of the operator's token.
    pub operator: &'a str,
    /// As they sent it.
    pub key: &'a str,
    /// The hash of what they ask for.
    pub request_sha256: &'a str,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Known {
    /// Nothing so far: the request goes on under this id.
    New(Uuid),
    /// The same was done, and answered so.
    Done(Kept),
    /// The same is being done.
    AtWork,
    /// Something else was asked for under it.
    Other,
}

/// An answer that was given before.
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// Its document.
    pub body: Vec<u8>,
}

/// The status only: the document may hold a secret.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({}, {} bytes)", self.status, self.body.len())
    }
}

/// Looks a key up, and takes it where it is free.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn begin(registry: &Registry, asked: Asked<'_>) -> Result<Known, RegistryError> {
    sqlx::query!(
        "DELETE FROM koyalite.idempotency_keys
         WHERE created_at < now() - make_interval(secs => $1)
            OR (status IS NULL AND created_at < now() - make_interval(secs => $2))",
        KEPT_S,
        GIVEN_UP_S,
    )
    .execute(&registry.pool)
    .await?;
    let id = Uuid::now_v7();
    let taken = sqlx::query!(
        "INSERT INTO koyalite.idempotency_keys (id, operator, key, request_sha256)
         VALUES ($1, $2, $3, $4) ON CONFLICT (operator, key) DO NOTHING",
        id,
        asked.operator,
        asked.key,
        asked.request_sha256,
    )
    .execute(&registry.pool)
    .await?;
    match taken.rows_affected() {
        0 => look(registry, asked).await,
        _ => Ok(Known::New(id)),
    }
}

async fn look(registry: &Registry, asked: Asked<'_>) -> Result<Known, RegistryError> {
    let row = sqlx::query!(
        "SELECT id, request_sha256, status, answer FROM koyalite.idempotency_keys
         WHERE operator = $1 AND key = $2",
        asked.operator,
        asked.key,
    )
    .fetch_optional(&registry.pool)
    .await?;
    // Gone in the meantime: whoever had it was refused, and may just be asked again.
    let Some(row) = row else {
        return Ok(Known::AtWork);
    };
    if row.request_sha256 != asked.request_sha256 {
        return Ok(Known::Other);
    }
    let (Some(status), Some(answer)) = (row.status, row.answer) else {
        return Ok(Known::AtWork);
    };
    let id = row.id.to_string();
    let opened = registry
        .ring()
        .unseal(&Sealed::from_bytes(answer), &place(&id));
    Ok(Known::Done(Kept {
        status: u16::try_from(status).map_err(RegistryError::internal)?,
        body: opened.map_err(RegistryError::internal)?.to_vec(),
    }))
}

/// Keeps the answer.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn keep(registry: &Registry, id: Uuid, answer: &Kept) -> Result<(), RegistryError> {
    let row = id.to_string();
    let sealed = registry.ring().seal(&answer.body, &place(&row));
    sqlx::query!(
        "UPDATE koyalite.idempotency_keys SET status = $2, answer = $3 WHERE id = $1",
        id,
        i32::from(answer.status),
        sealed.map_err(RegistryError::internal)?.into_bytes(),
    )
    .execute(&registry.pool)
    .await?;
    Ok(())
}

/// Frees the key of what was refused: nothing was made, so it may be tried again.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn forget(registry: &Registry, id: Uuid) -> Result<(), RegistryError> {
    sqlx::query!("DELETE FROM koyalite.idempotency_keys WHERE id = $1", id)
        .execute(&registry.pool)
        .await?;
    Ok(())
}

fn place(row: &str) -> Context<'_> {
    Context {
        table: "idempotency_keys",
        row,
        column: "answer",
    }
}
