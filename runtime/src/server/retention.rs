//! Deletes what projects keep for a few days only: at the start, whenever settings change, and every hour.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::records::Records;
use crate::registry::Registry;
use crate::registry::retention::{self, Purged};

/// How often settings are looked at, in memory.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Days are what settings speak of; an hour more is none.
const PURGE_INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until `stop`.
pub(super) async fn keep(
    registry: Arc<Registry>,
    records: Arc<Records>,
    audit_days: Option<u32>,
    stop: CancellationToken,
) {
    let mut done: Option<(Instant, HashMap<Uuid, Days>)> = None;
    loop {
        let days = days(&registry);
        let is_due = match &done {
            Some((at, known)) => at.elapsed() >= PURGE_INTERVAL || *known != days,
            None => true,
        };
        if is_due {
            purge(&registry, &records).await;
            if let Err(error) = retention::trim_logs(&registry, audit_days, Utc::now()).await {
                tracing::warn!(error = error.detail(), "old audit records are not cut");
            }
            done = Some((Instant::now(), days));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// How long a project keeps its logs, runs, deliveries and mail, and its audit log.
type Days = (Option<u32>, Option<u32>);

fn days(registry: &Registry) -> HashMap<Uuid, Days> {
    let snapshot = registry.snapshot();
    let days = snapshot.projects().map(|project| {
        let settings = &project.settings;
        let days = (settings.retention_days, settings.audit_retention_days);
        (project.id, days)
    });
    days.filter(|(_, days)| *days != (None, None)).collect()
}

async fn purge(registry: &Registry, records: &Records) {
    let ages = retention::ages(&registry.snapshot(), Utc::now());
    if ages.is_empty() {
        return;
    }
    match retention::purge(registry, &ages).await {
        Ok(purged) if purged == Purged::default() => {}
        Ok(Purged {
            runs,
            events,
            messages,
        }) => tracing::info!(runs, events, messages, "deleted what was old enough"),
        Err(error) => tracing::warn!(error = error.detail(), "what is old is not deleted"),
    }
    if let Err(error) = records.purge(ages).await {
        tracing::warn!(%error, "old records are not deleted");
    }
}
