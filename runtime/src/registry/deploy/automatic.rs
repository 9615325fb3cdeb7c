//! Takes deployments back whose rule was crossed: looks at what was counted on this node, once a second.
//!
//! Each node judges by its own calls. What it decides counts only while the deployment still serves, so of
//! several nodes one decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use koyalite_policy::{FunctionName, ProjectName};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rollback::{TakenBack, take_back};
use super::rule::{Crossed, Window};
use super::watch::Watch;
use crate::registry::{Outage, Registry, RegistryError, Snapshot};

/// How often the counts are looked at. A fifth of the shortest window.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A deployment that is looked after.
struct Watched {
    of: (ProjectName, FunctionName),
    watch: Arc<Watch>,
    window: Window,
    /// Nothing can be done about it, and that was said.
    is_given_up: bool,
}

/// The deployments of a snapshot that may be taken back.
#[derive(Default)]
struct Looking {
    seq: i64,
    watched: HashMap<Uuid, Watched>,
}

impl Looking {
    /// Follows the snapshot: what is looked after no longer is forgotten.
    fn follow(&mut self, snapshot: &Snapshot) {
        if self.seq == snapshot.seq {
            return;
        }
        self.seq = snapshot.seq;
        let mut before = std::mem::take(&mut self.watched);
        for project in snapshot.projects() {
            for function in &project.functions {
                let Some(watch) = &function.deployment.watch else {
                    continue;
                };
                let known = before.remove(&watch.deployment);
                let of = (project.name.clone(), function.name.clone());
                let watched = Watched {
                    of,
                    watch: Arc::clone(watch),
                    is_given_up: known.as_ref().is_some_and(|known| known.is_given_up),
                    window: known.map(|known| known.window).unwrap_or_default(),
                };
                self.watched.insert(watch.deployment, watched);
            }
        }
    }

    /// Those whose rule is crossed now.
    fn crossed(&mut self, now: Instant) -> Vec<(Uuid, Crossed)> {
        let mut crossed = Vec::new();
        for (deployment, watched) in &mut self.watched {
            let rule = watched.watch.rule;
            let seen = watched
                .window
                .look(now, rule.window(), watched.watch.counts());
            if let Some(what) = rule.judge(seen).filter(|_| !watched.is_given_up) {
                crossed.push((*deployment, what));
            }
        }
        crossed
    }
}

/// Looks until `stop`.
pub async fn keep_watching(registry: Arc<Registry>, stop: CancellationToken) {
    let (mut looking, mut outage) = (Looking::default(), Outage::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        looking.follow(&registry.snapshot());
        for (deployment, crossed) in looking.crossed(Instant::now()) {
            if let Some(watched) = looking.watched.get_mut(&deployment) {
                let done = act(&registry, watched, crossed).await;
                outage.note(done, "taking a deployment back");
            }
        }
    }
}

async fn act(
    registry: &Registry,
    watched: &mut Watched,
    crossed: Crossed,
) -> Result<(), RegistryError> {
    let (project, function) = &watched.of;
    let taken = take_back(
        registry,
        (project, function),
        watched.watch.deployment,
        crossed,
    )
    .await?;
    watched.is_given_up = true;
    match taken {
        TakenBack::To(version) => {
            tracing::warn!(%project, %function, version, %crossed, "a deployment was taken back");
        }
        TakenBack::Nothing => {
            tracing::warn!(%project, %function, %crossed, "there is nothing to go back to, or not any more");
        }
    }
    Ok(())
}
