//! Things that must be mentioned elsewhere: guests and routes in the stories, limits in the docs.

use std::collections::BTreeSet;

use super::{Source, none, read, sources};
use crate::support::root;
use crate::unauthorized;

/// The names of folders below `parent` that have such a file.
fn folders_with(parent: &str, file: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(parent))
        .unwrap()
        .map(Result::unwrap);
    let with = entries.filter(|entry| entry.path().join(file).exists());
    with.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_guest_and_every_example_has_a_story() {
    let stories: String = sources("tests/all", ".rs")
        .into_iter()
        .map(|story| story.text)
        .collect();
    let mut guests = folders_with("tests/guests", "Cargo.toml");
    guests.extend(folders_with("examples", "koyalite.toml"));
    guests.retain(|guest| !stories.contains(&format!("\"{guest}\"")));
    none(guests, "no story mentions");
}

#[test]
fn every_behaviour_of_the_test_guests_has_a_story() {
    let stories: String = sources("tests/all", ".rs")
        .into_iter()
        .map(|story| story.text)
        .collect();
    let mut unused = Vec::new();
    for guest in ["behaviours", "behaviours-02"] {
        let code = read(&format!("tests/guests/{guest}/src/lib.rs"));
        let arms = code.lines().filter_map(|line| {
            let line = line
                .trim()
                .strip_prefix("[\"")
                .or_else(|| line.trim().strip_prefix('"'))?;
            let (name, rest) = line.split_once('"')?;
            rest.contains("=>").then(|| name.to_owned())
        });
        unused.extend(arms.filter(|name| !stories.contains(name.as_str())));
    }
    none(unused, "no story uses the behaviour");
}

#[test]
fn every_route_of_the_control_api_is_tried_as_nobody() {
    let listed: BTreeSet<_> = unauthorized::routes().collect();
    let mut served = BTreeSet::new();
    let own = |source: &Source| !source.path.ends_with("/tests.rs");
    let code: String = sources("runtime/src/control", ".rs")
        .into_iter()
        .filter(own)
        .map(|source| source.text)
        .collect();
    for line in code.lines() {
        let line = line.trim();
        for method in ["get", "put", "post", "patch", "delete"] {
            let path = line
                .strip_prefix(method)
                .and_then(|rest| rest.strip_prefix("(\"/"));
            if let Some(path) = path.and_then(|rest| rest.split('"').next()) {
                served.insert((method.to_uppercase(), format!("/{path}")));
            }
        }
    }
    assert!(
        served.len() > 20,
        "the routes are not where they were: {served:?}"
    );
    let known =
        |(method, path): &(String, String)| listed.contains(&(method.as_str(), path.as_str()));
    let missing = served.iter().filter(|route| !known(route));
    none(
        missing
            .map(|(method, path)| format!("{method} {path}"))
            .collect(),
        "not in `unauthorized`",
    );
    let gone = listed
        .iter()
        .filter(|(method, path)| !served.contains(&((*method).to_owned(), (*path).to_owned())));
    none(
        gone.map(|(method, path)| format!("{method} {path}"))
            .collect(),
        "no longer served",
    );
}

#[test]
fn every_limit_is_in_the_docs() {
    let docs = read("docs/limits.md");
    let mut missing = Vec::new();
    for source in ["host-api/src", "runtime/src"]
        .iter()
        .flat_map(|folder| sources(folder, "limits.rs"))
    {
        for line in source.text.lines() {
            let line = line
                .trim()
                .strip_prefix("pub(crate) ")
                .or_else(|| line.trim().strip_prefix("pub "));
            let name = line.and_then(|line| line.strip_prefix("const "));
            // A `const fn` is no limit.
            let Some((name, _)) = name.and_then(|rest| rest.split_once(':')) else {
                continue;
            };
            let is_constant = name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if is_constant && !docs.contains(name) {
                missing.push(format!("{name} of {}", source.path));
            }
        }
    }
    none(missing, "docs/limits.md does not mention");
}

#[test]
fn every_test_that_the_docs_name_for_a_limit_is_there() {
    let docs = read("docs/limits.md");
    let (_, table) = docs.split_once("## Which test holds which limit").unwrap();
    let code: String = ["tests/all", "runtime/src", "host-api"]
        .iter()
        .flat_map(|folder| sources(folder, ".rs"))
        .map(|source| source.text)
        .collect();
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let missing = names.filter(|name| !code.contains(&format!("fn {name}()")));
    none(missing.map(str::to_owned).collect(), "no test is called");
}
