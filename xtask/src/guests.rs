//! `cargo xtask guests`: every guest of the project, built into `target/guests/NAME.wasm`.
//!
//! The Rust guests are workspaces outside the host's: `examples/`, `tests/guests/` and, for the
//! benches alone, `benches/guests/`. A guest is a folder with a `Cargo.toml`, a package of the
//! folder's name; the folder's name is the guest's. Cargo decides what must be built again; a file
//! in `target/guests` is rewritten only when its bytes change, so that whoever caches by it is not
//! disturbed.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::{
    javascript, paths,
    step::Step,
    toolchain::{TARGET, Toolchain},
};

const WORKSPACES: &[&str] = &["examples", "tests/guests"];

/// Builds all guests, and those of further workspaces.
///
/// # Errors
/// Where there is no toolchain for them or one does not compile.
pub(crate) fn run_with(further: &[&str]) -> anyhow::Result<()> {
    build(Toolchain::prepare()?, further)
}

/// Builds all guests. `--debian` uses the toolchain made from Debian's packages even where rustup
/// has the target, to try that way.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let toolchain = match arguments {
        [] => Toolchain::prepare()?,
        [flag] if flag == "--debian" => Toolchain::make_guest()?,
        _ => bail!("usage: cargo xtask guests [--debian]"),
    };
    build(toolchain, &[])
}

fn build(toolchain: Toolchain, further: &[&str]) -> anyhow::Result<()> {
    let mut changed = 0;
    for workspace in WORKSPACES.iter().chain(further) {
        changed += build_workspace(toolchain, workspace)?;
    }
    let javascript = javascript::build_all()?;
    changed += javascript.changed;
    let all = wasm_files(&paths::guests())?.len();
    eprintln!("  {all} guests in target/guests, {changed} of them new or changed");
    if let Some(reason) = javascript.skipped {
        eprintln!("  JavaScript guests skipped: {reason}");
    }
    Ok(())
}

fn build_workspace(toolchain: Toolchain, workspace: &str) -> anyhow::Result<usize> {
    let folder = paths::root().join(workspace);
    let step = Step::start(&format!("building the guests in {workspace}"));
    let mut cargo = toolchain.cargo(&folder);
    cargo.args(["build", "--release", "--target", TARGET, "--target-dir"]);
    step.run(cargo.arg(paths::guests_build()))?;
    let mut changed = 0;
    for name in package_folders(&folder)? {
        let file = format!("{TARGET}/release/{}.wasm", name.replace('-', "_"));
        changed += usize::from(publish(&paths::guests_build().join(file), &name)?);
    }
    Ok(changed)
}

/// Copies one finished component to `target/guests`. True if that changed anything.
///
/// # Errors
/// Where the component was not built or the folder cannot be written.
pub(crate) fn publish(component: &Path, name: &str) -> anyhow::Result<bool> {
    let bytes = std::fs::read(component).with_context(|| {
        format!(
            "no {}: is the package's name its folder's?",
            component.display()
        )
    })?;
    let folder = paths::guests();
    std::fs::create_dir_all(&folder).context("cannot make target/guests")?;
    let file = folder.join(format!("{name}.wasm"));
    if std::fs::read(&file).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    // Written beside and renamed, so that a reader never sees half a component.
    let draft = folder.join(format!(".{name}.wasm.{}", std::process::id()));
    std::fs::write(&draft, bytes)
        .and_then(|()| std::fs::rename(&draft, &file))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(true)
}

fn package_folders(workspace: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn wasm_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    Ok(files
        .filter(|file| file.extension().is_some_and(|end| end == "wasm"))
        .collect())
}
