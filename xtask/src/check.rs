//! `cargo xtask check`: what can be said about the sources without running them.
//!
//! Formatting, lints, documentation, the WIT twin, the checked statements and the dependencies'
//! licences and advisories. All of it is looked at even when something fails early on.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::{host, paths, stopwatch::Stopwatch, toolchain::Toolchain, wit};

/// One kind of check.
type Check = fn() -> anyhow::Result<()>;

/// The guests' workspaces, which the host's commands do not reach.
const GUEST_WORKSPACES: &[&str] = &["sdk", "examples", "tests/guests"];

const INSTALL_DENY: &str = "cargo install cargo-deny --locked";

/// Checks everything.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask check");
    }
    let mut watch = Stopwatch::start();
    let checks: &[(&str, Check)] = &[
        ("formatting", formatting),
        ("wit/host-sync is what wit/host makes it", || {
            wit::run(&["--check".to_owned()])
        }),
        ("lints", lints),
        ("documentation", documentation),
        ("dependencies", dependencies),
    ];
    let mut failed = Vec::new();
    for (title, check) in checks {
        if let Err(error) = watch.step(title, check) {
            eprintln!("error: {error:#}\n");
            failed.push(*title);
        }
    }
    watch.print_table();
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!("not in order: {}", failed.join(", ")),
    }
}

fn formatting() -> anyhow::Result<()> {
    host::run(host::cargo().args(["fmt", "--all", "--check"]))?;
    for workspace in GUEST_WORKSPACES {
        let folder = paths::root().join(workspace);
        host::run(
            Toolchain::Default
                .cargo(&folder)
                .args(["fmt", "--all", "--check"]),
        )?;
    }
    Ok(())
}

/// Statements are checked against `.sqlx` while this compiles: one that is missing there, or that
/// a changed text made another one, fails.
fn lints() -> anyhow::Result<()> {
    let mut clippy = host::cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]);
    clippy.env_remove("DATABASE_URL");
    host::run(clippy.env("SQLX_OFFLINE", "true"))
}

fn documentation() -> anyhow::Result<()> {
    let mut doc = host::cargo();
    doc.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    doc.env_remove("DATABASE_URL").env("SQLX_OFFLINE", "true");
    host::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Not worth failing for on a machine without the tool: it says nothing about a change of ours
/// unless that changes the dependencies.
fn dependencies() -> anyhow::Result<()> {
    let mut asked = Command::new("cargo-deny");
    let asked = asked.arg("--version").stdout(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        println!("  skipped: there is no cargo-deny here ({INSTALL_DENY})");
        return Ok(());
    }
    host::run(host::cargo().args(["deny", "--workspace", "check"]))
}
