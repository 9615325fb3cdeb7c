//! A secret for the server: from a file or standard input, never from the command line.

use std::io::{self, Read as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

/// Far above the longest secret that a server takes; a wrong file must not be read whole.
const INPUT_BYTES_MAX: u64 = 64 << 10;

/// The secret from a file or standard input, without the line break that an editor adds.
pub(super) fn read(file: Option<PathBuf>) -> anyhow::Result<String> {
    let mut text = String::new();
    match file {
        Some(path) => std::fs::File::open(&path)
            .and_then(|file| file.take(INPUT_BYTES_MAX).read_to_string(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?,
        None => io::stdin()
            .take(INPUT_BYTES_MAX)
            .read_to_string(&mut text)
            .context("cannot read standard input")?,
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.is_empty() {
        true => Err(anyhow!("there is no secret in it")),
        false => Ok(text.to_owned()),
    }
}
