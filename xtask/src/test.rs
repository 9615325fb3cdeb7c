//! `cargo xtask test`: everything that the tests need, and then all the tests.
//!
//! What cargo prints is thinned out as it comes: tests that pass are counted, everything else is
//! shown. The totals at the end are sums over all test programs and doc tests.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, bail};

use crate::{
    contract, guests, host, paths, pgbouncer, pgvector, postgres, seaweedfs, stopwatch::Stopwatch,
    toolchain, tus_client, verifier,
};

const USAGE: &str =
    "usage: cargo xtask test [--long] [--filter TEXT] [-- ARGUMENTS OF THE TEST PROGRAMS]";

/// Tests that find more the longer they run: test program, part of the name, and how much `--long`
/// asks for. A case of the second compares ten pairs of answers; the third makes so many calls of one
/// attack after the other; the fourth walks through ten years of minutes; the fifth kills so many
/// nodes; in the sixth Postgres is away for so long; the next kills nodes of the outbox so often; the last
/// sends and fetches a file of so many mebibytes. Together they take about an hour on two cores.
const LONG: [(&str, &str, &str, u32); 8] = [
    ("postgres", "differential::", "PROPTEST_CASES", 100_000),
    ("postgres", "interference_found::", "PROPTEST_CASES", 2_000),
    ("all", "hostile::", "HOSTILE_CALLS", 100),
    ("all", "cron::every_schedule", "ORACLE_DAYS", 3_653),
    ("all", "killed_again_and_again", "SCHEDULER_KILLS", 60),
    ("all", "while_postgres_was_away", "SCHEDULER_OUTAGE_S", 120),
    ("all", "outbox_crashes::", "OUTBOX_ROUNDS", 40),
    ("all", "a_large_file", "FILE_MIB", 5_120),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// Whether the random tests run for long, after all the others.
    length: Length,
    /// Only tests whose name contains this.
    filter: Option<String>,
    /// For the test programs themselves.
    rest: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Usual,
    Long,
}

impl Options {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match (word.as_str(), word.strip_prefix("--filter=")) {
                ("--", _) => options.rest = words.by_ref().cloned().collect(),
                ("--long", _) => options.length = Length::Long,
                ("--filter", _) => match words.next() {
                    Some(text) => options.filter = Some(text.clone()),
                    None => bail!("--filter needs a part of a test's name; {USAGE}"),
                },
                (_, Some(text)) => options.filter = Some(text.to_owned()),
                (other, None) => bail!("what is `{other}`? {USAGE}"),
            }
        }
        Ok(options)
    }
}

/// Prepares and tests.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    let mut watch = Stopwatch::start();
    let mut totals = Totals::default();
    watch.step("build the guests", || guests::run(&[]))?;
    if !postgres::is_there() {
        watch.step("install Postgres", || {
            postgres::install(postgres::Need::ForTests)
        })?;
    }
    let verifier = "signatures by the public verifier of Standard Webhooks";
    totals.fetched(verifier, verifier::have());
    totals.fetched(
        "resumable uploads by the public TUS client",
        tus_client::have(),
    );
    let has_bucket = totals.fetched("objects in a bucket", seaweedfs::have());
    let has_pooler = totals.fetched("nodes behind a pooler", pgbouncer::have());
    watch.step("build the koyalite program and the tests", || {
        // Together: alone the program would get its dependencies with other features, once more.
        host::run(host::cargo().args(["build", "--workspace", "--bins", "--tests"]))
    })?;
    let host = watch.step("test the host", || test_host(&options, &mut totals));
    let vectors = watch.step("test vector columns", || {
        test_vectors(&options, &mut totals)
    });
    let files = watch.step("test files in a bucket", || match has_bucket {
        true => test_files_in_a_bucket(&options, &mut totals),
        false => Ok(()),
    });
    let pooled = watch.step("test tables behind a pooler", || match has_pooler {
        true => test_tables_behind_a_pooler(&options, &mut totals),
        false => Ok(()),
    });
    let sdk = watch.step("test the documentation of the SDK", || {
        let folder = paths::root().join("sdk");
        let mut cargo = toolchain::Toolchain::Default.cargo(&folder);
        cargo
            .args(["test", "--doc", "--target-dir"])
            .arg(paths::guests_build());
        test(&mut cargo, &options, &mut totals, &mut show)
    });
    let long = match options.length {
        Length::Usual => Ok(()),
        Length::Long => LONG
            .into_iter()
            .try_for_each(|(program, name, variable, count)| {
                let title = format!("{name} with {variable}={count}");
                watch.step(&title, || {
                    let mut cargo = host::cargo();
                    cargo.args(["test", "--workspace", "--test", program, name]);
                    cargo.env(variable, count.to_string());
                    test(&mut cargo, &Options::default(), &mut totals, &mut show)
                })
            })
            .and(
                watch.step("hold the server against its OpenAPI document", || {
                    contract::run(&[])
                }),
            ),
    };
    watch.print_table();
    totals.print();
    host.and(vectors).and(files).and(pooled).and(sdk).and(long)
}

