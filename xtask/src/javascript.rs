//! JavaScript guests: `examples/NAME` with a `package.json`, built by componentize-js.
//!
//! The npm package goes to `target/js-toolchain` (400 MB, once). Each guest takes ten to twenty
//! seconds, so a guest is built again only when the hash over its sources and the tool's version
//! changes. Where node or npm is missing the guests are skipped, and the caller says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use sha2::{Digest, Sha256};

use crate::{guests::publish, paths, step::Step};

const PACKAGE: &str = "@bytecodealliance/componentize-js";
const VERSION: &str = "0.23.0";
/// The one source file and the world that each JavaScript guest has.
const SOURCE: &str = "src/function.js";
const WORLD: &str = "function";

/// What became of the JavaScript guests.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) changed: usize,
    /// Why they were not built, where they were not.
    pub(crate) skipped: Option<String>,
}

/// Builds all JavaScript guests.
///
/// # Errors
/// Where npm or the tool fails although they are there.
pub(crate) fn build_all() -> anyhow::Result<Outcome> {
    let guests = guest_folders()?;
    let mut outcome = Outcome::default();
    for folder in guests {
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let built = paths::js_toolchain().join(format!("{name}-{}.wasm", hash_of(&folder)?));
        if !built.exists() {
            if let Some(missing) = ["node", "npm"].into_iter().find(|tool| !is_there(tool)) {
                outcome.skipped = Some(format!("there is no {missing} on this machine"));
                return Ok(outcome);
            }
            install()?;
            componentize(&folder, &name, &built)?;
        }
        outcome.changed += usize::from(publish(&built, &name)?);
    }
    Ok(outcome)
}

fn guest_folders() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(paths::root().join("examples"))? {
        let folder = entry?.path();
        if folder.join("package.json").exists() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn is_there(tool: &str) -> bool {
    let quiet = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

fn install() -> anyhow::Result<()> {
    let folder = paths::js_toolchain();
    let manifest = folder
        .join("node_modules")
        .join(PACKAGE)
        .join("package.json");
    let version = format!("\"version\": \"{VERSION}\"");
    if std::fs::read_to_string(&manifest).is_ok_and(|text| text.contains(&version)) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)?;
    // An own package.json keeps npm from looking for one further up.
    std::fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    let step = Step::start(&format!("installing {PACKAGE} (once, 400 MB)"));
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-progress"]);
    step.run(npm.arg(format!("{PACKAGE}@{VERSION}")).current_dir(&folder))
}

fn componentize(folder: &Path, name: &str, output: &Path) -> anyhow::Result<()> {
    let step = Step::start(&format!(
        "building the JavaScript guest {name} (about 15 s)"
    ));
    let draft = output.with_extension(format!("draft.{}", std::process::id()));
    let mut tool = Command::new(paths::js_toolchain().join("node_modules/.bin/componentize-js"));
    tool.arg(folder.join(SOURCE))
        .arg("--wit")
        .arg(folder.join("wit"));
    tool.args(["--world-name", WORLD, "--out"]).arg(&draft);
    step.run(tool.current_dir(folder))?;
    std::fs::rename(&draft, output).context("cannot keep the component")
}

/// Over everything that goes into the component: names and bytes of the sources, the tool.
fn hash_of(folder: &Path) -> anyhow::Result<String> {
    let mut files = vec![folder.join(SOURCE)];
    for entry in std::fs::read_dir(folder.join("wit"))? {
        files.push(entry?.path());
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update(format!("{PACKAGE}@{VERSION}\n"));
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| format!("no {}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(&file).display();
        hash.update(format!("{name} {}\n", bytes.len()));
        hash.update(bytes);
    }
    Ok(hex::encode(hash.finalize()).chars().take(16).collect())
}
