//! Which nodes serve: each says so every few seconds, with what it serves and where other nodes reach it,
//! and remembers the others. A node that went silent is counted a little longer, one that stops says
//! goodbye. Whether a change is served everywhere is asked in `propagation`.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::error::RegistryError;
use super::page::{Page, Part};
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
    /// Where other nodes hand requests over to it; none where they cannot.
    pub address: Option<String>,
    /// How old what it serves may become before it refuses to.
    pub stale_after: Duration,
}

/// Whether a node takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It does.
    Ready,
    /// It finishes what it has and goes.
    Draining,
    /// Nothing was heard of it for a while: it is gone, or cut off.
    Silent,
}

impl NodeState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Silent => "silent",
        }
    }

    fn of(stored: &str, is_heard: bool) -> Self {
        match (stored, is_heard) {
            (_, false) => Self::Silent,
            ("draining", true) => Self::Draining,
            (_, true) => Self::Ready,
        }
    }
}

/// Another node, as this one last heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherNode {
    /// Its region.
    pub region: String,
    /// Where it takes requests over.
    pub address: Option<String>,
    /// Whether it takes work.
    pub state: NodeState,
}

/// A node, as operators see it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Node {
    /// Its id, another one at each start.
    pub id: Uuid,
    /// Where it is, and which process there.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Where other nodes hand requests over to it.
    pub address: Option<String>,
    /// The version of its program.
    pub version: String,
    /// The last change of control data that it serves.
    pub seq: i64,
    /// Whether it takes work.
    pub state: NodeState,
    /// Since when it is there.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub seen_at: DateTime<Utc>,
}

impl Registry {
    /// How many nodes serve, this one among them, as it last knew.
    #[must_use]
    pub fn live_nodes(&self) -> NonZeroU32 {
        let others = u32::try_from(self.others.load().len()).unwrap_or(u32::MAX);
        NonZeroU32::MIN.saturating_add(others)
    }

    /// The other nodes, as it last heard of them.
    #[must_use]
    pub fn other_nodes(&self) -> Arc<Vec<OtherNode>> {
        self.others.load_full()
    }

    /// Says that this node is there, and hears of the others.
    ///
    /// # Errors
    /// `Unavailable`: then what it knew of the others stays.
    pub async fn beat(&self, node: &ThisNode, state: NodeState) -> Result<(), RegistryError> {
        let heard = sqlx::query!(
            "WITH mine AS (
                 INSERT INTO koyalite.nodes
                     (id, name, region, address, version, seq, state, stale_after_s)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (id) DO UPDATE SET seen_at = now(), state = excluded.state,
                     seq = greatest(nodes.seq, excluded.seq)
             ), gone AS (
                 DELETE FROM koyalite.nodes WHERE seen_at < now() - interval '1 hour'
             )
             SELECT region, address, state FROM koyalite.nodes
             WHERE id <> $1 AND seen_at > now() - make_interval(secs => $9)
             ORDER BY id",
            node.id,
            node.name,
            node.region,
            node.address,
            env!("CARGO_PKG_VERSION"),
            self.snapshot.load().seq,
            state.as_str(),
            i32::try_from(node.stale_after.as_secs()).unwrap_or(i32::MAX),
            SILENCE_MAX.as_secs_f64(),
        );
        let heard = tokio::time::timeout(BEAT_INTERVAL, heard.fetch_all(&self.pool)).await;
        let heard = heard.map_err(|_elapsed| sqlx::Error::PoolTimedOut)??;
        let others = heard.into_iter().map(|row| OtherNode {
            region: row.region,
            address: row.address,
            state: NodeState::of(&row.state, true),
        });
        self.others.store(Arc::new(others.collect()));
        Ok(())
    }

    /// Says so until `stop`, that it drains from `drain` on, and in the end that it is gone.
    pub async fn keep_beating(
        &self,
        node: ThisNode,
        (drain, stop): (CancellationToken, CancellationToken),
    ) {
        let mut outage = Outage::default();
        loop {
            let state = match drain.is_cancelled() {
                true => NodeState::Draining,
                false => NodeState::Ready,
            };
            outage.note(
                self.beat(&node, state).await,
                "telling other nodes of this one",
            );
            tokio::select! {
                () = stop.cancelled() => break,
                () = drain.cancelled(), if state == NodeState::Ready => {}
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

/// A part of the nodes, by when they were started; those that fell silent within the hour among them.
///
/// # Errors
/// `Unavailable` or `Internal`.
pub async fn list(registry: &Registry, page: &Page<Uuid>) -> Result<Part<Node>, RegistryError> {
    let rows = sqlx::query!(
        r#"SELECT id, name, region, address, version, seq, state, started_at, seen_at,
               seen_at > now() - make_interval(secs => $1) AS "is_heard!"
           FROM koyalite.nodes WHERE $2::uuid IS NULL OR id > $2
           ORDER BY id LIMIT $3"#,
        SILENCE_MAX.as_secs_f64(),
        page.after,
        page.rows(),
    )
    .fetch_all(&registry.pool)
    .await?;
    let nodes = rows.into_iter().map(|row| Node {
        id: row.id,
        name: row.name,
        region: row.region,
        address: row.address,
        version: row.version,
        seq: row.seq,
        state: NodeState::of(&row.state, row.is_heard),
        started_at: row.started_at,
        seen_at: row.seen_at,
    });
    Ok(page.part(nodes.collect()))
}
