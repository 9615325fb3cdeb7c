//! What a well-behaved function loses while another project's does what it can to the host.
//!
//! A hundred callers of a hostile function, always at it, beside `wrk` on a hello. Solo is the same
//! with a hostile function that only waits: the same connections, callers and instances, at rest. Each
//! round measures solo first and then every attack.

mod attack;

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::{Load, Target};
use crate::machine::Machine;
use crate::report::{Goal, Report};
use crate::rounds::{Round, row};

use attack::{ATTACKS, Attack, SOLO};

const VICTIM: &str = "victim";
const HOSTILE: &str = "hostile";

/// Those of the victim's callers. Few: what is measured is whether they get through at all.
const CONNECTIONS: u32 = 8;

/// Measures and prints.
///
/// # Errors
/// Where a subject cannot be started, or the victim gets a wrong answer.
pub(crate) async fn run(setting: &Setting, only: &[String]) -> anyhow::Result<()> {
    let attacks = chosen(only)?;
    let machine = Machine::look();
    let koyalite = KoyaLite::start(setting).await?;
    for project in [VICTIM, HOSTILE] {
        koyalite.project(project).await?;
    }
    let url = koyalite.deploy((VICTIM, "hello"), "hello", "").await?;
    let mut base = String::new();
    for guest in ["hostile", "hostile-02"] {
        let own = url.trim_end_matches("/f/victim/hello");
        let lines = format!("[limits]\nwall_ms = 3000\n[config]\nword = \"x\"\nown = \"{own}\"\n");
        let at = koyalite.deploy((HOSTILE, guest), guest, &lines).await?;
        base = at.trim_end_matches(guest).to_owned();
    }
    let target = Target {
        url,
        connections: CONNECTIONS,
        ..Target::default()
    };
    let id = koyalite.process.id();
    let load = Load::new()?;
    let subjects: Vec<&Attack> = std::iter::once(&SOLO)
        .chain(attacks.iter().copied())
        .collect();
    let mut all: Vec<Vec<Round>> = subjects.iter().map(|_| Vec::new()).collect();
    for number in 1..=setting.rounds {
        eprintln!("  round {number} of {}", setting.rounds);
        for (attack, seen) in subjects.iter().zip(&mut all) {
            let attackers = attack.begin(&base);
            attackers.at_it().await;
            seen.push(Round::of(&load, (&target, id), setting.time).await?);
            attackers.end().await;
        }
    }
    let rows = subjects.iter().zip(&all);
    let rows = rows.map(|(attack, seen)| row((attack.name, "requests/s"), id, seen));
    let mut report = Report {
        bench: "neighbours",
        machine,
        rows: rows.collect::<Result<_, _>>()?,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    koyalite.process.stop().await?;
    for attack in attacks {
        let rows = (attack.name, SOLO.name);
        report.ratio(attack.rate, rows, Goal::AtLeast(0.5));
        report.ratio_of_p99(attack.p99, rows, Goal::AtMost(4.0));
    }
    report.print(setting.json)
}

/// The attacks of these names, or all of them.
fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Attack>> {
    let known = |name: &String| {
        let attack = ATTACKS.iter().find(|attack| attack.name == name);
        attack.with_context(|| {
            let names: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
            format!("no attack `{name}`; there are: {}", names.join("; "))
        })
    };
    match only.is_empty() {
        true => Ok(ATTACKS.iter().collect()),
        false => only.iter().map(known).collect(),
    }
}
