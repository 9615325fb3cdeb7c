//! Finds the admin token that `koyalite dev` keeps in its data directory.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::error::CliError;

/// Relative to the folder where `koyalite dev` was started.
const TOKEN_FILE: &str = ".koyalite/token";

/// The nearest `.koyalite/token`, from the working directory upward.
pub(super) fn find_token_file() -> Result<Option<PathBuf>, CliError> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    Ok(find_from(&here))
}

/// What is in it.
pub(super) fn find_token() -> Result<Option<String>, CliError> {
    let Some(path) = find_token_file()? else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text.trim().to_owned()))
}

/// A `.koyalite` that is a file, not a folder, is none of our business.
fn find_from(start: &Path) -> Option<PathBuf> {
    let mut places = start.ancestors().map(|folder| folder.join(TOKEN_FILE));
    places.find(|place| place.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_token_upward_wins() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(inner.join("c")).unwrap();
        for folder in [root.path(), &inner] {
            std::fs::create_dir_all(folder.join(".koyalite")).unwrap();
            std::fs::write(folder.join(TOKEN_FILE), "a token\n").unwrap();
        }
        let check = |from: &Path, folder: &Path| {
            assert_eq!(find_from(from), Some(folder.join(TOKEN_FILE)));
        };
        check(&inner.join("c"), &inner);
        check(&root.path().join("a"), root.path());
    }
}
