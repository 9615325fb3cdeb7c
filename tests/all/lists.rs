//! Lists in parts, changes to what was read, and creations that are repeated: the same manners at every
//! route of the control API.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Project, TestApp, own_rows};

/// All items of a list, read in parts of that size.
async fn walk(project: &Project<'_>, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let part = project.get(&format!("{path}?limit={limit}{cursor}")).await;
        let more = part["items"].as_array().unwrap();
        assert!(more.len() <= limit, "{part}");
        items.extend(more.iter().cloned());
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn every_list_is_read_in_parts_that_make_the_whole() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    project.schema(&own_rows("todos")).await;
    let schedules = "[[schedules]]\nname = \"one\"\ncron = \"0 3 * * *\"\n\
                     [[schedules]]\nname = \"two\"\ncron = \"0 4 * * *\"\n";
    for name in ["hello", "other", "third"] {
        project.deploy_as(name, "hello", schedules).await;
    }
    project.deploy_as("hello", "hello-02", "").await;
    for path in [
        "/functions",
        "/functions/hello/versions",
        "/tables",
        "/policies",
        "/schedules",
        "/schema/history",
    ] {
        let whole = project.list(path).await;
        assert!(whole.len() > 1, "{path} has too little to tell: {whole:?}");
        for limit in [1, 2] {
            assert_eq!(walk(&project, path, limit).await, whole, "{path}");
        }
        let ask = |query: &str| {
            project
                .control(Method::GET, &format!("{path}?{query}"))
                .send()
        };
        for query in [
            "cursor=nonsense",
            "cursor=",
            "limit=0",
            "limit=1001",
            "limit=x",
        ] {
            ask(query).await.problem(400, "invalid_query");
        }
        let first = project.get(&format!("{path}?limit=1")).await;
        let elsewhere = match path {
            "/tables" => "/functions",
            _ => "/tables",
        };
        let cursor = first["next_cursor"].as_str().unwrap();
        let path = format!("{elsewhere}?cursor={cursor}");
        let astray = project.control(Method::GET, &path).send().await;
        astray.problem(400, "invalid_query");
    }
}

/// What a list shows of something is what it says of it by itself, under its own path.
#[tokio::test]
async fn what_is_in_a_list_is_found_by_itself() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy_as("hello", "hello", "").await;
    project.deploy_as("hello", "hello-02", "").await;
    let post = async |path: &str, body: Value| {
        let made = project.control(Method::POST, path).json(&body).send();
        made.await.expect(201).json()
    };
    let task = json!({ "function": "hello", "name": "rare", "cron": "0 3 1 1 *" });
    post("/schedules", task).await;
    post("/schedules/hello.rare/run", json!({})).await;
    let key = json!({ "name": "web", "scopes": ["anon"] });
    post("/api-keys", key).await;
    let sender = json!({ "address": "shop@example.com" });
    post("/email/senders", sender).await;
    let provider = json!({ "name": "auth", "issuer": "https://auth.example.com/", "audience": "shop",
        "jwks_url": "https://auth.example.com/keys" });
    post("/identity-providers", provider).await;
    let secret = project.control(Method::PUT, "/secrets/KEY");
    secret
        .json(&json!({ "value": "x" }))
        .send()
        .await
        .expect(204);
    let person = json!({ "email": format!("{}-one@example.org", project.name) });
    let person = app.control(Method::POST, "/v1/users").json(&person);
    let person = person.send().await.expect(201).json();
    let member = format!("/members/{}", person["id"].as_str().unwrap());
    let member = project.control(Method::PUT, &member);
    member
        .json(&json!({ "role": "viewer" }))
        .send()
        .await
        .expect(200);

    for (list, key) in [
        ("/functions/hello/versions", "version"),
        ("/functions/hello/deployments", "number"),
        ("/schedules/hello.rare/runs", "id"),
        ("/api-keys", "name"),
        ("/email/senders", "id"),
        ("/identity-providers", "name"),
        ("/secrets", "name"),
        ("/members", "email"),
    ] {
        for item in project.list(list).await {
            let name = match &item[key] {
                Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            let alone = project.get(&format!("{list}/{name}")).await;
            match list.ends_with("/runs") {
                // It goes on meanwhile.
                true => assert_eq!(alone["id"], item["id"]),
                false => assert_eq!(alone, item, "{list}/{name}"),
            }
        }
        let nobody = format!("{list}/00000000-0000-4000-8000-000000000000");
        let status = project.control(Method::GET, &nobody).send().await.status;
        // No secret has such a name.
        assert_eq!(status, if list == "/secrets" { 400 } else { 404 }, "{list}");
    }
}

