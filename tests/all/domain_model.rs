//! The domain model: what `docs/domain-model.md` says of each field, held against the database, the API
//! and the tests.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use crate::support::{Launch, Project, TestApp, root};

/// A line of the table.
struct Field {
    name: String,
    column: String,
    route: String,
    place: String,
    test: String,
}

fn fields() -> Vec<Field> {
    let docs = std::fs::read_to_string(root().join("docs/domain-model.md")).unwrap();
    let lines = docs.lines().filter(|line| line.starts_with("| ")).skip(1);
    let field = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| cell.trim().trim_matches('`'))
            .collect();
        let [entity, name, column, route, place, test] = cells.as_slice() else {
            panic!("not six cells: {line}");
        };
        Field {
            name: format!("{entity}.{name}"),
            column: (*column).to_owned(),
            route: (*route).to_owned(),
            place: (*place).to_owned(),
            test: (*test).to_owned(),
        }
    };
    lines.map(field).collect()
}

/// One of everything.
async fn furnish(project: &Project<'_>) {
    let send = async |method: Method, path: &str, body: Value| {
        let call = project.control(method, path).json(&body);
        let answer = call.send().await;
        assert!(answer.status < 300, "{path}: {answer:?}");
    };
    let key = |name: &str| {
        json!({ "name": name, "type": "uuid", "primary_key": true,
        "default": "gen_random_uuid()" })
    };
    let schema = json!({ "tables": [
        { "name": "authors", "columns": [key("id")],
          "policies": [{ "name": "all", "commands": ["select"], "using": "true" }] },
        { "name": "pages", "columns": [key("id"),
            { "name": "author_id", "type": "uuid", "references": { "table": "authors", "column": "id" } },
            { "name": "meaning", "type": "vector(3)" }] },
    ]});
    project.schema(&schema).await;
    let schedule = "[[schedules]]\nname = \"nightly\"\ncron = \"0 3 * * *\"\n";
    project.deploy_as("ticker", "behaviours", schedule).await;
    send(Method::POST, "/schedules/ticker.nightly/run", json!({})).await;
    let index = json!({ "table": "pages", "embedding_column": "meaning" });
    send(Method::POST, "/vector-indexes", index).await;
    let file = project
        .control(Method::PUT, "/files/notes.txt")
        .body("noted");
    file.send().await.expect(200);
    let endpoint = json!({ "target_url": "https://hooks.example/", "event_types": ["*"] });
    send(Method::POST, "/webhooks/endpoints", endpoint).await;
    let sender = json!({ "address": "shop@shop.example" });
    send(Method::POST, "/email/senders", sender).await;
    for resource in ["koyalite_email", "koyalite_webhooks"] {
        let policy = json!({ "name": "send", "table": resource, "commands": ["insert"],
            "check": "true" });
        send(Method::POST, "/policies", policy).await;
    }
    let mail = json!({ "to": "ann@example.com", "subject": "Hello", "text": "Hello." });
    let mailed = project.call(Method::POST, "/ticker/mail").json(&mail);
    mailed.send().await.of_function(200);
    let event = json!({ "event_type": "page.read", "payload": {} });
    let emitted = project.call(Method::POST, "/ticker/emit").json(&event);
    emitted.send().await.of_function(200);
}

async fn stored(app: &TestApp) -> BTreeSet<String> {
    let client = app.launch.database().connect().await;
    let columns = client
        .query(
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'koyalite'",
            &[],
        )
        .await
        .unwrap();
    columns.iter().map(|row| row.get(0)).collect()
}

/// Every name of a test that there is.
fn tests() -> String {
    let folders = ["tests/all", "runtime/src", "host-api/tests/all"];
    let mut text = String::new();
    let mut left: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[tokio::test]
async fn every_field_of_the_domain_model_is_stored_shown_and_tested() {
    let app = TestApp::launch(Launch::serve().await).await;
    let project = app.project().await;
    furnish(&project).await;
    let (stored, tests) = (stored(&app).await, tests());
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    let mut wrong = Vec::new();
    let fields = fields();
    assert!(fields.len() > 80, "{}", fields.len());
    for field in &fields {
        let name = &field.name;
        if !stored.contains(&field.column) {
            wrong.push(format!("{name}: no column {}", field.column));
        }
        if !tests.contains(&format!("fn {}()", field.test)) {
            wrong.push(format!("{name}: no test {}", field.test));
        }
        if field.route == "—" {
            continue;
        }
        if !answers.contains_key(&field.route) {
            let path = match field.route.as_str() {
                "/" => format!("/v1/projects/{}", project.name),
                route if route.starts_with("/v1/") => route.to_owned(),
                route => format!("/v1/projects/{}{route}", project.name),
            };
            let answer = app.control(Method::GET, &path).send().await.expect(200);
            answers.insert(field.route.clone(), answer.json());
        }
        let pointer = format!("/{}", field.place.replace('.', "/"));
        if answers[&field.route].pointer(&pointer).is_none() {
            wrong.push(format!("{name}: no {} at {}", field.place, field.route));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
