//! One file at a time: length, head, left-overs, and what must not be in it.

use std::collections::HashMap;
use std::process::Command;

use super::{none, sources};
use crate::support::root;

/// More is two ideas in one file.
const LINES_MAX: usize = 400;

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long = sources("", ".rs").into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{} has {lines} lines", source.path))
    });
    none(long.collect(), "at most 400 lines a file");
}

#[test]
fn every_module_begins_with_what_it_is() {
    // A `tests.rs` beside a module belongs to it and needs no introduction.
    let bare = sources("", ".rs").into_iter().filter(|source| {
        !source.path.ends_with("/tests.rs") && !source.text.trim_start().starts_with("//!")
    });
    none(
        bare.map(|source| source.path).collect(),
        "begin with `//!`: what it is, what it never does",
    );
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file is not an offender itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[ign", "ore"),
        concat!("TO", "DO:"),
        concat!("// TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX "),
        concat!("db", "g!("),
    ];
    let mut found = Vec::new();
    for source in sources("", ".rs") {
        for (number, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    none(found, "finish it, or write down where it is tracked");
}

#[test]
fn nothing_in_the_tree_knows_the_machine_that_it_was_written_on() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/runner"),
    ];
    let mut found = Vec::new();
    for source in sources("", "") {
        for (number, line) in source.text.lines().enumerate() {
            let before_is_word =
                |at: usize| line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
            let here = places.iter().filter_map(|place| line.find(place));
            if here.into_iter().any(|at| !before_is_word(at)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    none(found, "paths of one machine");
}

#[test]
fn every_interface_is_written_once() {
    let mut first: HashMap<String, String> = HashMap::new();
    let mut copies = Vec::new();
    for source in sources("", ".wit") {
        // The twin without `async` is made, and the next test holds it to that.
        if source.path.starts_with("wit/host-sync/") {
            continue;
        }
        match first.get(&source.text) {
            Some(original) => copies.push(format!("{} is a copy of {original}", source.path)),
            None => drop(first.insert(source.text, source.path)),
        }
    }
    none(copies, "one copy of each .wit file");
    let outside = sources("", ".wit").into_iter().filter(|source| {
        !source.path.starts_with("wit/") && source.text.contains("package koyalite:")
    });
    none(
        outside.map(|source| source.path).collect(),
        "our interfaces live in wit/ alone",
    );
}

#[test]
fn the_package_without_async_is_what_the_other_makes_it() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--",
        "wit",
        "--check",
    ]);
    let output = cargo.current_dir(root()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
