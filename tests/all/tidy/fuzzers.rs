//! The fuzzers are a workspace of their own, which nothing else builds.

use toml::Table;

use super::fences::dependencies;
use super::{none, read};

/// A lock file's packages.
fn locked(file: &str) -> Vec<Table> {
    let lock: Table = read(file).parse().unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .map(|one| one.as_table().unwrap().clone())
        .collect()
}

/// Their lock file used to stay behind.
#[test]
fn the_fuzzers_are_built_from_what_is_shipped() {
    let (shipped, fuzzed) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    let text = |package: &Table, key: &str| package[key].as_str().unwrap().to_owned();
    let mut behind = Vec::new();
    for package in &fuzzed {
        let named = |other: &&Table| other["name"] == package["name"];
        let mut same = shipped.iter().filter(named).peekable();
        if same.peek().is_some() && !same.any(|other| other["version"] == package["version"]) {
            behind.push(text(package, "name"));
        }
    }
    for (name, manifest) in [
        ("koyalite-policy", "host-api/policy/Cargo.toml"),
        ("koyalite-host-api", "host-api/Cargo.toml"),
        ("koyalite-runtime", "runtime/Cargo.toml"),
    ] {
        let own = fuzzed.iter().find(|package| text(package, "name") == name);
        let known = own.unwrap()["dependencies"].as_array().unwrap().iter();
        let known: Vec<&str> = known
            .filter_map(|one| one.as_str()?.split(' ').next())
            .collect();
        let all = dependencies(manifest).into_iter();
        behind.extend(all.filter(|name| !known.contains(&name.as_str())));
    }
    none(behind, "fuzz/Cargo.lock has none or another version of");
}

#[test]
fn every_fuzzer_can_be_asked_for() {
    let manifest: Table = read("fuzz/Cargo.toml").parse().unwrap();
    let known = read("xtask/src/fuzz.rs");
    let programs = manifest["bin"].as_array().unwrap().iter();
    let mut unknown: Vec<String> = programs
        .map(|program| program["name"].as_str().unwrap().to_owned())
        .collect();
    unknown.retain(|name| !known.contains(&format!("\"{name}\",")));
    none(unknown, "`cargo xtask fuzz` does not know");
}
