//! Ten thousand functions on one node: what they cost when nobody calls them, and what the first
//! call of one costs that nobody has called.
//!
//! Each is another component, by a custom section at its end, and is deployed as any other: compiled in
//! a child, sealed, cached on disk. That takes most of this bench's time. They are spread over projects
//! of a hundred, as tenants would be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::Numbers;
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::requests::send;
use crate::rounds::{Round, Row, median, row};

/// The smallest guest that there is: what is measured is what surrounds it.
const GUEST: &str = "hello-02";
const PER_PROJECT: usize = 100;
/// As many at once as a node of two cores compiles, and one that waits.
const DEPLOYS: usize = 2;
/// First calls, spread over all functions.
const CALLS: usize = 300;
/// Deploys of a known component once all are there.
const CHANGES: usize = 20;

/// Measures and prints.
///
/// # Errors
/// Where a function cannot be deployed or called.
pub(crate) async fn run(setting: &Setting, functions: usize) -> anyhow::Result<()> {
    let machine = Machine::look();
    let mut koyalite = KoyaLite::start(setting).await?;
    let mut empty = Vec::new();
    for _ in 0..setting.rounds {
        empty.push(koyalite.restart().await?);
    }
    let bare_mib = process::resident_mib(koyalite.process.id())?;
    fill(&koyalite, functions).await?;
    let mut changes = Vec::new();
    for number in 0..CHANGES {
        let manifest = format!("[config]\nnumber = \"{number}\"\n");
        let begin = Instant::now();
        koyalite.deploy(("p0", "f0"), GUEST, &manifest).await?;
        changes.push(begin.elapsed());
    }
    let mut full = Vec::new();
    for _ in 0..setting.rounds {
        full.push(koyalite.restart().await?);
    }
    let full_mib = process::resident_mib(koyalite.process.id())?;
    let (first, again) = calls(&koyalite, functions).await?;
    let id = koyalite.process.id();
    let rows = [
        ("start, empty", &empty),
        ("start, full", &full),
        ("a change", &changes),
        ("first call", &first),
        ("second call", &again),
    ];
    let rows = rows.map(|(name, times)| timed(name, id, times));
    let mut report = Report {
        bench: "density",
        machine,
        rows: rows.into_iter().collect::<Result<_, _>>()?,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    koyalite.process.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let kib = (full_mib - bare_mib).max(0.0) * 1024.0 / functions as f64;
    report.value("kib_per_function", kib, Goal::AtMost(20.0));
    report.value("start_s", middle(&full), Goal::AtMost(2.0));
    let first_ms = middle(&first) * 1e3;
    report.value("first_call_ms", first_ms, Goal::AtMost(10.0));
    report.print(setting.json)
}

/// Deploys all of them.
async fn fill(koyalite: &KoyaLite, functions: usize) -> anyhow::Result<()> {
    for project in 0..functions.div_ceil(PER_PROJECT) {
        koyalite.project(&format!("p{project}")).await?;
    }
    let numbers: Vec<usize> = (0..functions).collect();
    for (done, some) in numbers.chunks(DEPLOYS).enumerate() {
        if done % 250 == 0 {
            eprintln!("  {} of {functions} are deployed", done * DEPLOYS);
        }
        let deploys = some.iter().map(|number| {
            let (project, name) = place(*number);
            async move {
                koyalite
                    .deploy_marked((&project, &name), GUEST, *number)
                    .await
            }
        });
        for deployed in join_all(deploys).await {
            deployed?;
        }
    }
    Ok(())
}

/// Project and function of that number.
fn place(number: usize) -> (String, String) {
    (format!("p{}", number / PER_PROJECT), format!("f{number}"))
}

/// Functions that were not called before, and each of them once more.
async fn calls(
    koyalite: &KoyaLite,
    functions: usize,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    // A stride that shares no factor with their number goes through all of them in no obvious order.
    let numbers = (0..CALLS.min(functions)).map(|call| call * 7919 % functions);
    for number in numbers {
        let (project, name) = place(number);
        let url = format!("{}/f/{project}/{name}", koyalite.functions);
        for times in [&mut first, &mut again] {
            let begin = Instant::now();
            send(http::Method::GET, &url, &[], "").await?;
            times.push(begin.elapsed());
        }
    }
    Ok((first, again))
}

fn timed(name: &'static str, process: u32, times: &[Duration]) -> anyhow::Result<Row> {
    let rounds: Vec<Round> = times
        .iter()
        .map(|time| Round::new(numbers(*time), Duration::ZERO))
        .collect();
    row((name, "1/s"), process, &rounds)
}

/// One measured time as a round of one request.
fn numbers(time: Duration) -> Numbers {
    Numbers {
        requests: 1,
        per_second: 1.0 / time.as_secs_f64().max(1e-9),
        p50: time,
        p99: time,
        p999: time,
    }
}

/// The median, in seconds.
fn middle(times: &[Duration]) -> f64 {
    let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    median(&seconds)
}
