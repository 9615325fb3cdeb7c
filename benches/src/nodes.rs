//! One node and two over one Postgres: requests for the processor's time that both take, and how soon the
//! second serves what was deployed at the first.
//!
//! Both run on this machine, whose cores one node already fills: what a second one adds is seen by what a
//! request costs, not by how many there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use http::Method;

use crate::Setting;
use crate::fixture::{OWNER, ROWS, Rows, schema};
use crate::koyalite::{KoyaLite, Neighbour};
use crate::load::{Load, Numbers, Target};
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::requests::send;
use crate::rounds::{Round, Row, row};

const PROJECT: &str = "nodes";
const GUEST: &str = "hello-02";
const LOOKUP: &str = "lookup";
/// The policy of its rows.
const OWNED: &str = "owner_id = auth.uid()";
/// Kept-alive connections, shared out among the nodes.
const CONNECTIONS: u32 = 32;
/// Deploys that are waited for: enough for a 99th percentile that is not the worst.
const DEPLOYS: usize = 100;
/// How long one may take to be served by the other node.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What is measured on one node and on both.
const KINDS: [(&str, &str); 2] = [
    ("hello, 1 node", "hello, 2 nodes"),
    ("select, 1 node", "select, 2 nodes"),
];

/// Measures and prints.
///
/// # Errors
/// Where a node does not come up, or answers wrongly.
pub(crate) async fn run(setting: &Setting) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    let neighbour = koyalite.neighbour().await?;
    let targets = targets(&koyalite).await?;
    for target in &targets {
        let url = neighbour.url(&koyalite, &target.url);
        let key = if target.keys.is_some() { "1" } else { "" };
        let headers = target.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        until_served(&format!("{url}{key}"), &headers).await?;
    }
    let mut rows = Vec::new();
    let pair = Pair {
        koyalite: &koyalite,
        neighbour: &neighbour,
        load: Load::new()?,
    };
    for ((one, two), target) in KINDS.into_iter().zip(&targets) {
        let [mut alone, mut both] = [Vec::new(), Vec::new()];
        pair.round(target, 2, Duration::from_secs(1)).await?;
        for _ in 0..setting.rounds {
            alone.push(pair.round(target, 1, setting.time).await?);
            both.push(pair.round(target, 2, setting.time).await?);
        }
        for (name, rounds) in [(one, alone), (two, both)] {
            rows.push(row((name, "requests/s"), koyalite.process.id(), &rounds)?);
        }
    }
    rows.push(propagation(&koyalite, &neighbour).await?);
    let mut report = Report {
        bench: "nodes",
        machine,
        rows,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    for (name, (one, two)) in [
        ("hello_cpu_two_nodes_vs_one", KINDS[0]),
        ("select_cpu_two_nodes_vs_one", KINDS[1]),
    ] {
        if let Some(share) = cpu_ratio(&report.rows, (two, one)) {
            report.value(name, share, Goal::AtMost(1.25));
        }
    }
    neighbour.process.stop().await?;
    koyalite.process.stop().await?;
    report.print(setting.json)
}

fn cpu_ratio(rows: &[Row], (of, to): (&str, &str)) -> Option<f64> {
    let cpu = |name: &str| {
        let row = rows.iter().find(|row| row.name == name);
        row.map(|row| row.cpu_micros)
    };
    Some(cpu(of)? / cpu(to)?)
}

/// A constant answer, and a row by its key under a policy.
async fn targets(koyalite: &KoyaLite) -> anyhow::Result<[Target; 2]> {
    koyalite.project(PROJECT).await?;
    koyalite.schema(PROJECT, &schema(OWNED)).await?;
    Rows::fill(koyalite).await?;
    let token = koyalite.token(PROJECT, OWNER).await?;
    let target = |url| Target {
        url,
        connections: CONNECTIONS,
        ..Target::default()
    };
    let hello = koyalite.deploy((PROJECT, "hello"), GUEST, "").await?;
    let select = koyalite.deploy((PROJECT, LOOKUP), LOOKUP, "").await?;
    let select = Target {
        headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
        keys: Some(ROWS),
        ..target(format!("{select}/"))
    };
    Ok([target(hello), select])
}

/// Two nodes, and what drives them.
struct Pair<'a> {
    koyalite: &'a KoyaLite,
    neighbour: &'a Neighbour,
    load: Load,
}

impl Pair<'_> {
    /// A round on the first node or on both, with the processor's time of both.
    async fn round(&self, target: &Target, nodes: u32, time: Duration) -> anyhow::Result<Round> {
        let before = self.cpu()?;
        let first = Target {
            connections: CONNECTIONS / nodes,
            ..target.clone()
        };
        let numbers = match nodes {
            1 => self.load.drive(&first, time).await?,
            _ => {
                let second = Target {
                    url: self.neighbour.url(self.koyalite, &target.url),
                    ..first.clone()
                };
                let other = Load::new()?;
                let both = (self.load.drive(&first, time), other.drive(&second, time));
                let (one, two) = tokio::try_join!(both.0, both.1)?;
                together(&one, &two)
            }
        };
        Ok(Round::new(numbers, self.cpu()?.saturating_sub(before)))
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        let first = process::cpu(self.koyalite.process.id())?;
        Ok(first + process::cpu(self.neighbour.process.id())?)
    }
}

/// Rates add up; of times the worse one counts.
fn together(one: &Numbers, two: &Numbers) -> Numbers {
    Numbers {
        requests: one.requests + two.requests,
        per_second: one.per_second + two.per_second,
        p50: one.p50.max(two.p50),
        p99: one.p99.max(two.p99),
        p999: one.p999.max(two.p999),
    }
}

/// How long it takes until that is answered with success.
async fn until_served(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    while send(Method::GET, url, headers, "").await.is_err() {
        ensure!(begin.elapsed() < PATIENCE, "{url} is not served");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begin.elapsed())
}

/// From the answer to a deploy until the other node serves it.
async fn propagation(koyalite: &KoyaLite, neighbour: &Neighbour) -> anyhow::Result<Row> {
    let mut seen = Vec::with_capacity(DEPLOYS);
    for number in 0..DEPLOYS {
        let name = format!("seen-{number}");
        let url = koyalite.deploy((PROJECT, &name), GUEST, "").await?;
        let url = neighbour.url(koyalite, &url);
        seen.push(until_served(&url, &[]).await?);
    }
    seen.sort_unstable();
    let total: Duration = seen.iter().sum();
    let at = |share: usize| {
        seen.get(DEPLOYS * share / 1000)
            .copied()
            .unwrap_or_default()
    };
    let numbers = Numbers {
        requests: DEPLOYS as u64,
        per_second: 1.0 / (total.as_secs_f64() / DEPLOYS as f64),
        p50: at(500),
        p99: at(990),
        p999: at(999),
    };
    let round = Round::new(numbers, Duration::ZERO);
    row(
        ("seen by the other", "deploys/s"),
        koyalite.process.id(),
        &[round],
    )
}
