//! Takes deployments back whose rule was crossed: looks at what was counted, once a second.
//!
//! Each node judges by its own calls and by those that others have told of (`summed`). What it decides counts
//! only while the deployment still serves, so of several nodes one decides. Without the database it could
//! not act either.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use koyalite_policy::{FunctionName, ProjectName};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rollback::{TakenBack, take_back};
use super::rule::{Counts, Crossed, Window};
use super::summed::{self, Mine};
use super::watch::Watch;
use crate::registry::{Outage, Registry, RegistryError, Snapshot};

/// How often the counts are looked at. A fifth of the shortest window.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A deployment that is looked after.
struct Watched {
    of: (ProjectName, FunctionName),
    watch: Arc<Watch>,
    window: Window,
    /// What was counted here within the window.
    seen: Counts,
    /// What was counted elsewhere, and when that was asked for.
    elsewhere: (Counts, Option<Instant>),
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
                let of = (project.name.clone(), function.name.clone());
                let watched = match before.remove(&watch.deployment) {
                    None => Watched::new(of, watch),
                    Some(known) => Watched {
                        of,
                        watch: Arc::clone(watch),
                        ..known
                    },
                };
                self.watched.insert(watch.deployment, watched);
            }
        }
    }

    /// Takes what was counted here by now.
    fn look(&mut self, now: Instant) {
        for watched in self.watched.values_mut() {
            let (window, counts) = (watched.watch.rule.window(), watched.watch.counts());
            watched.seen = watched.window.look(now, window, counts);
        }
    }

    /// Tells the other nodes what was counted here, where it is time to, and hears of them.
    async fn exchange(
        &mut self,
        registry: &Registry,
        (node, now): (Uuid, Instant),
    ) -> Result<(), RegistryError> {
        let counted = |watched: &&Watched| watched.seen != Counts::default();
        let counted = self.watched.values().filter(counted);
        let kept: Vec<Uuid> = counted.clone().map(|it| it.watch.deployment).collect();
        let due = counted.filter(|watched| watched.is_due(now));
        let due: Vec<Mine> = due.map(Watched::mine).collect();
        if due.is_empty() {
            return Ok(());
        }
        let mut sums = summed::exchange(registry, node, (&due, &kept)).await?;
        for mine in due {
            if let Some(watched) = self.watched.get_mut(&mine.deployment) {
                let sum = sums.remove(&mine.deployment).unwrap_or_default();
                watched.elsewhere = (sum, Some(now));
            }
        }
        Ok(())
    }

    /// Those whose rule is crossed now.
    fn crossed(&self, now: Instant) -> Vec<(Uuid, Crossed)> {
        let judged = self.watched.iter().filter(|(_, it)| !it.is_given_up);
        judged
            .filter_map(|(deployment, watched)| {
                let all = watched.seen.and(watched.elsewhere(now));
                Some((*deployment, watched.watch.rule.judge(all)?))
            })
            .collect()
    }
}

impl Watched {
    fn new(of: (ProjectName, FunctionName), watch: &Arc<Watch>) -> Self {
        Self {
            of,
            watch: Arc::clone(watch),
            window: Window::default(),
            seen: Counts::default(),
            elsewhere: (Counts::default(), None),
            is_given_up: false,
        }
    }

    fn mine(&self) -> Mine {
        Mine {
            deployment: self.watch.deployment,
            seen: self.seen,
            good_for: summed::good_for(&self.watch.rule),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let every = summed::every(&self.watch.rule);
        let asked = self.elsewhere.1;
        asked.is_none_or(|asked| now.duration_since(asked) >= every)
    }

    /// What others have counted, as long as that is good.
    fn elsewhere(&self, now: Instant) -> Counts {
        let good_for = summed::good_for(&self.watch.rule);
        match self.elsewhere {
            (counts, Some(asked)) if now.duration_since(asked) < good_for => counts,
            (_, Some(_) | None) => Counts::default(),
        }
    }
}

/// Looks until `stop`.
pub async fn keep_watching(registry: Arc<Registry>, node: Uuid, stop: CancellationToken) {
    let (mut looking, mut outage) = (Looking::default(), Outage::default());
    let mut telling = Outage::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        looking.follow(&registry.snapshot());
        let now = Instant::now();
        looking.look(now);
        if registry.live_nodes().get() > 1 {
            let told = looking.exchange(&registry, (node, now)).await;
            telling.note(told, "telling other nodes of watched calls");
        }
        for (deployment, crossed) in looking.crossed(now) {
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
