//! Near rows, from the operator's index to two callers of a function who each find their own.

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, BOB, CommandLine, Project, TestApp};

/// Documents that belong to whoever wrote them.
pub(super) async fn library(app: &TestApp) -> Project<'_> {
    let project = app.project().await;
    let columns = json!([
        { "name": "id", "type": "uuid", "primary_key": true, "default": "gen_random_uuid()" },
        { "name": "owner_id", "type": "uuid" },
        { "name": "title", "type": "text" },
        { "name": "embedding", "type": "vector(3)", "nullable": true },
    ]);
    let own = json!({
        "name": "own", "commands": ["select", "insert", "update", "delete"],
        "roles": ["authenticated"],
        "using": "owner_id = auth.uid()", "check": "owner_id = auth.uid()",
    });
    let table = json!({ "name": "documents", "columns": columns, "policies": [own] });
    let schema = json!({ "tables": [table] });
    project.schema(&schema).await;
    project.deploy("behaviours").await;
    project
}

pub(super) fn document(number: u8, (owner, title): (&str, &str), embedding: [f32; 3]) -> Value {
    let id = format!("00000000-0000-4000-8000-0000000000{number:02}");
    json!({ "id": id, "owner_id": owner, "title": title, "embedding": embedding })
}

pub(super) async fn put(project: &Project<'_>, token: &str, rows: Value) -> u16 {
    let call = project.call(Method::POST, "/behaviours/put-near/near");
    call.bearer(token).json(&rows).send().await.status
}

async fn titles(project: &Project<'_>, token: &str, k: u32) -> Value {
    let query = json!({ "vector": [1, 0, 0], "k": k, "columns": ["title"] });
    let call = project.call(Method::POST, "/behaviours/near/near");
    let answer = call.bearer(token).json(&query).send().await;
    let answer = answer.of_function(200).json();
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| row["title"].clone()).collect()
}

/// Titles of what is near or has the words, the best first.
async fn with_words(project: &Project<'_>, token: &str, text: &str) -> Value {
    let query = json!({ "vector": [0, 0, 9], "k": 5, "columns": ["title"], "text": text });
    let call = project.call(Method::POST, "/behaviours/near/near");
    let answer = call.bearer(token).json(&query).send().await;
    let answer = answer.of_function(200).json();
    let rows = answer["rows"].as_array().unwrap().iter();
    let first = |row: &Value| (row["title"].clone(), row["score"].is_f64());
    rows.map(first)
        .inspect(|(_, scored)| assert!(scored))
        .map(|(title, _)| title)
        .collect()
}

