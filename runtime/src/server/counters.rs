//! Numbers that parts count for themselves, copied into the metrics page a few times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use koyalite_host_api::db::Databases;
use tokio_util::sync::CancellationToken;

use crate::control::{Description, Kind, Metrics};

/// How old a number on the metrics page may be. Scrapers come every fifteen seconds or so.
const REFRESH: Duration = Duration::from_millis(250);

const DECIDED: Description = Description {
    name: "koyalite_tables_decided_without_database_total",
    help: "Host calls on tables that policies refused without asking Postgres.",
    kind: Kind::Counter,
};
const STATEMENTS: Description = Description {
    name: "koyalite_tables_statements_total",
    help: "Statements sent to Postgres for host calls on tables.",
    kind: Kind::Counter,
};
const CONNECTIONS: Description = Description {
    name: "koyalite_tables_connections",
    help: "Open Postgres connections of all projects.",
    kind: Kind::Gauge,
};

/// The numbers and where they come from.
pub(super) struct Counters {
    pub(super) metrics: Arc<Metrics>,
    databases: Databases,
    decided: Arc<AtomicU64>,
    statements: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

impl Counters {
    pub(super) fn new(metrics: Arc<Metrics>, databases: &Databases) -> Self {
        Self {
            decided: metrics.number(DECIDED),
            statements: metrics.number(STATEMENTS),
            connections: metrics.number(CONNECTIONS),
            databases: databases.clone(),
            metrics,
        }
    }

    /// Copies until `stop`.
    pub(super) async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.decided
                .store(self.databases.decided_without_database(), Ordering::Relaxed);
            self.statements
                .store(self.databases.statements(), Ordering::Relaxed);
            let open = u64::try_from(self.databases.open_connections()).unwrap_or(u64::MAX);
            self.connections.store(open, Ordering::Relaxed);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
        }
    }
}
