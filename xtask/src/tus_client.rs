//! The public TUS client (`tus-js-client`, from npm), for the test that sends a file with it. The test finds it
//! where it is put here.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::{packages, paths, step::Step};

const PACKAGE: &str = "tus-js-client@4.3.1";

/// Where the test looks.
fn folder() -> PathBuf {
    paths::root().join("target/tus-js-client-4.3.1")
}

/// Sees to it that it is there.
///
/// # Errors
/// Where there is no Node, or it cannot be fetched.
pub(crate) fn have() -> anyhow::Result<()> {
    let folder = folder();
    if folder
        .join("node_modules/tus-js-client/package.json")
        .exists()
    {
        return Ok(());
    }
    if let Some(missing) = ["node", "npm"]
        .into_iter()
        .find(|tool| !packages::is_there(tool))
    {
        bail!("there is no {missing} on this machine");
    }
    std::fs::create_dir_all(&folder)?;
    // An own package.json keeps npm from looking for one further up.
    std::fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    let step = Step::start("fetch the public TUS client (1 MB, once)");
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-progress",
        PACKAGE,
    ]);
    step.run(npm.current_dir(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_looks_where_it_is_put() {
        let story = paths::root().join("tests/all/files_resumed.rs");
        let story = std::fs::read_to_string(story).unwrap();
        let name = folder().file_name().unwrap().to_string_lossy().into_owned();
        assert!(story.contains(&format!("target/{name}")));
    }
}
