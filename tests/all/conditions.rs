//! Changes under a condition: who has not seen the last state of a thing changes nothing.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Project, TestApp, own_rows};

/// A thing is read, changed by its tag, and not changed again by the same one.
async fn check(project: &Project<'_>, (method, path): (Method, &str), changes: [Value; 2]) {
    let read = project.control(Method::GET, path).send().await.expect(200);
    let tag = read.header("etag").to_owned();
    assert!(tag.starts_with('"'), "{path}: {read:?}");
    let change = async |tag: &str, change: &Value| {
        let call = project.control(method.clone(), path).json(change);
        call.header("if-match", tag).send().await
    };
    let changed = change(&tag, &changes[0]).await.expect(200);
    let next = changed.header("etag").to_owned();
    assert_ne!(next, tag, "{path}");
    let late = change(&tag, &changes[1]).await;
    late.problem(412, "precondition_failed");
    let again = project.control(Method::GET, path).send().await.expect(200);
    assert_eq!(
        again.header("etag"),
        next,
        "{path}: of what a change answers"
    );
    change(&next, &changes[1]).await.expect(200);
    // Whoever sets no condition has not asked.
    let call = project.control(method.clone(), path).json(&changes[0]);
    call.send().await.expect(200);
}

async fn made(project: &Project<'_>, path: &str, body: Value) -> String {
    let made = project.control(Method::POST, path).json(&body).send().await;
    let made = made.expect(201).json();
    format!("{path}/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn what_somebody_else_has_changed_meanwhile_is_not_written_over() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.schema(&own_rows("notes")).await;
    let policy =
        json!({ "name": "all", "table": "notes", "commands": ["select"], "using": "true" });
    let policy = made(&project, "/policies", policy).await;
    let using = ["title = 'a'", "title = 'b'"].map(|using| json!({ "using": using }));
    check(&project, (Method::PATCH, &policy), using).await;

    let endpoint = json!({ "target_url": "https://example.com/hooks", "event_types": ["a.b"] });
    let endpoint = made(&project, "/webhooks/endpoints", endpoint).await;
    let said = ["one", "two"].map(|said| json!({ "description": said }));
    check(&project, (Method::PATCH, &endpoint), said).await;

    let words = ["one", "two"].map(|text| json!({ "subject": "Hello", "text": text }));
    let template = "/email/templates/hello";
    let put = async |words: &Value, tag: Option<&str>| {
        let call = project.control(Method::PUT, template).json(words);
        let call = tag
            .into_iter()
            .fold(call, |call, tag| call.header("if-match", tag));
        call.send().await
    };
    // Of what is not there, nobody has seen a state.
    let early = put(&words[0], Some("\"0123456789abcdef01234567\"")).await;
    early.problem(412, "precondition_failed");
    put(&json!({ "subject": "Hello", "text": "zero" }), None)
        .await
        .expect(200);
    check(&project, (Method::PUT, template), words).await;

    let claims = ["team", "tier"].map(|name| json!({ name: { "required": false } }));
    check(&project, (Method::PUT, "/claims"), claims).await;
}