#[tokio::test]
async fn two_callers_of_one_index_find_their_own_rows() {
    let app = TestApp::shared().await;
    let project = library(&app).await;
    project.deploy("behaviours-02").await;
    let shell = CommandLine::of(&app, &project.name);
    let here = tempfile::tempdir().unwrap();
    let create = "vector-indexes create documents embedding --name near --metric l2";
    let create: Vec<&str> = create.split(' ').collect();
    let said = shell.run(here.path(), &create).await.expect(0);
    assert!(
        said.starts_with("near finds rows of documents by embedding (l2): "),
        "{said}"
    );
    let listed = shell.run(here.path(), &["vector-indexes"]).await.expect(0);
    assert!(listed.contains("documents.embedding"), "{listed}");

    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    let of_alice = json!([
        document(1, (ALICE, "a far one"), [0.0, 0.0, 9.0]),
        document(2, (ALICE, "a near one"), [1.0, 0.1, 0.0]),
    ]);
    assert_eq!(put(&project, &alice, of_alice).await, 204);
    let of_bob = json!([document(3, (BOB, "the nearest"), [1.0, 0.0, 0.0])]);
    assert_eq!(put(&project, &bob, of_bob.clone()).await, 204);
    assert_eq!(put(&project, &alice, of_bob).await, 403);
    assert_eq!(
        titles(&project, &alice, 5).await,
        json!(["a near one", "a far one"])
    );
    assert_eq!(titles(&project, &alice, 1).await, json!(["a near one"]));
    assert_eq!(titles(&project, &bob, 5).await, json!(["the nearest"]));
    let words = with_words(&project, &alice, "near or nearest").await;
    assert_eq!(words, json!(["a near one", "a far one"]));
    let words = with_words(&project, &bob, "near or nearest").await;
    assert_eq!(words, json!(["the nearest"]));
    // A component of WASI 0.2, by the package of plain functions.
    let call = project
        .call(Method::GET, "/behaviours-02/near")
        .bearer(&bob);
    let found: Value = serde_json::from_str(&call.send().await.text()).unwrap();
    assert_eq!(found, json!([{ "title": "the nearest", "distance": 0.0 }]));

    let drop = project.call(Method::POST, "/behaviours/drop-near/near");
    let drop = drop.bearer(&bob).body("title <> 'nothing'").send().await;
    assert_eq!(drop.status, 204);
    assert_eq!(titles(&project, &bob, 5).await, json!([]));
    assert_eq!(
        titles(&project, &alice, 5).await.as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_search_that_makes_no_sense_says_why() {
    let app = TestApp::shared().await;
    let project = library(&app).await;
    let new = json!({ "table": "documents", "embedding_column": "embedding", "name": "near" });
    let made = project.control(Method::POST, "/vector-indexes").json(&new);
    made.send().await.expect(201);
    let alice = project.token(ALICE).await;
    let check = async |index: &str, query: Value, status: u16, code: &str| {
        let path = format!("/behaviours/near/{index}");
        let call = project.call(Method::POST, &path).bearer(&alice);
        let answer = call.json(&query).send().await.of_function(status);
        assert_eq!(answer.json()["code"], code, "{query}");
    };
    let near = |vector: Value, k: i64| json!({ "vector": vector, "k": k });
    check("near", near(json!([1, 2]), 5), 400, "wrong_dimension").await;
    check("near", near(json!([1, 2, 1e39]), 5), 400, "invalid_vector").await;
    check("near", near(json!([0, 0, 0]), 5), 400, "invalid_vector").await;
    check("near", near(json!([1, 2, 3]), 0), 400, "invalid_k").await;
    check("near", near(json!([1, 2, 3]), 1001), 400, "invalid_k").await;
    check(
        "nothing",
        near(json!([1, 2, 3]), 5),
        404,
        "unknown_vector_index",
    )
    .await;
    let gone = project.control(Method::DELETE, "/vector-indexes/near");
    gone.send().await.expect(204);
    check(
        "near",
        near(json!([1, 2, 3]), 5),
        404,
        "unknown_vector_index",
    )
    .await;
}

#[tokio::test]
async fn an_index_is_changed_by_whoever_has_seen_it_and_keeps_its_column() {
    let app = TestApp::shared().await;
    let project = library(&app).await;
    let new = json!({ "table": "documents", "embedding_column": "embedding" });
    let made = project.control(Method::POST, "/vector-indexes").json(&new);
    let made = made.send().await.expect(201);
    let index = made.json();
    assert_eq!(
        (&index["name"], &index["dimension"]),
        (&json!("documents_embedding"), &json!(3))
    );
    let path = "/vector-indexes/documents_embedding";
    let seen = project.control(Method::GET, path).send().await.expect(200);
    let tag = seen.header("etag").to_owned();
    let rename = |tag: &str| {
        let call = project.control(Method::PATCH, path).header("if-match", tag);
        call.json(&json!({ "name": "near" }))
    };
    rename("\"000000000000000000000000\"")
        .send()
        .await
        .problem(412, "precondition_failed");
    let renamed = rename(&tag).send().await.expect(200).json();
    assert_eq!(renamed["name"], "near");
    let column = project.control(Method::DELETE, "/tables/documents/columns/embedding");
    column.send().await.problem(409, "in_use");
    let wrong = json!({ "table": "documents", "embedding_column": "title", "dimension": 3 });
    let wrong = project
        .control(Method::POST, "/vector-indexes")
        .json(&wrong);
    let wrong = wrong.send().await.problem(400, "invalid_field");
    assert_eq!(wrong["errors"][0]["field"], "embedding_column");
    let owner = index["user_id"].as_str().unwrap();
    let path = format!("/v1/users/{owner}/vector-indexes?limit=1000");
    let owned = app
        .control(Method::GET, &path)
        .send()
        .await
        .expect(200)
        .json();
    let owned = owned["items"].as_array().unwrap();
    assert!(
        owned.iter().any(|one| one["id"] == index["id"]),
        "{owned:?}"
    );
}
