//! Webhooks, on one node and on two: how many deliveries a second leave when there is no end of them, how
//! soon one arrives when there are few, and what that loses beside endpoints that never answer.
//!
//! And what it costs a request to emit an event, beside one that writes a row. Events of the first part are
//! written past the functions, which would take longer than what is measured. The nodes are those of `dev`,
//! because no other delivers to this machine.

mod receiver;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use http::Method;
use serde_json::json;
use tokio_postgres::Client;

use self::receiver::Receiver;
use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::{Load, Numbers, Target};
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::rounds::{Round, Row, row};
use crate::scheduler::connect;

const PROJECT: &str = "shop";
const GUEST: &str = "behaviours";

/// Endpoints that want the same type of events; the first of them is the one that hangs.
const PER_TYPE: usize = 10;

/// How long all deliveries of a burst may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(900);

/// Callers of the function that emits.
const CONNECTIONS: u32 = 16;

/// How much.
#[derive(Args, Clone, Copy)]
pub(crate) struct Sizes {
    /// Endpoints, of which every tenth never answers
    #[arg(long, default_value_t = 1_000)]
    endpoints: usize,
    /// Events for each endpoint in a burst
    #[arg(long, default_value_t = 20)]
    burst: usize,
    /// Events a second while times are measured; each goes to nine endpoints that answer
    #[arg(long, default_value_t = 20)]
    rate: u32,
}

