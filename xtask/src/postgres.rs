//! A Postgres for the demo and the tests: is there one, and if not, where one comes from.
//!
//! The server looks for it by itself, in more places than are listed here; this module only makes
//! sure that there is something to find. Nothing is started or configured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::{packages, step::Step};

/// The versions that the server knows how to run.
const MAJORS: std::ops::RangeInclusive<u16> = 15..=18;

/// What the Postgres is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// `koyalite dev --yes`, which can fetch one for itself.
    ForDev,
    /// Tests, which never fetch anything.
    ForTests,
}

/// Whether server programs are in a usual place.
pub(crate) fn is_there() -> bool {
    bin_folder().is_some()
}

/// The folder of the newest server programs in the usual places.
pub(crate) fn bin_folder() -> Option<PathBuf> {
    let works =
        |folder: &PathBuf| folder.join("postgres").exists() && folder.join("initdb").exists();
    usual_places().into_iter().find(works)
}

fn usual_places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = MAJORS
        .rev()
        .flat_map(|major| {
            [
                format!("/usr/lib/postgresql/{major}/bin"),
                format!("/usr/pgsql-{major}/bin"),
                format!("/opt/homebrew/opt/postgresql@{major}/bin"),
                format!("/usr/local/opt/postgresql@{major}/bin"),
            ]
        })
        .map(PathBuf::from)
        .collect();
    if let Some(path) = search_path() {
        places.extend(std::env::split_paths(&path));
    }
    places
}

#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is not configuration"
)]
fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

/// Gets one where there is none: from the system's packages as root on Debian and its kin, or,
/// for `dev` alone, by leaving it to `koyalite dev`.
///
/// # Errors
/// Where neither works; the error says what to install.
pub(crate) fn install(need: Need) -> anyhow::Result<()> {
    match (packages::is_there("apt-get") && packages::is_root(), need) {
        (true, _) => install_package(),
        (false, Need::ForDev) => {
            println!("  none found; koyalite dev fetches its own (13 MB, once)");
            Ok(())
        }
        (false, Need::ForTests) => bail!(
            "the tests need a Postgres from {} to {}: install it with the system's packages \
             (Debian: apt-get install postgresql; macOS: brew install postgresql@17)",
            MAJORS.start(),
            MAJORS.end()
        ),
    }
}

fn install_package() -> anyhow::Result<()> {
    // Debian's package makes and starts a server of its own unless it is told not to.
    let settings = Path::new("/etc/postgresql-common/createcluster.d");
    std::fs::create_dir_all(settings)
        .and_then(|()| std::fs::write(settings.join("none.conf"), "create_main_cluster = false\n"))
        .context("cannot keep the package from starting a server")?;
    let step = Step::start("apt-get install postgresql (once)");
    step.run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-yq", "--no-install-recommends", "postgresql"]);
    step.run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}