/// The stories through the front door wait for limits most of their time, so everything else runs
/// beside them; what it has to say is shown when it is done.
fn test_host(options: &Options, totals: &mut Totals) -> anyhow::Result<()> {
    let beside = || {
        let (mut totals, mut said) = (Totals::default(), Vec::new());
        let mut tests = |words: &[&str]| {
            let mut cargo = host::cargo();
            cargo.args(["test", "--workspace", "--no-fail-fast"]);
            let mut keep = |line: &str| said.push(line.to_owned());
            test(cargo.args(words), options, &mut totals, &mut keep)
        };
        let programs = tests(&["--lib", "--bins", "--test", "postgres"]);
        let documentation = tests(&["--doc"]);
        (programs.and(documentation), totals, said)
    };
    std::thread::scope(|scope| {
        let beside = scope.spawn(beside);
        let mut cargo = host::cargo();
        cargo.args(["test", "--workspace", "--test", "all"]);
        let stories = test(&mut cargo, options, totals, &mut show);
        let Ok((passed, more, said)) = beside.join() else {
            bail!("the thread that runs the other tests ended");
        };
        said.iter().for_each(|line| show(line));
        totals.add(&more);
        stories.and(passed)
    })
}

/// On a server that has pgvector. Without one it is said that these tests were not made.
fn test_vectors(options: &Options, totals: &mut Totals) -> anyhow::Result<()> {
    let bin = match pgvector::bin_folder() {
        Ok(bin) => bin,
        Err(reason) => {
            totals.not_made.push(format!("vector columns: {reason:#}"));
            return Ok(());
        }
    };
    let mut cargo = host::cargo();
    // The whole workspace is selected for its features: alone, this test would be another wasmtime.
    cargo.args(["test", "--workspace", "--test", "pgvector"]);
    cargo.env("KOYALITE_TEST_POSTGRES", bin);
    test(&mut cargo, options, totals, &mut show)
}

/// The stories about files once more, each server with its objects in a bucket.
fn test_files_in_a_bucket(options: &Options, totals: &mut Totals) -> anyhow::Result<()> {
    if options.filter.is_some() {
        return Ok(());
    }
    let mut cargo = host::cargo();
    cargo.args(["test", "--workspace", "--test", "all", "files"]);
    cargo.env("KOYALITE_TEST_BUCKETS", "1");
    test(&mut cargo, options, totals, &mut show)
}

/// The stories about tables once more, each server of them behind a pooler.
fn test_tables_behind_a_pooler(options: &Options, totals: &mut Totals) -> anyhow::Result<()> {
    if options.filter.is_some() {
        return Ok(());
    }
    let mut cargo = host::cargo();
    cargo.args(["test", "--workspace", "--test", "all", "tables"]);
    cargo.env("KOYALITE_TEST_POOLER", "1");
    test(&mut cargo, options, totals, &mut show)
}

