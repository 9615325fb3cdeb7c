//! Records, written: with a change in its transaction, or by themselves where nothing is changed.

use std::slice::from_ref;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;
use uuid::Uuid;

use super::super::Registry;
use super::super::error::RegistryError;
use super::{Author, Chain, Deed};
use crate::registry::pool::DbConnection;

/// A record, ready to be a row.
pub(in super::super) struct Row {
    pub(in super::super) id: Uuid,
    pub(in super::super) project: Option<Uuid>,
    pub(in super::super) author: Author,
    pub(in super::super) action: &'static str,
    pub(in super::super) target_type: &'static str,
    pub(in super::super) target: String,
    pub(in super::super) metadata: serde_json::Value,
}

impl Row {
    pub(in super::super) fn new(chain: Chain, author: Author, deed: Deed) -> Self {
        Self {
            id: Uuid::now_v7(),
            project: chain.project(),
            author,
            action: deed.action.as_str(),
            target_type: deed.action.target_type(),
            target: deed.target,
            metadata: deed.metadata.into(),
        }
    }
}

/// Records what changes no control data: a token issued, a secret read, rows written past policies.
/// Before it is done, so that nothing is done without a record.
///
/// # Errors
/// `Unavailable` or `Internal`: then it is not to be done.
pub async fn record(registry: &Registry, chain: Chain, deed: Deed) -> Result<(), RegistryError> {
    let row = Row::new(chain, Author::current(), deed);
    let mut conn = registry.pool.acquire().await?;
    insert(&mut conn, &row).await
}

/// Records what changes control data outside of a [`super::super::change::Change`], in the transaction
/// that does it.
pub(in super::super) async fn record_with(
    conn: &mut DbConnection,
    chain: Chain,
    deed: Deed,
) -> Result<(), RegistryError> {
    insert(conn, &Row::new(chain, Author::current(), deed)).await
}

/// Writes a row, in whatever transaction there is.
pub(in super::super) async fn insert(
    conn: &mut DbConnection,
    row: &Row,
) -> Result<(), RegistryError> {
    insert_all(conn, from_ref(row)).await
}

/// Writes rows, in one statement.
pub(super) async fn insert_all(conn: &mut DbConnection, rows: &[Row]) -> Result<(), RegistryError> {
    fn each<'a, T>(rows: &'a [Row], of: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query!(
        "INSERT INTO koyalite.audit_logs
             (id, project_id, actor_id, action, target_type, target_id, request_id, metadata)
         SELECT id, project, actor, action, target_type, target, request, metadata::json
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                     $7::uuid[], $8::text[])
              AS row (id, project, actor, action, target_type, target, request, metadata)",
        &each(rows, |row| row.id),
        &each(rows, |row| row.project) as &[Option<Uuid>],
        &each(rows, |row| row.author.actor.clone()),
        &each(rows, |row| row.action.to_owned()),
        &each(rows, |row| row.target_type.to_owned()),
        &each(rows, |row| row.target.clone()),
        &each(rows, |row| row.author.request) as &[Option<Uuid>],
        &each(rows, |row| row.metadata.to_string()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Denials that a node records in one second. A client in a loop shall not fill the disk: the rest is
/// counted, and the next one that is recorded says how many.
const DENIALS_PER_SECOND: u32 = 10;

/// How many denials were recorded in this second, and how many were not since the last that was.
#[derive(Debug)]
pub(in super::super) struct Denials {
    begun: std::sync::Mutex<Instant>,
    written: AtomicU32,
    left_out: AtomicU32,
}

impl Default for Denials {
    fn default() -> Self {
        Self {
            begun: std::sync::Mutex::new(Instant::now()),
            written: AtomicU32::new(0),
            left_out: AtomicU32::new(0),
        }
    }
}

impl Denials {
    /// Whether to record one more now, and how many were left out before it.
    fn admit(&self, now: Instant) -> Option<u32> {
        if let Ok(mut begun) = self.begun.lock()
            && now.duration_since(*begun).as_secs() >= 1
        {
            *begun = now;
            self.written.store(0, Ordering::Relaxed);
        }
        if self.written.fetch_add(1, Ordering::Relaxed) < DENIALS_PER_SECOND {
            Some(self.left_out.swap(0, Ordering::Relaxed))
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// Records that somebody was refused. The refusal stands whether or not it can be written down, so a
/// failure is only logged.
pub async fn refused(registry: &Registry, chain: Chain, mut deed: Deed) {
    let Some(left_out) = registry.denials.admit(Instant::now()) else {
        return;
    };
    if left_out > 0 {
        deed = deed.with("others_left_out", left_out);
    }
    if let Err(error) = record(registry, chain, deed).await {
        tracing::warn!(error = error.detail(), "a denial was not recorded");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn denials_beyond_the_bound_are_counted_and_told_with_the_next() {
        let denials = Denials::default();
        let now = Instant::now();
        for _ in 0..DENIALS_PER_SECOND {
            assert_eq!(denials.admit(now), Some(0));
        }
        assert_eq!(denials.admit(now), None);
        assert_eq!(denials.admit(now), None);
        assert_eq!(denials.admit(now + Duration::from_secs(1)), Some(2));
        assert_eq!(denials.admit(now + Duration::from_secs(1)), Some(0));
    }
}
