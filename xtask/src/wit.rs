//! `cargo xtask wit`: writes `wit/host-sync` from `wit/host`.
//!
//! The runtime checks whether an import is async, so one package cannot serve both the toolchains
//! that have async functions (WASI 0.3) and those that do not (0.2). The second package is the
//! first with another name and without the word `async`; it is checked in, for users to copy, and
//! never edited. Exports a guest gives the host (`scheduled`) become plain functions there too, and what
//! 0.2 has no streams for goes in pieces (`wit/pieces.wit`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};

use crate::paths;

const NOTE: &str = "// Made from wit/host by `cargo xtask wit`; edit it there.";

/// What stands in the place of streams, between these two lines of `files.wit`.
const PIECES: &str = include_str!("wit/pieces.wit");
const STREAMS_BEGIN: &str = "    // Content.\n\n";
const STREAMS_END: &str = "    // All else.\n\n";

/// Writes the package, or with `--check` fails if it is not current.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let wanted = read_folder(&paths::root().join("wit/host"))?
        .into_iter()
        .map(|(name, text)| (name, to_sync(&text)))
        .collect();
    let folder = paths::root().join("wit/host-sync");
    match arguments {
        [] => write_folder(&folder, &wanted),
        [flag] if flag == "--check" => check(&folder, &wanted),
        _ => bail!("usage: cargo xtask wit [--check]"),
    }
}

/// The note follows the package line: in front of it, it would be the package's documentation,
/// which only one file of a package may have.
fn to_sync(text: &str) -> String {
    let text = text
        .replace("package koyalite:host@", "package koyalite:host-sync@")
        .replace(": async func(", ": func(");
    let text = in_pieces(&text).unwrap_or(text);
    text.replacen(";\n", &format!(";\n\n{NOTE}\n"), 1)
}

fn in_pieces(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(STREAMS_BEGIN)?;
    let (_, after) = rest.split_once(STREAMS_END)?;
    Some(format!("{before}{PIECES}\n{after}"))
}

fn check(folder: &Path, wanted: &BTreeMap<String, String>) -> anyhow::Result<()> {
    if read_folder(folder).unwrap_or_default() != *wanted {
        bail!("wit/host-sync is not what wit/host makes it; run `cargo xtask wit`");
    }
    Ok(())
}

fn write_folder(folder: &Path, wanted: &BTreeMap<String, String>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for name in read_folder(folder)?
        .keys()
        .filter(|name| !wanted.contains_key(*name))
    {
        std::fs::remove_file(folder.join(name))?;
    }
    for (name, text) in wanted {
        std::fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

fn read_folder(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| end == "wit") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sync_twin_has_another_name_and_no_async_function() {
        let text = to_sync(
            "package koyalite:host@0.1.0;\n\ninterface a {\n    get: async func(key: string);\n}\n",
        );
        let expected = format!(
            "package koyalite:host-sync@0.1.0;\n\n{NOTE}\n\ninterface a {{\n    get: func(key: string);\n}}\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_streams_goes_in_pieces_there() {
        let text =
            format!("{{\n{STREAMS_BEGIN}    put: stream<u8>;\n\n{STREAMS_END}    stat\n}}\n");
        let twin = to_sync(&text);
        assert!(
            twin.contains("resource upload") && twin.ends_with("    stat\n}\n"),
            "{twin}"
        );
        assert!(!twin.contains("stream") && !twin.contains("//  "), "{twin}");
    }
}