fn show(line: &str) {
    println!("  {line}");
}

/// Runs one `cargo test`, hands on what is worth showing and adds to the totals.
fn test(
    cargo: &mut std::process::Command,
    options: &Options,
    totals: &mut Totals,
    show: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    cargo
        .args(options.filter.iter())
        .arg("--")
        .args(&options.rest);
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.context("cannot read what the tests print")?;
            totals.count(&line);
            if is_worth_showing(&line) {
                show(&line);
            }
        }
    }
    match child.wait()?.success() {
        true => Ok(()),
        false => bail!("there are tests that fail; they are named above"),
    }
}

/// Not the tests that passed, nor what frames them.
fn is_worth_showing(line: &str) -> bool {
    let passed = line.starts_with("test ") && line.ends_with("... ok");
    let frame = line.is_empty() || line.starts_with("running ");
    let nothing = line.starts_with("test result: ok. 0 passed; 0 failed");
    !(passed || frame || nothing)
}

/// What all test programs together say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    filtered: u64,
    programs: u64,
    /// What could not be tested here, with the reason.
    not_made: Vec<String>,
}

impl Totals {
    /// Whether something that a test needs is there; said where it is not.
    fn fetched(&mut self, what: &str, had: anyhow::Result<()>) -> bool {
        if let Err(reason) = &had {
            self.not_made.push(format!("{what}: {reason:#}"));
        }
        had.is_ok()
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        let number_before = |word: &str| {
            let part = counts
                .split([';', '.'])
                .find(|part| part.trim_end().ends_with(word));
            let number = part.and_then(|part| part.trim().split(' ').next()?.parse::<u64>().ok());
            number.unwrap_or_default()
        };
        self.passed += number_before("passed");
        self.failed += number_before("failed");
        self.filtered += number_before("filtered out");
        self.programs += 1;
    }

    fn add(&mut self, more: &Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.filtered += more.filtered;
        self.programs += more.programs;
        self.not_made.extend(more.not_made.iter().cloned());
    }

    fn print(&self) {
        let Self {
            passed,
            failed,
            filtered,
            programs,
            not_made,
        } = self;
        let left_out = match filtered {
            0 => String::new(),
            some => format!(", {some} left out"),
        };
        println!("{passed} tests passed, {failed} failed{left_out} (in {programs} test programs)");
        for what in not_made {
            println!("NOT TESTED: {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_sums_over_the_programs() {
        let mut totals = Totals::default();
        totals.count("test a::b ... ok");
        totals.count("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.05s");
        totals.count("test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s");
        let sums = Totals {
            passed: 13,
            failed: 2,
            filtered: 4,
            programs: 2,
            not_made: Vec::new(),
        };
        assert_eq!(totals, sums);
    }

    #[test]
    fn passing_tests_are_counted_and_not_shown() {
        let check = |line, shown| assert_eq!(is_worth_showing(line), shown, "{line}");
        check("test a::b ... ok", false);
        check("running 3 tests", false);
        check("", false);
        check("test result: ok. 0 passed; 0 failed; 0 ignored", false);
        check("test result: ok. 1 passed; 0 failed; 0 ignored", true);
        check("test a::b ... FAILED", true);
        check("thread 'a::b' panicked at src/a.rs:1:1:", true);
    }

    #[test]
    fn what_follows_two_dashes_is_for_the_test_programs() {
        let words = ["--filter", "todo", "--", "--nocapture"].map(str::to_owned);
        let options = Options::parse(&words).unwrap();
        assert_eq!(options.filter.as_deref(), Some("todo"));
        assert_eq!(options.rest, ["--nocapture"]);
        assert!(Options::parse(&["--nocapture".to_owned()]).is_err());
    }
}
