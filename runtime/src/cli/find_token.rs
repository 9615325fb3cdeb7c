//! Finds the admin token that `koyalite dev` keeps in its data directory.

use std::path::Path;

use anyhow::Context;

use super::error::CliError;

/// Relative to the folder where `koyalite dev` was started.
const TOKEN_FILE: &str = ".koyalite/token";

/// The nearest `.koyalite/token`, from the working directory upward.
pub(super) fn find_token() -> Result<Option<String>, CliError> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    Ok(find_from(&here)?)
}

fn find_from(start: &Path) -> anyhow::Result<Option<String>> {
    for folder in start.ancestors() {
        let path = folder.join(TOKEN_FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // A `.koyalite` that is a file, not a folder, is none of our business.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_token_upward_wins() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(inner.join("c")).unwrap();
        for (folder, token) in [(root.path(), "outer\n"), (&inner, "inner\n")] {
            std::fs::create_dir_all(folder.join(".koyalite")).unwrap();
            std::fs::write(folder.join(TOKEN_FILE), token).unwrap();
        }
        let found = |from: &Path| find_from(from).unwrap();
        assert_eq!(found(&inner.join("c")).as_deref(), Some("inner"));
        assert_eq!(found(&root.path().join("a")).as_deref(), Some("outer"));
    }
}
