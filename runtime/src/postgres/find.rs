//! Which Postgres server binaries this machine has, and which of them to use.
//!
//! Links are resolved first: Postgres finds its libraries and extensions relative to its real
//! place, and so must we. Looking never starts a server; it only asks for `--version`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::error::PostgresError;
use super::install;
use super::options::Options;

/// Oldest and newest major version that we know how to run and that the data layer supports.
const SUPPORTED: std::ops::RangeInclusive<u16> = 15..=18;

/// Asking for a version takes milliseconds; a binary that hangs is one we do not want.
const ASK_MAX: Duration = Duration::from_secs(5);

/// A supported major version of Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Major(u16);

impl Major {
    /// Reads `15`, `15.18` or `18beta1`; `None` for what we do not support.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let major = text.get(..end)?.parse().ok()?;
        SUPPORTED.contains(&major).then_some(Self(major))
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Does an installation offer pgvector?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vector {
    Present,
    Absent,
}

/// Server binaries that answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// Folder of `postgres` and `initdb`, links resolved.
    pub(super) bin: PathBuf,
    pub(super) major: Major,
    pub(super) vector: Vector,
}

/// What a search found, in order of preference by place.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) installations: Vec<Installation>,
    pub(super) looked_in: Vec<PathBuf>,
}

/// Searches the folder that the operator named, or else all the usual places.
pub(super) async fn look(options: &Options) -> Result<Found, PostgresError> {
    if let Some(dir) = &options.bin_dir {
        let Some(installation) = inspect(dir).await else {
            return Err(PostgresError::BadBinDir { dir: dir.clone() });
        };
        return Ok(Found {
            installations: vec![installation],
            looked_in: vec![dir.clone()],
        });
    }
    let mut looked_in = usual_places(options);
    if let Some(dir) = pg_config_bin_dir(options.path.as_deref()).await {
        looked_in.push(dir);
    }
    let mut seen = BTreeSet::new();
    let mut installations = Vec::new();
    for dir in &looked_in {
        // Several folders of PATH often lead to one installation.
        let Ok(real) = dir.join("postgres").canonicalize() else {
            continue;
        };
        if !seen.insert(real) {
            continue;
        }
        installations.extend(inspect(dir).await);
    }
    Ok(Found {
        installations,
        looked_in,
    })
}

/// The one to use: of the pinned major version where there is a cluster already, with pgvector
/// where possible, and otherwise the first.
pub(super) fn select(
    installations: &[Installation],
    pinned: Option<Major>,
) -> Option<&Installation> {
    let fits = |one: &&Installation| pinned.is_none_or(|major| one.major == major);
    installations
        .iter()
        .filter(fits)
        .find(|one| one.vector == Vector::Present)
        .or_else(|| installations.iter().find(fits))
}

/// Looks at one folder; `None` when it holds no working server of a supported version.
pub(super) async fn inspect(dir: &Path) -> Option<Installation> {
    let postgres = dir.join("postgres").canonicalize().ok()?;
    let bin = postgres.parent()?.to_owned();
    if !bin.join("initdb").exists() {
        return None;
    }
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let answer = ask(&postgres, "--version").await?;
    let major = Major::parse(answer.split(") ").nth(1)?)?;
    let vector = vector_in(&bin, major).await;
    Some(Installation { bin, major, vector })
}

/// The first executable of this name on the given `PATH`.
pub(super) fn on_path(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

async fn vector_in(bin: &Path, major: Major) -> Vector {
    let up = |steps: usize| {
        bin.ancestors()
            .nth(steps)
            .map(Path::to_owned)
            .unwrap_or_default()
    };
    let share_dirs = [
        up(1).join("share"),
        up(1).join("share/postgresql"),
        up(1).join(format!("share/postgresql@{major}")),
        // Debian: /usr/lib/postgresql/15/bin beside /usr/share/postgresql/15.
        up(4).join(format!("share/postgresql/{major}")),
    ];
    let mut extensions = share_dirs.map(|dir| dir.join("extension")).into_iter();
    let known = extensions.find(|dir| dir.join("plpgsql.control").exists());
    let dir = match known {
        Some(dir) => dir,
        None => match ask(&bin.join("pg_config"), "--sharedir").await {
            Some(share) => Path::new(share.trim()).join("extension"),
            None => return Vector::Absent,
        },
    };
    if dir.join("vector.control").exists() {
        Vector::Present
    } else {
        Vector::Absent
    }
}

fn usual_places(options: &Options) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    dirs.extend(install::bin_dir(&options.cache_dir));
    if let Some(path) = &options.path {
        let on_path = std::env::split_paths(path).filter(|dir| dir.join("postgres").is_file());
        dirs.extend(on_path);
    }
    let versioned: [(&str, &str, &str); 5] = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ];
    for (parent, prefix, leaf) in versioned {
        dirs.extend(newest_first(Path::new(parent), prefix).map(|dir| dir.join(leaf)));
    }
    dirs.push(PathBuf::from("/usr/local/pgsql/bin"));
    dirs
}

