//! A constant answer: what a request costs when the function does nothing.
//!
//! Bare hyper is the ceiling. Each guest answers the same greeting: through the SDK (0.3), with
//! nothing but wit-bindgen (0.2), and from JavaScript; in a fresh instance for each request, and,
//! where the toolchain may, in a shared one.

use std::collections::BTreeMap;

use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::Target;
use crate::machine::Machine;
use crate::opponent::Opponent;
use crate::report::{Goal, Report};
use crate::rounds::{self, Subject};

const PROJECT: &str = "bench";
const BARE: &str = "bare hyper";
const FRESH: &str = "SDK guest, fresh";
const FOREIGN: &str = "foreign 0.2 guest, fresh";
const SHARED: &str = "SDK guest, shared";
const JAVASCRIPT: &str = "JavaScript, fresh";

/// Name of the row, guest, isolation.
const GUESTS: [(&str, &str, &str); 4] = [
    (FRESH, "hello", "request"),
    (FOREIGN, "hello-02", "request"),
    (SHARED, "hello", "shared"),
    (JAVASCRIPT, "hello-js", "request"),
];

/// What a browser's worth of callers keeps open.
const CONNECTIONS: u32 = 32;

/// Measures and prints.
///
/// # Errors
/// Where a subject cannot be started or answers wrongly.
pub(crate) async fn run(setting: &Setting) -> anyhow::Result<()> {
    let machine = Machine::look();
    let bare = Opponent::start(&["serve-bare".to_owned()]).await?;
    let koyalite = KoyaLite::start(setting).await?;
    koyalite.project(PROJECT).await?;
    let subject = |name, url, process| Subject {
        name,
        target: Target {
            url,
            connections: CONNECTIONS,
            ..Target::default()
        },
        process,
    };
    let mut subjects = vec![subject(BARE, format!("{}/", bare.base), bare.process.id())];
    for (name, guest, isolation) in GUESTS {
        if koyalite.has(guest) {
            let manifest = format!("isolation = \"{isolation}\"\n");
            let function = format!("{guest}-{isolation}");
            let url = koyalite
                .deploy((PROJECT, &function), guest, &manifest)
                .await?;
            subjects.push(subject(name, url, koyalite.process.id()));
        }
    }
    let rows = rounds::measure(&subjects, setting.rounds, setting.time).await?;
    koyalite.process.stop().await?;
    let mut report = Report {
        bench: "hello",
        machine,
        rows,
        ratios: BTreeMap::new(),
        goals: BTreeMap::new(),
    };
    report.ratio("fresh_vs_hyper", (FRESH, BARE), Goal::AtLeast(0.5));
    report.ratio("foreign_vs_hyper", (FOREIGN, BARE), Goal::AtLeast(0.35));
    report.ratio("shared_vs_hyper", (SHARED, BARE), Goal::AtLeast(0.6));
    report.print(setting.json)
}
