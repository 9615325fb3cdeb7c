//! The public verifier of Standard Webhooks, for the test that shows a delivery to it: a wheel of pure
//! Python without dependencies, through `pip`, its hash pinned. The test finds it where it is put here.

use std::path::PathBuf;

use crate::{paths, pip, step::Step};

const REQUIREMENTS: &str = "standardwebhooks==1.1.0 \
    --hash=sha256:9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61\n";

/// Where the test looks.
fn folder() -> PathBuf {
    paths::root().join("target/standardwebhooks-1.1.0")
}

/// Sees to it that it is there.
///
/// # Errors
/// Where it cannot be fetched; the error says why.
pub(crate) fn have() -> anyhow::Result<()> {
    let folder = folder();
    if folder.join("standardwebhooks/webhooks.py").exists() {
        return Ok(());
    }
    let step = Step::start("fetch the verifier of Standard Webhooks (4 KB, once)");
    pip::place(&folder, |partial| {
        std::fs::create_dir_all(partial)?;
        pip::fetch(REQUIREMENTS, partial, &step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_looks_where_it_is_put() {
        let story = paths::root().join("tests/all/webhooks_verified.rs");
        let story = std::fs::read_to_string(story).unwrap();
        let name = folder().file_name().unwrap().to_string_lossy().into_owned();
        assert!(story.contains(&format!("target/{name}")));
    }
}