/// The children of `parent` that are called `prefix` and a supported version.
fn newest_first(parent: &Path, prefix: &str) -> impl Iterator<Item = PathBuf> {
    let major = |name: &OsStr| Major::parse(name.to_str()?.strip_prefix(prefix)?);
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((major(&entry.file_name())?, entry.path())))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, dir)| dir)
}

async fn pg_config_bin_dir(path: Option<&OsStr>) -> Option<PathBuf> {
    let answer = ask(&on_path(path, "pg_config")?, "--bindir").await?;
    Some(PathBuf::from(answer.trim()))
}

async fn ask(program: &Path, question: &str) -> Option<String> {
    let mut command = Command::new(program);
    command
        .arg(question)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(ASK_MAX, command.output())
        .await
        .ok()?
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::options::Consent;
    use super::*;

    fn one(major: u16, vector: Vector) -> Installation {
        Installation {
            bin: PathBuf::from(format!("/{major}/{vector:?}")),
            major: Major(major),
            vector,
        }
    }

    #[test]
    fn a_version_is_read_from_what_servers_print_and_write() {
        let check = |text: &str, wanted: Option<u16>| {
            assert_eq!(Major::parse(text).map(Major::number), wanted, "{text}");
        };
        check("15", Some(15));
        check("15.18 (Debian 15.18-0+deb12u1)", Some(15));
        check("18beta1", Some(18));
        check("14.2", None);
        check("19", None);
        check("9.6", None);
        check("", None);
        check("devel", None);
        check("99999999999", None);
    }

    #[test]
    fn selection_prefers_vector_and_obeys_the_pin() {
        use Vector::{Absent, Present};
        let found = [
            one(15, Absent),
            one(17, Absent),
            one(16, Present),
            one(18, Present),
        ];
        let check = |pinned: Option<u16>, wanted: Option<&Installation>| {
            assert_eq!(select(&found, pinned.map(Major)), wanted, "{pinned:?}");
        };
        check(None, found.get(2));
        check(Some(17), found.get(1));
        check(Some(18), found.get(3));
        check(Some(14), None);
        assert_eq!(select(&found[..2], None), found.first());
        assert_eq!(select(&[], None), None);
    }

    /// A folder tree with a `postgres` that only knows its version.
    fn fake(root: &Path, version: &str, extensions: &[&str]) -> PathBuf {
        let (bin, extension) = (root.join("bin"), root.join("share/extension"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&extension).unwrap();
        for name in ["postgres", "initdb"] {
            let script = format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n");
            std::fs::write(bin.join(name), script).unwrap();
            let runnable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(bin.join(name), runnable).unwrap();
        }
        for name in extensions {
            std::fs::write(extension.join(format!("{name}.control")), "").unwrap();
        }
        bin
    }

    #[tokio::test]
    async fn a_linked_server_is_resolved_and_its_extensions_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let plain = fake(&dir.path().join("plain"), "16.1", &["plpgsql"]);
        let vector = fake(&dir.path().join("vector"), "17.2", &["plpgsql", "vector"]);
        let links = dir.path().join("links");
        std::fs::create_dir(&links).unwrap();
        symlink(vector.join("postgres"), links.join("postgres")).unwrap();

        let options = Options {
            data_dir: dir.path().join("pg"),
            bin_dir: None,
            cache_dir: dir.path().join("cache"),
            path: Some(std::env::join_paths([&plain, &links]).unwrap()),
            consent: Consent::Refuse,
        };
        let found = look(&options).await.unwrap();
        let bin = vector.canonicalize().unwrap();
        let wanted = Installation {
            bin,
            major: Major(17),
            vector: Vector::Present,
        };
        assert_eq!(select(&found.installations, None), Some(&wanted));
        let pinned = select(&found.installations, Some(Major(16))).unwrap();
        assert_eq!(pinned.vector, Vector::Absent);
    }

    #[tokio::test]
    async fn a_named_folder_without_a_server_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let old = fake(dir.path(), "13.4", &["plpgsql"]);
        for bin_dir in [dir.path().to_owned(), old] {
            let options = Options {
                data_dir: dir.path().join("pg"),
                bin_dir: Some(bin_dir.clone()),
                cache_dir: dir.path().join("cache"),
                path: None,
                consent: Consent::Refuse,
            };
            let refused = look(&options).await.unwrap_err().to_string();
            assert!(
                refused.starts_with(&bin_dir.display().to_string()),
                "{refused}"
            );
        }
    }
}
