//! Style that can be checked is a test: what the house rules say about the sources, looked up in the
//! sources. Each test names every offender at once.
//!
//! `files` is about single files, `fences` about who may use whom, `coverage` about things that must
//! be tested or documented elsewhere, `fuzzers` about those that find what no test looks for.

mod coverage;
mod fences;
mod files;
mod fuzzers;

use std::path::{Path, PathBuf};

use crate::support::root;

/// Built, fetched or kept by tools: nobody wrote it.
const NOT_OURS: [&str; 4] = ["target", "node_modules", ".git", ".koyalite"];

/// A file of the tree.
struct Source {
    /// From the root, with slashes.
    path: String,
    text: String,
}

/// All text files below a folder of the tree whose name ends so. Empty: all.
fn sources(below: &str, ending: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join(below), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let relative = path
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(&path).ok()?;
        relative.ends_with(ending).then_some(Source {
            path: relative,
            text,
        })
    };
    paths.into_iter().filter_map(read).collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if NOT_OURS.iter().any(|skipped| name == *skipped) {
            continue;
        }
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&entry.path(), into),
            kind if kind.is_file() => into.push(entry.path()),
            _ => {}
        }
    }
}

/// The text of one file.
fn read(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn none(offenders: Vec<String>, rule: &str) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}",
        offenders.join("\n  ")
    );
}
