//! PgBouncer, the pooler that stands between many nodes and their Postgres, for the stories behind it: Debian's
//! package and the two libraries that it alone needs, through `apt-get`, which judges their signatures. Nothing is
//! installed: it is unpacked where the tests look for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{paths, pip, step::Step};

/// Where the program is in the package.
const PROGRAM: &str = "usr/sbin/pgbouncer";

/// What the names of its libraries begin with, in all releases of Debian.
const LIBRARIES: [&str; 2] = ["libc-ares", "libevent"];

/// Where the tests look.
fn folder() -> PathBuf {
    paths::root().join("target/pgbouncer")
}

/// Sees to it that it is there.
///
/// # Errors
/// Where it cannot be fetched; the error says why.
pub(crate) fn have() -> anyhow::Result<()> {
    let folder = folder();
    if folder.join(PROGRAM).exists() {
        return Ok(());
    }
    let step = Step::start("fetch PgBouncer (1 MB, once)");
    pip::place(&folder, |partial| {
        std::fs::create_dir_all(partial)?;
        // The lists of this machine may be too old, or not there: then lists of our own.
        fetch(partial, &[], &step).or_else(|_| {
            let own = own_lists(partial)?;
            step.run(apt("apt-get", &own).arg("update"))?;
            fetch(partial, &own, &step)
        })
    })
}

/// Settings of apt that keep its lists in that folder.
fn own_lists(folder: &Path) -> anyhow::Result<Vec<String>> {
    let lists = folder.join("lists");
    std::fs::create_dir_all(lists.join("partial"))?;
    let cache = folder.join("cache");
    std::fs::create_dir_all(cache.join("archives/partial"))?;
    Ok(vec![
        format!("Dir::State::lists={}", lists.display()),
        format!("Dir::Cache={}", cache.display()),
    ])
}

fn apt(program: &str, settings: &[String]) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    for setting in settings {
        command.args(["-o", setting]);
    }
    command
}

fn fetch(folder: &Path, settings: &[String], step: &Step) -> anyhow::Result<()> {
    let asked = apt("apt-cache", settings)
        .args(["depends", "--important", "pgbouncer"])
        .output()
        .context("cannot start apt-cache, which Debian and its like have")?;
    let said = String::from_utf8_lossy(&asked.stdout);
    let needed = libraries(&said);
    if needed.len() < LIBRARIES.len() {
        bail!("apt knows no pgbouncer");
    }
    let mut download = apt("apt-get", settings);
    download.arg("download").arg("pgbouncer").args(needed);
    step.run(download.current_dir(folder))
        .context("apt cannot fetch it")?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let package = entry.path();
        if package.extension().is_some_and(|it| it == "deb") {
            step.run(Command::new("dpkg-deb").arg("-x").arg(&package).arg(folder))?;
            std::fs::remove_file(package)?;
        }
    }
    Ok(())
}

/// Its own libraries among what apt says that it depends on.
fn libraries(depends: &str) -> Vec<&str> {
    let names = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names
        .filter(|name| LIBRARIES.iter().any(|library| name.starts_with(library)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_libraries_are_told_from_those_that_every_system_has() {
        let said = "pgbouncer\n  PreDepends: init-system-helpers\n  Depends: libc-ares2\n  \
                    Depends: libc6\n  Depends: libevent-2.1-7\n  Depends: libssl3\n";
        assert_eq!(libraries(said), ["libc-ares2", "libevent-2.1-7"]);
    }

    #[test]
    fn the_tests_look_where_it_is_put() {
        let support = paths::root().join("tests/support/pooler.rs");
        let support = std::fs::read_to_string(support).unwrap();
        assert!(support.contains("\"target/pgbouncer\"") && support.contains(PROGRAM));
    }
}