/// What is made between two parts moves nothing that is in them.
#[tokio::test]
async fn projects_are_listed_in_parts_while_others_are_made() {
    let app = TestApp::shared().await;
    let mine = join_all((0..3).map(|_| app.project())).await;
    let mut seen = Vec::new();
    let mut path = "/v1/projects?limit=2".to_owned();
    loop {
        let part = app
            .control(Method::GET, &path)
            .send()
            .await
            .expect(200)
            .json();
        let names = part["items"].as_array().unwrap().iter();
        seen.extend(names.map(|item| item["name"].as_str().unwrap().to_owned()));
        app.project().await;
        match part["next_cursor"].as_str() {
            // Others are made all the time: mine are what counts.
            Some(next) if mine.iter().any(|one| !seen.contains(&one.name)) => {
                path = format!("/v1/projects?limit=2&cursor={next}");
            }
            _ => break,
        }
    }
    for one in mine {
        let times = seen.iter().filter(|name| **name == one.name).count();
        assert_eq!(times, 1, "{} in {seen:?}", one.name);
    }
}

#[tokio::test]
async fn a_change_to_what_somebody_else_has_changed_is_refused() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let read = project.control(Method::GET, "").send().await.expect(200);
    let tag = read.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{read:?}");
    let patch = |tag: &str| {
        project
            .control(Method::PATCH, "")
            .header("if-match", tag)
            .json(&json!({ "environment": "staging" }))
            .send()
    };
    let changed = patch(&tag).await.expect(200);
    assert_ne!(changed.header("etag"), tag);
    patch(&tag).await.problem(412, "precondition_failed");
    patch("W/\"weak\"").await.problem(400, "bad_request");
    patch(&format!("\"other\", {}", changed.header("etag")))
        .await
        .expect(200);
    patch("*").await.expect(200);
    // A deploy changes the project's functions, not the project.
    let before = project.control(Method::GET, "").send().await;
    project.deploy("hello").await;
    let after = project.control(Method::GET, "").send().await;
    assert_eq!(before.header("etag"), after.header("etag"));
}

#[tokio::test]
async fn a_creation_under_a_key_happens_once() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let create = |key: &str, name: &str, environment: &str| {
        app.control(Method::POST, "/v1/projects")
            .header("idempotency-key", key)
            .json(&json!({ "name": name, "environment": environment }))
            .send()
    };
    let (key, name) = (
        format!("k-{}", project.name),
        format!("{}-once", project.name),
    );
    let first = create(&key, &name, "dev").await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = create(&key, &name, "dev").await.expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first.json());
    create(&key, &name, "prod")
        .await
        .problem(409, "idempotency_key_reused");
    create("", &name, "dev").await.problem(400, "bad_request");
    create(&"x".repeat(256), &name, "dev")
        .await
        .problem(400, "bad_request");

    // A refusal has made nothing, and holds no key.
    let taken = format!("{key}-taken");
    create(&taken, &name, "dev")
        .await
        .problem(409, "already_exists");
    create(&taken, &format!("{name}-more"), "dev")
        .await
        .expect(201);

    // Another operator's key is another key.
    let developer = app.operator(koyalite_runtime::keys::ControlRole::Admin);
    let theirs = app
        .control(Method::POST, "/v1/projects")
        .bearer(&developer)
        .header("idempotency-key", &key)
        .json(&json!({ "name": name, "environment": "dev" }));
    theirs.send().await.problem(409, "already_exists");
}

#[tokio::test]
async fn of_many_that_ask_at_once_under_one_key_one_creates() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let name = format!("{}-rush", project.name);
    let asked = join_all((0..8).map(|_| {
        app.control(Method::POST, "/v1/projects")
            .header("idempotency-key", &name)
            .json(&json!({ "name": name }))
            .send()
    }))
    .await;
    let created: Vec<_> = asked.iter().filter(|answer| answer.status == 201).collect();
    let first = created.first().expect("one of them creates").json();
    for answer in &created {
        assert_eq!(answer.json()["id"], first["id"]);
    }
    for answer in asked.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "idempotency_key_in_flight");
    }
}
