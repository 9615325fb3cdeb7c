//! Rate limits of projects: who is stopped, what they are told, and who is not.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, BOB, Call, Launch, Project, TestApp, eventually};

/// So many requests an hour: none comes back while a test runs.
fn rate(requests: u32) -> Value {
    json!({ "requests": requests, "seconds": 3600 })
}

async fn limit(project: &Project<'_>, limits: Value) {
    let settings = json!({ "settings": { "rate_limits": limits } });
    let changed = project
        .control(Method::PATCH, "")
        .json(&settings)
        .send()
        .await;
    changed.expect(200);
}

fn hello(project: &Project<'_>) -> Call {
    project.call(Method::GET, "/hello")
}

fn remaining(answer: &Answer) -> &str {
    answer.header("ratelimit-remaining")
}

#[tokio::test]
async fn a_caller_who_sends_too_much_waits_and_others_do_not() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let free = hello(&project).send().await.of_function(200);
    assert_eq!(remaining(&free), "", "there is no limit yet: {free:?}");
    limit(&project, json!({ "caller": rate(3) })).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    for left in ["2", "1", "0"] {
        let answer = hello(&project).bearer(&alice).send().await.of_function(200);
        assert_eq!(remaining(&answer), left);
        assert_eq!(answer.header("ratelimit-limit"), "3");
    }
    let refused = hello(&project).bearer(&alice).send().await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1100..=1200).contains(&wait), "{wait}");
    assert_eq!(remaining(&refused), "0");
    assert_eq!(refused.header("ratelimit-reset"), wait.to_string());
    for other in [hello(&project).bearer(&bob), hello(&project)] {
        assert_eq!(remaining(&other.send().await.of_function(200)), "2");
    }
    // A change of something else forgets nothing; other limits begin anew.
    project.deploy("behaviours").await;
    hello(&project)
        .bearer(&alice)
        .send()
        .await
        .problem(429, "rate_limited");
    limit(&project, json!({ "caller": rate(2) })).await;
    hello(&project).bearer(&alice).send().await.of_function(200);
    limit(&project, json!(null)).await;
    let free = hello(&project).bearer(&alice).send().await.of_function(200);
    assert_eq!(remaining(&free), "");
}

#[tokio::test]
async fn a_key_and_a_project_have_limits_of_their_own() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let make = async |name: &str| {
        let wanted = json!({ "name": name, "scopes": ["anon"] });
        let made = project
            .control(Method::POST, "/api-keys")
            .json(&wanted)
            .send()
            .await;
        made.expect(201).json()["key"].as_str().unwrap().to_owned()
    };
    let (one, two) = (make("one").await, make("two").await);
    limit(&project, json!({ "key": rate(2), "project": rate(4) })).await;
    for _ in 0..2 {
        hello(&project).bearer(&one).send().await.of_function(200);
    }
    let stopped = hello(&project).bearer(&one).send().await;
    let detail = stopped.problem(429, "rate_limited")["detail"].to_string();
    assert!(
        detail.contains("this API key may send 2 requests"),
        "{detail}"
    );
    // What was refused has taken nothing of the project's.
    hello(&project).bearer(&two).send().await.of_function(200);
    hello(&project).send().await.of_function(200);
    let all = hello(&project).send().await.problem(429, "rate_limited")["detail"].to_string();
    assert!(all.contains("this project may send 4 requests"), "{all}");
}

#[tokio::test]
async fn behind_a_trusted_proxy_callers_are_told_apart_by_its_word() {
    let trusting = Launch::serve()
        .await
        .set("KOYALITE_TRUSTED_PROXIES", "127.0.0.0/8");
    let app = TestApp::launch(trusting).await;
    let project = app.project_named("behind").await;
    project.deploy("hello").await;
    limit(&project, json!({ "caller": rate(1) })).await;
    let from = |list: &str| hello(&project).header("x-forwarded-for", list).send();
    from("1.1.1.1").await.of_function(200);
    from("2.2.2.2").await.of_function(200);
    // What a caller writes himself comes before what the proxy has added.
    from("9.9.9.9, 1.1.1.1").await.problem(429, "rate_limited");
    hello(&project).send().await.of_function(200);
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_chooses_his_address() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    limit(&project, json!({ "caller": rate(1) })).await;
    hello(&project).send().await.of_function(200);
    let posing = hello(&project)
        .header("x-forwarded-for", "1.1.1.1")
        .send()
        .await;
    posing.problem(429, "rate_limited");
}

#[tokio::test]
async fn what_was_used_comes_back() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    limit(
        &project,
        json!({ "caller": { "requests": 1, "seconds": 1 } }),
    )
    .await;
    eventually("a request too many", Duration::from_secs(20), async || {
        (hello(&project).send().await.status == 429).then_some(())
    })
    .await;
    eventually("the next one", Duration::from_secs(20), async || {
        (hello(&project).send().await.status == 200).then_some(())
    })
    .await;
}
