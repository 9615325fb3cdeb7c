//! `cargo xtask sqlx`: writes `.sqlx` again, as `runtime/migrations/README.md` describes.
//!
//! An empty Postgres of its own in a temporary folder, the migrations by `psql`, and one compilation
//! of the runtime with `DATABASE_URL`, during which the statements are described. `--check` compares
//! instead of replacing. It never touches the Postgres of `koyalite dev`.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};

use crate::{host, packages, paths, postgres, signals, step::Step};

/// Postgres refuses to run as root; this is `nobody` wherever there is one.
const NOBODY: u32 = 65534;
/// A new cluster starts in less than a second.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Replace,
    Compare,
}

/// Describes all statements again.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let then = match arguments {
        [] => Then::Replace,
        [flag] if flag == "--check" => Then::Compare,
        _ => bail!("usage: cargo xtask sqlx [--check]"),
    };
    let folder = Folder::create()?;
    let mut server = Postgres::start(&folder.0)?;
    let described = server.migrate().and_then(|()| server.describe(&folder.0));
    server.stop()?;
    let (fresh, kept) = (read(&described?)?, read(&paths::root().join(".sqlx"))?);
    match (then, fresh == kept) {
        (_, true) => {
            println!("  .sqlx is current: {} statements", fresh.len());
            Ok(())
        }
        (Then::Compare, false) => bail!(".sqlx is not current; run `cargo xtask sqlx`"),
        (Then::Replace, false) => replace(&kept, &fresh),
    }
}

/// A temporary folder that `nobody` may use, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Self> {
        // Short: the path of a socket has about a hundred bytes.
        let folder = std::env::temp_dir().join(format!("koyalite-sqlx-{}", std::process::id()));
        std::fs::create_dir(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        if packages::is_root() {
            std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

/// A server on a socket in its folder, without any port.
struct Postgres {
    child: Child,
    socket: PathBuf,
    bin: PathBuf,
}

impl Postgres {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        if !postgres::is_there() {
            postgres::install(postgres::Need::ForTests)?;
        }
        let bin = postgres::bin_folder().context("no Postgres on this machine")?;
        let step = Step::start("starting an empty Postgres");
        let data = folder.join("data");
        let mut initdb = unprivileged(&bin.join("initdb"), folder);
        initdb.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-sync",
        ]);
        step.run(initdb.arg("--pgdata").arg(&data))?;
        let mut command = unprivileged(&bin.join("postgres"), folder);
        command.arg("-D").arg(&data).arg("-k").arg(folder);
        command.args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().context("cannot start postgres")?;
        let mut server = Self {
            child,
            socket: folder.to_owned(),
            bin,
        };
        let deadline = Instant::now() + START_PATIENCE;
        while !server.is_ready(&data) {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                server.stop()?;
                bail!("the empty Postgres did not start");
            }
            signals::moment();
        }
        Ok(server)
    }

    /// What `pg_ctl` looks at too: the eighth line of the pid file.
    fn is_ready(&self, data: &Path) -> bool {
        let file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        file.lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    }

    fn migrate(&self) -> anyhow::Result<()> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(paths::root().join("runtime/migrations"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.extension().is_some_and(|end| end == "sql"))
            .collect();
        files.sort();
        let step = Step::start("running the migrations");
        for file in files {
            let mut psql = Command::new(self.bin.join("psql"));
            psql.args([
                "-v",
                "ON_ERROR_STOP=1",
                "-q",
                "--single-transaction",
                "-U",
                "postgres",
            ]);
            psql.arg("-h").arg(&self.socket).arg("-d").arg("postgres");
            step.run(psql.arg("-f").arg(file))?;
        }
        Ok(())
    }

    /// Compiles the runtime against this server; answers the folder with the descriptions.
    fn describe(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let described = folder.join("described");
        std::fs::create_dir(&described)?;
        // Statements are described only while the crate is compiled.
        let library = paths::root().join("runtime/src/lib.rs");
        std::fs::File::options()
            .append(true)
            .open(library)?
            .set_modified(SystemTime::now())?;
        let socket = self.socket.display();
        let mut cargo = host::cargo();
        cargo.args(["check", "--package", "koyalite-runtime"]);
        cargo.env(
            "DATABASE_URL",
            format!("postgres:///postgres?host={socket}&user=postgres"),
        );
        host::run(
            cargo
                .env_remove("SQLX_OFFLINE")
                .env("SQLX_OFFLINE_DIR", &described),
        )?;
        Ok(described)
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        signals::end(&mut self.child, STOP_PATIENCE)
    }
}

/// A program of Postgres, as somebody who is not root, who may not be allowed to be where we are.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    signals::tie_to_us(&mut command);
    if packages::is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| end == "json") {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            files.insert(name, std::fs::read_to_string(&file)?);
        }
    }
    Ok(files)
}

fn replace(
    kept: &BTreeMap<String, String>,
    fresh: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let folder = paths::root().join(".sqlx");
    for name in kept.keys().filter(|name| !fresh.contains_key(*name)) {
        std::fs::remove_file(folder.join(name))?;
    }
    for (name, text) in fresh {
        std::fs::write(folder.join(name), text)?;
    }
    println!(
        "  .sqlx is written: {} statements, before {}",
        fresh.len(),
        kept.len()
    );
    Ok(())
}
