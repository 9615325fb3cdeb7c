//! Which nodes serve: each says so every few seconds, and counts the others. A node that went silent is
//! counted a little longer, one that stops says goodbye.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::RegistryError;
use super::{Outage, Registry};

/// How often a node says that it is there. One statement by a key.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(5);

/// For how long a node that says nothing is counted: two signs may be lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// This process, as the others see it.
#[derive(Debug, Clone)]
pub struct ThisNode {
    /// Another one at each start.
    pub id: Uuid,
    /// Where it is, and which process there.
    pub name: String,
    /// Its region.
    pub region: String,
}

impl Registry {
    /// How many nodes serve, this one among them, as it last knew.
    #[must_use]
    pub fn live_nodes(&self) -> NonZeroU32 {
        let seen = self.nodes.load(Ordering::Relaxed);
        NonZeroU32::new(seen).unwrap_or(NonZeroU32::MIN)
    }

    /// Says that this node is there, and counts all.
    ///
    /// # Errors
    /// `Unavailable`: then the count stays what it was.
    pub async fn beat(&self, node: &ThisNode) -> Result<(), RegistryError> {
        let others = sqlx::query_scalar!(
            r#"WITH mine AS (
                   INSERT INTO koyalite.nodes (id, name, region) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET seen_at = now()
               ), gone AS (
                   DELETE FROM koyalite.nodes WHERE seen_at < now() - interval '1 hour'
               )
               SELECT count(*) AS "others!" FROM koyalite.nodes
               WHERE id <> $1 AND seen_at > now() - make_interval(secs => $4)"#,
            node.id,
            node.name,
            node.region,
            SILENCE_MAX.as_secs_f64(),
        )
        .fetch_one(&self.pool)
        .await?;
        let all = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
        self.nodes.store(all, Ordering::Relaxed);
        Ok(())
    }

    /// Says so until `stop`, and then that it is gone.
    pub async fn keep_beating(&self, node: ThisNode, stop: CancellationToken) {
        let mut outage = Outage::default();
        loop {
            outage.note(self.beat(&node).await, "telling other nodes of this one");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(BEAT_INTERVAL) => {}
            }
        }
        outage.note(
            self.leave(&node).await,
            "telling other nodes that this one is gone",
        );
    }

    async fn leave(&self, node: &ThisNode) -> Result<(), RegistryError> {
        sqlx::query!("DELETE FROM koyalite.nodes WHERE id = $1", node.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
