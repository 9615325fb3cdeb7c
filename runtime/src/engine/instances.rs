//! Places for instances: as many as the pool has slots. Who finds none waits, and idle instances of
//! shared functions, which are there for speed alone, go first.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::limits::PLACE_PATIENCE;
use super::shared::SharedPool;

/// Between two looks for instances that have become idle while somebody waits.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Shared instances by version and core.
pub(super) type SharedPools = DashMap<(Uuid, usize), Arc<SharedPool>>;

/// The places of one node.
pub(super) struct Instances {
    places: Arc<Semaphore>,
    count: usize,
}

/// One place; given back when dropped.
pub(super) struct InstancePlace(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Instances {
    pub(super) fn new(count: u32) -> Self {
        let count = count as usize;
        Self {
            places: Arc::new(Semaphore::new(count)),
            count,
        }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.count.saturating_sub(self.places.available_permits())
    }

    /// A place, now or soon; none where all stay taken.
    pub(super) fn room(
        &self,
        shared: &Arc<SharedPools>,
    ) -> impl Future<Output = Option<InstancePlace>> + Send + use<> {
        let at_once = Arc::clone(&self.places).try_acquire_owned().ok();
        let waiting = at_once
            .is_none()
            .then(|| (Arc::clone(&self.places), Arc::clone(shared)));
        async move {
            match waiting {
                None => at_once.map(InstancePlace),
                Some((places, shared)) => wait(places, &shared).await,
            }
        }
    }
}

async fn wait(places: Arc<Semaphore>, shared: &SharedPools) -> Option<InstancePlace> {
    let end = Instant::now() + PLACE_PATIENCE;
    // One place in the line for the whole wait: who came first is served first.
    let mut line = Box::pin(places.acquire_owned());
    while Instant::now() < end {
        if let Some(idle) = shared.iter().find(|pool| pool.has_idle()) {
            idle.let_idle_go();
        }
        if let Ok(place) = timeout(LOOK_EVERY, &mut line).await {
            return place.ok().map(InstancePlace);
        }
    }
    None
}
