//! `cargo xtask fuzz TARGET --seconds N`: random inputs against one door of the host, with the stable
//! toolchain.
//!
//! What counts which code an input reaches is a pass of LLVM's that every compiler has; the fuzzer
//! itself is compiled from source by a crate. Inputs that reach something new are kept in
//! `target/fuzz/corpus`; one that breaks something is left in `target/fuzz/found`, and becomes a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{host, paths};

const USAGE: &str = "usage: cargo xtask fuzz TARGET [--seconds COUNT]";

/// The targets, and what each is about.
const TARGETS: [(&str, &str); 10] = [
    ("component", "an upload: surveyed, then compiled or refused"),
    ("route", "host and path to project and function"),
    (
        "gateway",
        "a request and a guest's answer, headers above all",
    ),
    (
        "files",
        "paths of files, and the headers of requests for one",
    ),
    ("jwt", "tokens, unsigned and signed over any claims"),
    ("manifest", "manifests in TOML and JSON"),
    ("policy", "policy text, to schema, decision and SQL"),
    ("tables", "what a guest asks of the tables, to a statement"),
    ("template", "templates of mail, filled in by hostile values"),
    ("bounce", "bounces of mail, which come from strangers"),
];

/// As long as a change to a parser deserves.
const SECONDS: u32 = 600;

/// One input may take this long before it counts as a hang.
const INPUT_SECONDS: u32 = 10;

/// What one input may take of memory before it counts as a leak or a bomb.
const MEMORY_MIB: u32 = 2048;

/// Counters at every edge, a table of them, and what is compared with what. Only the last part of
/// what `cargo fuzz` asks for, the sanitizers, needs another compiler.
const INSTRUMENTED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds one target and runs it.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let Some((name, rest)) = arguments.split_first() else {
        print_targets();
        return Ok(());
    };
    let seconds = match rest {
        [] => SECONDS,
        [flag, count] if flag == "--seconds" => count.parse().context(USAGE)?,
        _ => bail!(USAGE),
    };
    if !TARGETS.iter().any(|(known, _)| known == name) {
        print_targets();
        bail!("there is no target `{name}`; {USAGE}");
    }
    fuzz(&build(name)?, name, seconds)
}

fn print_targets() {
    eprintln!("{USAGE}\n");
    for (name, summary) in TARGETS {
        eprintln!("  {name:<9} {summary}");
    }
}

/// The program of a target. What runs while building must not be instrumented, so the target machine
/// is named: only then cargo keeps the two apart.
fn build(name: &str) -> anyhow::Result<PathBuf> {
    let machine = machine()?;
    let folder = paths::root().join("target/fuzz");
    let mut cargo = host::cargo();
    cargo.current_dir(paths::root().join("fuzz"));
    cargo.args(["build", "--bin", name, "--target", &machine, "--target-dir"]);
    cargo.arg(&folder).env("RUSTFLAGS", INSTRUMENTED);
    host::run(cargo.env("SQLX_OFFLINE", "true"))?;
    Ok(folder.join(machine).join("debug").join(name))
}

fn machine() -> anyhow::Result<String> {
    let said = Command::new("rustc").arg("-vV").output();
    let said = String::from_utf8(said.context("cannot start rustc")?.stdout)?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .context("rustc does not name this machine")
}

fn fuzz(program: &Path, name: &str, seconds: u32) -> anyhow::Result<()> {
    let work = paths::root().join("target/fuzz");
    let (corpus, found) = (work.join("corpus").join(name), work.join("found"));
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&found)?;
    let mut fuzzer = Command::new(program);
    fuzzer.arg(corpus);
    let seeds = paths::root().join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        fuzzer.arg(seeds);
    }
    let words = paths::root().join("fuzz/words").join(name);
    if words.is_file() {
        fuzzer.arg(format!("-dict={}", words.display()));
    }
    fuzzer.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer.arg(format!("-timeout={INPUT_SECONDS}"));
    fuzzer.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    fuzzer.args(["-print_final_stats=1", "-verbosity=1"]);
    host::run(&mut fuzzer)
}
