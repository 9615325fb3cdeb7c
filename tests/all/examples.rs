//! Every example, built, deployed over HTTP by its own manifest, and called.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, Project, TestApp, eventually, guest, has_guest, root};

/// What stands in the folder of an example.
fn file(example: &str, name: &str) -> String {
    let path = root().join("examples").join(example).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// As `koyalite deploy` does it: the schema first, then component and manifest.
async fn deploy_example(project: &Project<'_>, example: &str) -> Value {
    if root()
        .join("examples")
        .join(example)
        .join("schema.json")
        .exists()
    {
        let schema = serde_json::from_str(&file(example, "schema.json")).unwrap();
        project.schema(&schema).await;
    }
    let manifest = file(example, "koyalite.toml");
    let upload = project.upload_with(example, &guest(example), &manifest);
    upload.send().await.expect(201).json()
}

#[tokio::test]
async fn hello_says_hello() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "hello").await;
    let answer = project.fetch("/hello?name=Ada").await.of_function(200);
    assert_eq!(answer.text(), "hello, Ada\n");
}

#[tokio::test]
async fn hello_02_says_hello_by_the_older_standard() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let deployed = deploy_example(&project, "hello-02").await;
    assert!(
        deployed["exports"]
            .to_string()
            .contains("wasi:http/incoming-handler@0.2")
    );
    let answer = project.fetch("/hello-02").await.of_function(200);
    assert_eq!(answer.text(), "hello from WASI 0.2\n");
}

#[tokio::test]
async fn hello_js_says_hello_in_javascript() {
    if !has_guest("hello-js") {
        eprintln!("hello-js was not built: there is no Node on this machine");
        return;
    }
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "hello-js").await;
    let answer = project.fetch("/hello-js").await.of_function(200);
    assert!(answer.text().contains("hello"), "{}", answer.text());
}

#[tokio::test]
async fn two_users_of_todo_see_and_change_only_their_own_rows() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "todo").await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let add = async |token: &str, title: &str| {
        let call = project.call(Method::POST, "/todo").bearer(token);
        call.json(&json!({ "title": title }))
            .send()
            .await
            .of_function(201)
            .json()
    };
    let titles = async |token: &str| {
        let list = project
            .call(Method::GET, "/todo")
            .bearer(token)
            .send()
            .await;
        let list = list.of_function(200).json();
        let titles = list
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["title"].clone());
        titles.collect::<Vec<_>>()
    };
    let milk = add(&alice, "milk").await;
    add(&bob, "rent").await;
    add(&alice, "tea").await;
    assert_eq!(titles(&alice).await, ["tea", "milk"]);
    assert_eq!(titles(&bob).await, ["rent"]);

    let path = format!("/todo/{}", milk["id"].as_str().unwrap());
    let done = json!({ "done": true });
    for method in [Method::PATCH, Method::DELETE] {
        let call = project.call(method, &path).bearer(&bob).json(&done);
        assert_eq!(call.send().await.status, 404, "not there for anyone else");
    }
    let change = project
        .call(Method::PATCH, &path)
        .bearer(&alice)
        .json(&done)
        .send()
        .await;
    assert_eq!(change.of_function(200).json()["done"], true);
    project
        .call(Method::DELETE, &path)
        .bearer(&alice)
        .send()
        .await
        .of_function(204);
    assert_eq!(titles(&alice).await, ["tea"]);
    assert_eq!(titles(&bob).await, ["rent"]);
}

#[tokio::test]
async fn todo_does_not_let_anyone_write_for_another() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "todo").await;
    // The policy is the project's, so it holds for any function of it.
    project.deploy("behaviours").await;
    let bob = project.token(BOB).await;
    let row = json!({ "table": "todos", "rows": [{ "owner_id": ALICE, "title": "forged" }] });
    let call = project
        .call(Method::POST, "/behaviours/insert")
        .bearer(&bob)
        .json(&row);
    let refused = call.send().await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(
        refused.text().contains("check_failed"),
        "{}",
        refused.text()
    );
    let alice = project.token(ALICE).await;
    let list = project
        .call(Method::GET, "/todo")
        .bearer(&alice)
        .send()
        .await
        .json();
    assert_eq!(list, json!([]));
}

#[tokio::test]
async fn search_finds_what_is_alike_among_what_the_caller_may_see() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "search").await;
    let index = json!({ "table": "documents", "embedding_column": "embedding" });
    let made = project
        .control(Method::POST, "/vector-indexes")
        .json(&index);
    made.send().await.expect(201);
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    for (token, title, body, shared) in [
        (
            &alice,
            "Bread",
            "flour, water, salt and patience; baking takes an hour",
            false,
        ),
        (&alice, "Engines", "pistons, valves and a spark", false),
        (
            &bob,
            "Baking bread",
            "what bakers do with flour at night",
            false,
        ),
        (&bob, "Rye bread", "baking with rye flour", true),
    ] {
        let document = json!({ "title": title, "body": body, "shared": shared });
        let call = project.call(Method::POST, "/search").bearer(token);
        call.json(&document).send().await.of_function(201);
    }
    let asked = "/search?q=baking+bread+with+flour";
    let found = project.call(Method::GET, asked).bearer(&alice).send().await;
    let found = found.of_function(200).json();
    let titles: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["Rye bread", "Bread", "Engines"]);
    project.fetch(asked).await.problem(401, "unauthenticated");
}

/// Cron in `todo`'s neighbour: nobody calls it, and rows appear.
#[tokio::test]
async fn ticker_fires_by_itself_once_for_each_due_time() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    deploy_example(&project, "ticker").await;
    let task = project.list("/schedules").await.remove(0);
    assert_eq!(task["cron_schedule"], "*/5 * * * * *");
    assert!(task["next_run"].is_string(), "{task}");
    let runs = format!("/schedules/{}/runs", task["id"].as_str().unwrap());
    let runs = eventually("three firings", Duration::from_secs(60), async || {
        let runs = project.list(&runs).await;
        let done = runs
            .iter()
            .filter(|run| run["status"] == "succeeded")
            .count();
        (done >= 3).then_some(runs)
    })
    .await;
    let mut due: Vec<_> = runs
        .iter()
        .map(|run| run["scheduled_for"].to_string())
        .collect();
    due.sort();
    let before = due.len();
    due.dedup();
    assert_eq!(due.len(), before, "one row for each due time");

    let ticks = project.fetch("/ticker").await.of_function(200).json();
    let ticks = ticks.as_array().unwrap();
    assert!(ticks.len() >= 3, "{ticks:?}");
    let mut seen: Vec<_> = ticks
        .iter()
        .map(|tick| tick["scheduled_for"].to_string())
        .collect();
    seen.sort();
    let before = seen.len();
    seen.dedup();
    assert_eq!(
        seen.len(),
        before,
        "each due time came to the function once"
    );
}
