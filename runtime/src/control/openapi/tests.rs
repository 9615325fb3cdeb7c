//! The document against the table of routes, and against itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::routes::routes;
use super::{document, words};

fn document() -> Json {
    serde_json::to_value(document::of(&routes())).unwrap()
}

#[test]
fn every_route_has_words_and_no_words_are_about_nothing() {
    let routes: BTreeSet<_> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut lines = words::GROUPS.iter().flat_map(|(_, lines)| *lines);
    let said: BTreeSet<_> = lines.clone().map(|line| line.0.to_owned()).collect();
    let wordless: Vec<_> = routes.difference(&said).collect();
    let about_nothing: Vec<_> = said.difference(&routes).collect();
    assert!(wordless.is_empty(), "give them words: {wordless:?}");
    assert!(
        about_nothing.is_empty(),
        "no such routes: {about_nothing:?}"
    );
    let mut ids = BTreeSet::new();
    assert!(lines.all(|line| ids.insert(line.1)), "an id stands twice");
}

#[test]
fn a_name_stands_for_one_schema() {
    let mut seen = BTreeMap::new();
    for route in routes() {
        for (name, schema) in route.sketch().schemas {
            let schema = serde_json::to_value(schema).unwrap();
            let before = seen.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(
                *before, schema,
                "{name} in {} {}: name one of them by #[schema(as = …)]",
                route.method, route.path
            );
        }
    }
}

#[test]
fn everything_that_is_referred_to_is_there() {
    let document = document();
    let mut referred = BTreeSet::new();
    references(&document, &mut referred);
    assert!(referred.len() > 50, "{referred:?}");
    for pointer in referred {
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
}

/// What is changed under a condition of another kind: a schema by the `state` of its plan.
const OTHERWISE: [&str; 1] = ["PUT /v1/projects/{project}/schema"];

#[test]
fn every_change_takes_the_tag_of_what_it_is_made_to() {
    let document = document();
    let takes = |operation: &Json, header: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|one| one["name"] == header))
    };
    let mut without = Vec::new();
    for route in routes() {
        let operation =
            &document["paths"][route.path.replace("{*", "{")][route.method.to_lowercase()];
        assert!(operation.is_object(), "{} {}", route.method, route.path);
        if matches!(route.method, "PUT" | "PATCH") && !takes(operation, "If-Match") {
            without.push(format!("{} {}", route.method, route.path));
        }
    }
    assert_eq!(without, OTHERWISE);
}

fn references(value: &Json, found: &mut BTreeSet<String>) {
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Json::String(text) if name == "$ref" => {
                        found.insert(text.trim_start_matches('#').to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn operations_say_what_they_take_and_answer() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let users = &document["paths"]["/v1/users"];
    let query = users["get"]["parameters"].as_array().unwrap();
    let names: Vec<_> = query
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["limit", "cursor", "email", "role"]);
    assert_eq!(
        users["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/UserList"
    );
    let made = &users["post"]["responses"];
    assert_eq!(made["201"]["headers"]["etag"]["schema"]["type"], "string");
    assert!(made["200"].is_null());
    assert_eq!(
        users["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/NewUser"
    );
    assert_eq!(
        users["post"]["description"],
        "Needs the permission `user:write`."
    );
    assert_eq!(made["409"]["$ref"], "#/components/responses/Problem409");
    let problem = &document["components"]["responses"]["Problem409"];
    let codes = &problem["content"]["application/problem+json"]["schema"]["allOf"][1];
    let codes = codes["properties"]["code"]["enum"].as_array().unwrap();
    assert!(codes.contains(&Json::from("already_exists")), "{codes:?}");
}
