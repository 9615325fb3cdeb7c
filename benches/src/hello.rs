//! A constant answer, and a body that comes back: what a request costs when the function does nothing.
//!
//! Bare hyper is the ceiling. Each guest answers the same greeting: through the SDK (0.3), with
//! nothing but wit-bindgen (0.3 and 0.2), and from JavaScript; in a fresh instance for each request,
//! and, where the toolchain may, in a shared one. Where a `wasmtime` is given, its `serve` answers
//! with the same components.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Setting;
use crate::koyalite::KoyaLite;
use crate::load::Target;
use crate::machine::Machine;
use crate::opponent::Opponent;
use crate::reference::{Mode, Reference};
use crate::report::{Goal, Report};
use crate::rounds::{self, Subject};

const PROJECT: &str = "bench";
const BARE: &str = "bare hyper";
const FRESH: &str = "SDK guest, fresh";
const FOREIGN: &str = "foreign 0.2 guest, fresh";
const SHARED: &str = "SDK guest, shared";
const JAVASCRIPT: &str = "JavaScript, fresh";
const PLAIN_FRESH: &str = "plain 0.3 guest, fresh";
const PLAIN_SHARED: &str = "plain 0.3 guest, shared";

/// Name of the row, guest, isolation.
const GUESTS: [(&str, &str, &str); 6] = [
    (FRESH, "hello", "request"),
    (PLAIN_FRESH, "hello-03", "request"),
    (FOREIGN, "hello-02", "request"),
    (SHARED, "hello", "shared"),
    (PLAIN_SHARED, "hello-03", "shared"),
    (JAVASCRIPT, "hello-js", "request"),
];

const SERVE_02: &str = "wasmtime serve, 0.2 guest";
const SERVE_03: &str = "wasmtime serve, 0.3 guest, fresh";
const SERVE_03_DEFAULT: &str = "wasmtime serve, 0.3 guest";
const SERVE_03_REUSE: &str = "wasmtime serve, 0.3 guest, reuse";
const SERVE_JAVASCRIPT: &str = "wasmtime serve, JavaScript";

/// Name of the row, guest, what becomes of instances.
const REFERENCES: [(&str, &str, Mode); 5] = [
    (SERVE_02, "hello-02", Mode::Default),
    (SERVE_03, "hello-03", Mode::Fresh),
    (SERVE_03_DEFAULT, "hello-03", Mode::Default),
    (SERVE_03_REUSE, "hello-03", Mode::Reuse),
    (SERVE_JAVASCRIPT, "hello-js", Mode::Default),
];

/// What a browser's worth of callers keeps open.
const CONNECTIONS: u32 = 32;

/// Of a guest that answers with the body: the row, isolation.
type Echo = (&'static str, &'static str);

/// Of bodies both ways: bytes, the row of bare hyper, those of guests.
const BODIES: [(usize, &str, [Echo; 2]); 2] = [
    (
        10 << 10,
        "bare hyper, 10 KiB back",
        [
            ("SDK guest, fresh, 10 KiB back", "request"),
            ("SDK guest, shared, 10 KiB back", "shared"),
        ],
    ),
    (
        1 << 20,
        "bare hyper, 1 MiB back",
        [
            ("SDK guest, fresh, 1 MiB back", "request"),
            ("SDK guest, shared, 1 MiB back", "shared"),
        ],
    ),
];

/// The rows with a single connection: what one caller waits for.
const ALONE: [(&str, &str); 4] = [
    (BARE, "bare hyper, 1 connection"),
    (FRESH, "SDK guest, fresh, 1 connection"),
    (FOREIGN, "foreign 0.2 guest, 1 connection"),
    (SHARED, "SDK guest, shared, 1 connection"),
];

/// What is measured, and what must live meanwhile.
#[derive(Default)]
struct Subjects {
    list: Vec<Subject>,
    references: Vec<Reference>,
}

impl Subjects {
    fn add(&mut self, name: &'static str, url: String, process: u32) {
        let target = Target {
            url,
            connections: CONNECTIONS,
            ..Target::default()
        };
        self.list.push(Subject {
            name,
            target,
            process,
        });
    }

    /// The same again, asked by one connection alone.
    fn add_alone(&mut self) {
        for (of, name) in ALONE {
            let known = self.list.iter().find(|subject| subject.name == of);
            if let Some((url, process)) =
                known.map(|known| (known.target.url.clone(), known.process))
            {
                self.add(name, url, process);
                self.last(|target| target.connections = 1);
            }
        }
    }

