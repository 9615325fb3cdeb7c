//! `cargo xtask bench NAME`: builds everything as it is shipped, gets the load generator, measures.
//!
//! The measuring itself is `benches/`, a program of its own: it may use the host's crates, which
//! this one must not wait for.

use std::process::Command;

use anyhow::bail;

use crate::{guests, host, packages, paths, pgvector, postgres, reference, words};

/// Asks `hello` to measure `wasmtime serve` too.
const REFERENCE: &str = "--reference";

/// The bench that needs a Postgres with pgvector.
const VECTORS: &str = "vectors";

const USAGE: &str = "usage: cargo xtask bench NAME [--json] [--rounds COUNT] [--time SECONDS]";

/// The benches, and what each is about.
const BENCHES: [(&str, &str); 10] = [
    (
        "hello",
        "a constant answer, bodies both ways: instances against bare hyper (--reference: and wasmtime serve)",
    ),
    (
        "tables",
        "rows under policies: one by its key, a list, many inserted; against handlers by hand",
    ),
    (
        "neighbours",
        "a well-behaved function beside a hundred calls of each hostile one (--only ATTACK)",
    ),
    (
        "deploys",
        "a hello while twenty components of 13 MB are deployed (--components, --rate COUNT)",
    ),
    (
        "nodes",
        "one node and two over one Postgres: what a request costs, how soon a deploy is served by both",
    ),
    (
        "density",
        "ten thousand functions on one node: start, memory, first calls (--functions COUNT)",
    ),
    (
        "scheduler",
        "tasks due at one moment on two nodes, beside graphile-worker; idle cost (--tasks, --stored COUNT)",
    ),
    (
        "outbox",
        "webhooks on one node and two, beside endpoints that hang; what emitting costs (--endpoints, --burst, --rate COUNT)",
    ),
    (
        "audit",
        "writes of control data with their audit record and without",
    ),
    (
        VECTORS,
        "the nearest rows for who sees much or little, beside pgvector under row security (--vectors, --searches COUNT)",
    ),
];

/// Prepares and measures. What follows the name goes to the measuring program.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        print_benches();
        return Ok(());
    };
    if !BENCHES.iter().any(|(known, _)| known == name) {
        print_benches();
        bail!("there is no bench `{name}`; {USAGE}");
    }
    guests::run_with(&["benches/guests"])?;
    if !postgres::is_there() {
        postgres::install(postgres::Need::ForTests)?;
    }
    packages::have("wrk")?;
    // As it is shipped: optimised throughout, linked as a whole. The first time takes long.
    let mut build = host::cargo();
    build.args(["build", "--release", "--workspace"]);
    host::run(build.args(["--bin", "koyalite", "--bin", "koyalite-bench"]))?;
    let released = released();
    let mut bench = Command::new(released.join("koyalite-bench"));
    bench
        .arg(name)
        .arg("--program")
        .arg(released.join("koyalite"));
    bench.arg("--guests").arg(paths::guests());
    if name == VECTORS {
        bench.arg("--postgres").arg(pgvector::bin_folder()?);
        bench.arg("--words").arg(words::have()?);
    }
    for word in rest {
        bench.arg(word);
        if word == REFERENCE {
            bench.arg(reference::wasmtime()?);
        }
    }
    host::run(&mut bench)
}

fn print_benches() {
    eprintln!("{USAGE}\n");
    for (name, summary) in BENCHES {
        eprintln!("  {name:<10} {summary}");
    }
}

/// The folder of the released programs: beside the folder that this program was built into.
fn released() -> std::path::PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.ancestors().nth(2).map(std::path::Path::to_path_buf);
    target
        .unwrap_or_else(|| paths::root().join("target"))
        .join("release")
}
