//! Numbers that parts count for themselves, copied into the metrics page a few times a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use koyalite_host_api::db::Databases;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::control::{Description, Kind, Metrics};
use crate::cores::Cores;
use crate::dispatch::Dispatcher;
use crate::engine::Engine;

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

/// What a node holds at a moment: all of it comes down again when nobody asks for anything.
const GAUGES: [Description; 10] = [
    gauge("koyalite_instances", "Instances, at work or idle."),
    gauge(
        "koyalite_invocations_running",
        "Invocations that hold a place.",
    ),
    gauge(
        "koyalite_invocations_waiting",
        "Invocations that wait for a place.",
    ),
    gauge(
        "koyalite_cpu_permits_taken",
        "CPU permits that a guest has.",
    ),
    gauge(
        "koyalite_cpu_permits_waiting",
        "Guests that wait for a CPU permit.",
    ),
    gauge(
        "koyalite_connections",
        "Open connections of the functions listener.",
    ),
    gauge(
        "koyalite_tasks",
        "Tasks of the process, idle ones included.",
    ),
    gauge(
        "koyalite_components_loaded",
        "Components whose native code is in memory.",
    ),
    gauge("koyalite_components_loaded_bytes", "Bytes of that code."),
    gauge(
        "koyalite_tables_connections",
        "Open Postgres connections of all projects.",
    ),
];

const fn gauge(name: &'static str, help: &'static str) -> Description {
    Description {
        name,
        help,
        kind: Kind::Gauge,
    }
}

/// Where the numbers come from.
pub(super) struct Sources {
    pub(super) databases: Databases,
    pub(super) engine: Arc<Engine>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) cores: Arc<Cores>,
}

/// The numbers and where they come from.
pub(super) struct Counters {
    pub(super) metrics: Arc<Metrics>,
    sources: Sources,
    decided: Arc<AtomicU64>,
    statements: Arc<AtomicU64>,
    gauges: [Arc<AtomicU64>; GAUGES.len()],
}

impl Counters {
    pub(super) fn new(metrics: Arc<Metrics>, sources: Sources) -> Self {
        Self {
            decided: metrics.number(DECIDED),
            statements: metrics.number(STATEMENTS),
            gauges: GAUGES.map(|gauge| metrics.number(gauge)),
            sources,
            metrics,
        }
    }

    /// In the order of [`GAUGES`].
    fn held(&self) -> [u64; GAUGES.len()] {
        let Sources {
            databases,
            engine,
            dispatcher,
            cores,
        } = &self.sources;
        let engine = engine.holding();
        let (running, waiting) = dispatcher.counts();
        let here = Handle::current().metrics().num_alive_tasks();
        let tasks = here + cores.alive_tasks() + engine.tasks;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        [
            count(engine.instances),
            count(running),
            count(waiting),
            count(engine.cpu_permits),
            count(engine.cpu_waiting),
            count(cores.spawned()),
            count(tasks),
            count(engine.components),
            engine.code_bytes,
            count(databases.open_connections()),
        ]
    }

    /// Copies until `stop`.
    pub(super) async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let databases = &self.sources.databases;
            let decided = databases.decided_without_database();
            self.decided.store(decided, Ordering::Relaxed);
            let statements = databases.statements();
            self.statements.store(statements, Ordering::Relaxed);
            for (gauge, now) in self.gauges.iter().zip(self.held()) {
                gauge.store(now, Ordering::Relaxed);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
        }
    }
}