    fn last(&mut self, change: impl FnOnce(&mut Target)) {
        if let Some(subject) = self.list.last_mut() {
            change(&mut subject.target);
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// Where a subject cannot be started or answers wrongly.
pub(crate) async fn run(setting: &Setting, reference: Option<PathBuf>) -> anyhow::Result<()> {
    let machine = Machine::look();
    let bare = Opponent::start(&["serve-bare".to_owned()]).await?;
    let koyalite = KoyaLite::start(setting).await?;
    koyalite.project(PROJECT).await?;
    let mut subjects = Subjects::default();
    subjects.add(BARE, format!("{}/", bare.base), bare.process.id());
    for (name, guest, isolation) in GUESTS {
        if koyalite.has(guest) {
            let url = deploy(&koyalite, guest, isolation).await?;
            subjects.add(name, url, koyalite.process.id());
        }
    }
    if let Some(wasmtime) = &reference {
        refer(&mut subjects, wasmtime, &setting.guests).await?;
    }
    subjects.add_alone();
    bodies(&mut subjects, &bare, &koyalite).await?;
    let rows = rounds::measure(&subjects.list, setting.rounds, setting.time).await?;
    koyalite.process.stop().await?;
    report(machine, rows).print(setting.json)
}

async fn deploy(koyalite: &KoyaLite, guest: &str, isolation: &str) -> anyhow::Result<String> {
    let manifest = format!("isolation = \"{isolation}\"\n");
    let function = format!("{guest}-{isolation}");
    koyalite
        .deploy((PROJECT, &function), guest, &manifest)
        .await
}

async fn refer(subjects: &mut Subjects, wasmtime: &Path, guests: &Path) -> anyhow::Result<()> {
    for (name, guest, mode) in REFERENCES {
        let component = guests.join(format!("{guest}.wasm"));
        if component.exists() {
            let serving = Reference::start(wasmtime, &component, mode).await?;
            subjects.add(name, serving.url.clone(), serving.process.id());
            subjects.references.push(serving);
        }
    }
    Ok(())
}

async fn bodies(
    subjects: &mut Subjects,
    bare: &Opponent,
    koyalite: &KoyaLite,
) -> anyhow::Result<()> {
    for (bytes, ceiling, guests) in BODIES {
        let body = "b".repeat(bytes);
        subjects.add(ceiling, format!("{}/echo", bare.base), bare.process.id());
        subjects.last(|target| target.body = Some(body.clone()));
        for (name, isolation) in guests {
            let url = deploy(koyalite, "behaviours", isolation).await?;
            subjects.add(name, format!("{url}/echo"), koyalite.process.id());
            subjects.last(|target| target.body = Some(body.clone()));
        }
    }
    Ok(())
}

fn report(machine: Machine, rows: Vec<rounds::Row>) -> Report {
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
    report.ratio("fresh_vs_serve", (FRESH, SERVE_03), Goal::AtLeast(7.0));
    report.ratio("foreign_vs_serve", (FOREIGN, SERVE_02), Goal::AtLeast(5.0));
    report.ratio(
        "shared_vs_serve",
        (SHARED, SERVE_03_REUSE),
        Goal::AtLeast(1.5),
    );
    report.ratio("plain_vs_serve", (PLAIN_FRESH, SERVE_03), None);
    report.ratio(
        "plain_shared_vs_serve",
        (PLAIN_SHARED, SERVE_03_REUSE),
        None,
    );
    let javascript = (JAVASCRIPT, SERVE_JAVASCRIPT);
    report.ratio("javascript_vs_serve", javascript, Goal::AtLeast(6.0));
    for (name, of, to) in ALONE_RATIOS {
        report.ratio(name, (of, to), None);
    }
    report
}

/// Of the rows beside the first ones: no goals, but worth seeing.
const ALONE_RATIOS: [(&str, &str, &str); 4] = [
    (
        "fresh_alone",
        "SDK guest, fresh, 1 connection",
        "bare hyper, 1 connection",
    ),
    (
        "shared_alone",
        "SDK guest, shared, 1 connection",
        "bare hyper, 1 connection",
    ),
    (
        "fresh_1_mib",
        "SDK guest, fresh, 1 MiB back",
        "bare hyper, 1 MiB back",
    ),
    (
        "shared_1_mib",
        "SDK guest, shared, 1 MiB back",
        "bare hyper, 1 MiB back",
    ),
];