/// Measures and prints.
///
/// # Errors
/// Where something does not start, or does not arrive.
pub(crate) async fn run(setting: &Setting, sizes: Sizes) -> anyhow::Result<()> {
    let machine = Machine::look();
    ensure!(sizes.endpoints >= PER_TYPE, "at least {PER_TYPE} endpoints");
    let receiver = Receiver::start().await?;
    let koyalite = KoyaLite::start_dev(setting).await?;
    let bench = Bench {
        client: connect(&koyalite).await?,
        types: sizes.endpoints / PER_TYPE,
        receiver,
        sizes,
    };
    koyalite.project(PROJECT).await?;
    let mut rows = enqueue(setting, &koyalite, &bench.client).await?;
    bench.subscribe(&koyalite).await?;
    let mut nodes = vec![koyalite.process.id()];
    rows.push(bench.burst(("burst, 1 node", &nodes)).await?);
    rows.extend(
        bench
            .beside(setting, ["alone, 1 node", "beside dead, 1 node"], &nodes)
            .await?,
    );
    let other = koyalite.neighbour().await?.process;
    nodes.push(other.id());
    rows.push(bench.burst(("burst, 2 nodes", &nodes)).await?);
    rows.extend(
        bench
            .beside(setting, ["alone, 2 nodes", "beside dead, 2 nodes"], &nodes)
            .await?,
    );
    let mut report = Report {
        bench: "outbox",
        machine,
        rows,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    report.ratio("emit_vs_insert", ("emit", "insert"), None);
    report.ratio(
        "two_nodes_vs_one",
        ("burst, 2 nodes", "burst, 1 node"),
        None,
    );
    for (name, of, to) in [
        ("p99_beside_dead", "beside dead, 1 node", "alone, 1 node"),
        (
            "p99_beside_dead_2_nodes",
            "beside dead, 2 nodes",
            "alone, 2 nodes",
        ),
    ] {
        report.ratio_of_p99(name, (of, to), Goal::AtMost(2.0));
    }
    other.stop().await?;
    koyalite.process.stop().await?;
    report.print(setting.json)
}

/// What a request costs that emits an event, beside one that writes a row.
async fn enqueue(
    setting: &Setting,
    koyalite: &KoyaLite,
    client: &Client,
) -> anyhow::Result<Vec<Row>> {
    let schema = json!({ "tables": [{
        "name": "notes", "columns": [{ "name": "title", "type": "text" }],
        "policies": [{ "name": "all", "using": "true", "check": "true" }],
    }]});
    koyalite.schema(PROJECT, &schema).await?;
    let path = format!("/v1/projects/{PROJECT}");
    let policy = json!({ "name": "emit", "table": "koyalite_webhooks", "commands": ["insert"],
        "check": "true" });
    koyalite
        .control(Method::POST, &format!("{path}/policies"), &policy)
        .await?;
    let room = json!({ "settings": { "webhook_events_per_minute": 1_000_000 } });
    koyalite.control(Method::PATCH, &path, &room).await?;
    let base = koyalite.deploy((PROJECT, GUEST), GUEST, "").await?;
    let target = |path: &str, body: serde_json::Value| Target {
        url: format!("{base}{path}"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(body.to_string()),
        connections: CONNECTIONS,
        ..Target::default()
    };
    let subjects = [
        (
            "emit",
            target(
                "/emit",
                json!({ "event_type": "order.paid", "payload": { "n": 1 } }),
            ),
        ),
        (
            "insert",
            target(
                "/insert",
                json!({ "table": "notes", "rows": [{ "title": "a" }] }),
            ),
        ),
    ];
    let (load, id) = (Load::new()?, koyalite.process.id());
    let mut all: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..setting.rounds {
        for ((_, target), seen) in subjects.iter().zip(&mut all) {
            client
                .batch_execute("TRUNCATE koyalite.webhook_events CASCADE")
                .await?;
            seen.push(Round::of(&load, (target, id), setting.time).await?);
        }
    }
    let rows = subjects.iter().zip(&all);
    rows.map(|((name, _), seen)| row((name, "requests/s"), id, seen))
        .collect()
}

struct Bench {
    client: Client,
    receiver: Receiver,
    types: usize,
    sizes: Sizes,
}

impl Bench {
    /// Makes the endpoints; those that hang are switched off until they are wanted.
    async fn subscribe(&self, koyalite: &KoyaLite) -> anyhow::Result<()> {
        let path = format!("/v1/projects/{PROJECT}/webhooks/endpoints");
        for number in 0..self.types * PER_TYPE {
            let place = if number < self.types { "hang" } else { "ok" };
            let endpoint = json!({
                "target_url": format!("{}/{place}/{number}", self.receiver.url),
                "event_types": [format!("t{}", number % self.types)],
            });
            koyalite.control(Method::POST, &path, &endpoint).await?;
        }
        self.switch_dead("false").await
    }

    async fn switch_dead(&self, on: &str) -> anyhow::Result<()> {
        let sql = format!(
            "TRUNCATE koyalite.webhook_events CASCADE;
             UPDATE koyalite.webhook_endpoints SET enabled = {on}, failures = 0, failing_since = NULL,
                 open_until = NULL
             WHERE target_url LIKE '%/hang/%'"
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    /// Emits an event of each of these types, as a function's statement does.
    async fn emit(&self, types: std::ops::Range<usize>) -> anyhow::Result<()> {
        let sql = format!(
            "WITH event AS (
                 INSERT INTO koyalite.webhook_events (id, project_id, event_type, payload)
                 SELECT gen_random_uuid(), p.id, 't' || n, '{{\"order\": 17, \"total\": \"12.50\"}}'
                 FROM koyalite.projects p, generate_series({}, {}) n WHERE p.name = '{PROJECT}'
                 RETURNING *)
             SELECT koyalite.fan_out(event::koyalite.webhook_events) FROM event",
            types.start,
            types.end - 1,
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    /// More than can be sent at once: how many a second arrive.
    async fn burst(&self, (name, nodes): (&'static str, &[u32])) -> anyhow::Result<Row> {
        self.switch_dead("false").await?;
        self.receiver.forget();
        let expected = self.types * (PER_TYPE - 1) * self.sizes.burst;
        let (before, begin) = (cpu(nodes)?, Instant::now());
        for _ in 0..self.sizes.burst {
            self.emit(0..self.types).await?;
        }
        self.arrived(expected, begin).await?;
        let took = begin.elapsed();
        let used = cpu(nodes)?.saturating_sub(before);
        let numbers = self.receiver.numbers(took)?;
        row(
            (name, "deliveries/s"),
            first(nodes)?,
            &[Round::new(numbers, used)],
        )
    }

    /// A few a second: how soon they arrive, first without the endpoints that hang, then beside them.
    async fn beside(
        &self,
        setting: &Setting,
        names: [&'static str; 2],
        nodes: &[u32],
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for (name, dead) in names.into_iter().zip(["false", "true"]) {
            let mut seen = Vec::new();
            for _ in 0..setting.rounds {
                self.switch_dead(dead).await?;
                self.receiver.forget();
                let before = cpu(nodes)?;
                let numbers = self.paced(setting.time).await?;
                seen.push(Round::new(numbers, cpu(nodes)?.saturating_sub(before)));
            }
            rows.push(row((name, "deliveries/s"), first(nodes)?, &seen)?);
        }
        self.switch_dead("false").await?;
        // What hangs takes places until it is given up; the next part has them all.
        while self.receiver.hanging() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(rows)
    }

    /// Waits until so many deliveries have come.
    async fn arrived(&self, expected: usize, begin: Instant) -> anyhow::Result<()> {
        loop {
            let count = self.receiver.count();
            if count >= expected {
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "only {count} arrived");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn paced(&self, time: Duration) -> anyhow::Result<Numbers> {
        let begin = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / self.sizes.rate.max(1));
        let mut emitted = 0;
        while begin.elapsed() < time {
            tick.tick().await;
            let next = emitted % self.types;
            self.emit(next..next + 1).await?;
            emitted += 1;
        }
        let expected = emitted * (PER_TYPE - 1);
        self.arrived(expected, begin).await?;
        self.receiver.numbers(begin.elapsed())
    }
}

fn first(nodes: &[u32]) -> anyhow::Result<u32> {
    nodes.first().copied().context("no node")
}

fn cpu(nodes: &[u32]) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for node in nodes {
        sum += process::cpu(*node).context("a node has ended")?;
    }
    Ok(sum)
}
