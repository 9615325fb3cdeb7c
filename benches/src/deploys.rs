//! What a caller of a small function notices of large components that are deployed meanwhile.
//!
//! A hello is called so many times a second, as calls come in life: none waits for the one before, so one
//! that takes long delays no other and hides none. Each round measures that first alone and then for as
//! long as it takes to deploy its share of the components, a few at once. Each is the JavaScript guest of
//! 13 MB and, by a custom section at its end, another component.

mod calls;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use futures::future::try_join_all;

use self::calls::Calls;
use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::Numbers;
use crate::machine::Machine;
use crate::process;
use crate::report::{Goal, Report};
use crate::rounds::{Round, row};

const QUIET: &str = "alone";
const BESIDE: &str = "beside deploys";
const DEPLOY: &str = "a deploy";

const VICTIM: &str = "victim";
const BUSY: &str = "busy";
const LARGE: &str = "hello-js";

/// Deploys at once: the node compiles one of them, or a few, and the others wait.
const AT_ONCE: usize = 4;

/// How much.
#[derive(Args, Clone, Copy)]
pub(crate) struct Sizes {
    /// Components that are deployed, all rounds together
    #[arg(long, default_value_t = 20)]
    components: usize,
    /// Calls of the hello a second
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

/// Measures and prints.
///
/// # Errors
/// Where something does not start, a deploy is refused, or a call gets no answer.
pub(crate) async fn run(setting: &Setting, sizes: Sizes) -> anyhow::Result<()> {
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    ensure!(
        koyalite.has(LARGE),
        "the JavaScript guest is not built: install Node, then run `cargo xtask guests`"
    );
    for project in [VICTIM, BUSY] {
        koyalite.project(project).await?;
    }
    let url = koyalite.deploy((VICTIM, "hello"), "hello", "").await?;
    let id = koyalite.process.id();
    let calls = Calls {
        url,
        rate: sizes.rate.max(1),
    };
    // Warm before the first round: code is loaded, connections are open, pools are filled.
    calls.during(tokio::time::sleep(setting.time)).await?;
    let (mut quiet, mut beside, mut deploys) = (Vec::new(), Vec::new(), Vec::new());
    let share = sizes.components.div_ceil(setting.rounds.max(1));
    for round in 0..setting.rounds.max(1) {
        eprintln!("  round {} of {}", round + 1, setting.rounds);
        quiet.push(
            measured(&calls, id, tokio::time::sleep(setting.time))
                .await?
                .0,
        );
        let numbers = round * share..((round + 1) * share).min(sizes.components);
        let (seen, took) = measured(&calls, id, deployed(&koyalite, numbers)).await?;
        beside.push(seen);
        deploys.extend(took?);
    }
    let deploys: Vec<Round> = deploys.into_iter().map(one).collect();
    let rows = [
        row((QUIET, "requests/s"), id, &quiet)?,
        row((BESIDE, "requests/s"), id, &beside)?,
        row((DEPLOY, "1/s"), id, &deploys)?,
    ];
    let mut report = Report {
        bench: "deploys",
        machine,
        rows: rows.into(),
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    koyalite.process.stop().await?;
    report.ratio_of_p99("p99_beside_deploys", (BESIDE, QUIET), Goal::AtMost(2.0));
    report.print(setting.json)
}

/// What the callers saw while something else went on.
async fn measured<T>(
    calls: &Calls,
    process: u32,
    meanwhile: impl Future<Output = T>,
) -> anyhow::Result<(Round, T)> {
    let before = process::cpu(process)?;
    let (numbers, outcome) = calls.during(meanwhile).await?;
    let used = process::cpu(process)?.saturating_sub(before);
    Ok((Round::new(numbers, used), outcome))
}

/// Deploys those components, a few at once; how long each took.
async fn deployed(
    koyalite: &KoyaLite,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<Vec<Duration>> {
    let lanes = (0..AT_ONCE).map(|lane| {
        let mine = numbers.clone().skip(lane).step_by(AT_ONCE);
        async move {
            let mut took = Vec::new();
            for number in mine {
                let begun = Instant::now();
                let name = format!("f{number}");
                koyalite.deploy_marked((BUSY, &name), LARGE, number).await?;
                took.push(begun.elapsed());
            }
            anyhow::Ok(took)
        }
    });
    Ok(try_join_all(lanes).await?.concat())
}

/// One measured time as a round of one request.
fn one(time: Duration) -> Round {
    let numbers = Numbers {
        requests: 1,
        per_second: 1.0 / time.as_secs_f64().max(1e-9),
        p50: time,
        p99: time,
        p999: time,
    };
    Round::new(numbers, Duration::ZERO)
}
