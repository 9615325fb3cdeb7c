//! Deploying over HTTP: what the answer says, versions, the switch between them, the way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, Project, TestApp, guest, other_bytes};

fn version_of(answer: &Answer) -> u32 {
    answer.header("koyalite-version").parse().unwrap()
}

#[tokio::test]
async fn a_deployed_component_answers_at_once_and_the_deploy_says_what_it_is() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let component = guest("hello");
    let deployed = project
        .upload("hello", component.clone())
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(deployed["name"], "hello");
    assert_eq!(deployed["version"], 1);
    assert_eq!(deployed["path"], "/hello");
    assert_eq!(deployed["changed"], true);
    assert_eq!(deployed["sha256"], hex::encode(Sha256::digest(&component)));
    let names = |field: &str| deployed[field].to_string();
    assert!(
        names("exports").contains("wasi:http/handler@0.3"),
        "{deployed}"
    );
    assert!(
        names("imports").contains("wasi:http/types@0.3"),
        "{deployed}"
    );

    let url = deployed["url"].as_str().unwrap();
    assert!(
        url.ends_with(&format!("/f/{}/hello", project.name)),
        "{url}"
    );
    let authority = url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let port = authority.rsplit(':').next();
    assert_eq!(port, app.functions_authority().rsplit(':').next(), "{url}");

    let answer = project.fetch("/hello?name=you").await.of_function(200);
    assert_eq!(answer.text(), "hello, you\n");
    assert_eq!(version_of(&answer), 1);
    assert!(!answer.header("x-request-id").is_empty());
    assert!(!answer.header("koyalite-region").is_empty());
}

#[tokio::test]
async fn the_same_bytes_make_no_version_other_bytes_the_next_and_old_ones_come_back() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (first, second) = (guest("hello"), other_bytes(&guest("hello"), "second"));
    let deploy = async |bytes, status, version: u32, changed: bool| {
        let said = project
            .upload("hello", bytes)
            .send()
            .await
            .expect(status)
            .json();
        assert_eq!(
            (&said["version"], &said["changed"]),
            (&version.into(), &changed.into())
        );
        assert_eq!(version_of(&project.fetch("/hello").await), version);
    };
    deploy(first.clone(), 201, 1, true).await;
    deploy(first.clone(), 200, 1, false).await;
    deploy(second.clone(), 201, 2, true).await;
    deploy(second, 200, 2, false).await;
    // What was deployed before is deployed again, as the version that it was.
    deploy(first, 201, 1, true).await;

    let versions = project.list("/functions/hello/versions").await;
    let active: Vec<_> = versions.iter().filter(|v| v["active"] == true).collect();
    assert_eq!((versions.len(), active.len()), (2, 1), "{versions:?}");
    assert_eq!(active[0]["version"], 1);
}

#[tokio::test]
async fn a_manifest_is_part_of_the_version_and_kept_where_none_is_sent() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let manifest = "path = \"/greet\"\n[config]\ngreeting = \"one\"\n";
    project
        .deploy_as("behaviours", "behaviours", manifest)
        .await;
    let greeting = async || {
        project
            .fetch("/greet/config?key=greeting")
            .await
            .expect(200)
            .json()
    };
    assert_eq!(greeting().await, "one");

    let bytes = other_bytes(&guest("behaviours"), "next");
    let next = project
        .upload("behaviours", bytes.clone())
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(
        (&next["version"], &next["path"]),
        (&json!(2), &json!("/greet"))
    );
    assert_eq!(greeting().await, "one");

    let other = "name = \"behaviours\"\npath = \"/greet\"\n[config]\ngreeting = \"two\"\n";
    let third = project
        .upload_with("behaviours", &bytes, other)
        .send()
        .await
        .expect(201)
        .json();
    assert_eq!(third["version"], 3, "the manifest is part of the version");
    assert_eq!(greeting().await, "two");
}

/// Asks for a version by header and by path, with and without the right to.
async fn ask(project: &Project<'_>, number: u32, token: Option<&str>) -> [Answer; 2] {
    let with = |call: crate::support::Call| match token {
        Some(token) => call.bearer(token),
        None => call,
    };
    let by_header = project
        .call(Method::GET, "/hello")
        .header("koyalite-version", &number.to_string());
    let by_path = project.call(Method::GET, &format!("/hello@{number}/"));
    [with(by_header).send().await, with(by_path).send().await]
}

#[tokio::test]
async fn an_older_version_is_reached_by_whoever_may_deploy_and_by_nobody_else() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    project
        .upload("hello", guest("hello-02"))
        .send()
        .await
        .expect(201);
    let user = project.token("alice").await;

    for role in [ControlRole::Admin, ControlRole::Developer] {
        for answer in ask(&project, 1, Some(&app.operator(role))).await {
            let answer = answer.of_function(200);
            assert_eq!(
                (answer.text().as_str(), version_of(&answer)),
                ("hello, world\n", 1)
            );
        }
    }
    for token in [None, Some(user.as_str())] {
        for answer in ask(&project, 1, token).await {
            answer.problem(404, "unknown_version");
        }
        // The version that serves anyway is no secret.
        for answer in ask(&project, 2, token).await {
            assert_eq!(version_of(&answer.of_function(200)), 2);
        }
    }
    for answer in ask(&project, 3, Some(app.admin())).await {
        answer.problem(404, "unknown_version");
    }
    let viewer = app.operator(ControlRole::Viewer);
    for answer in ask(&project, 1, Some(&viewer)).await {
        assert!([401, 404].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test]
async fn rolling_back_is_one_call() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let nothing = project
        .control(Method::POST, "/functions/hello/rollback")
        .send()
        .await;
    nothing.problem(409, "nothing_to_roll_back");

    project
        .upload("hello", guest("hello-02"))
        .send()
        .await
        .expect(201);
    project
        .upload("hello", other_bytes(&guest("hello"), "three"))
        .send()
        .await
        .expect(201);
    let roll = async |body: Value, version: u32| {
        let back = project
            .control(Method::POST, "/functions/hello/rollback")
            .json(&body);
        assert_eq!(back.send().await.expect(200).json()["version"], version);
        assert_eq!(
            version_of(&project.fetch("/hello").await.of_function(200)),
            version
        );
    };
    roll(json!({}), 2).await;
    roll(json!({ "version": 1 }), 1).await;
    roll(json!({ "version": 3 }), 3).await;
    let unknown = project.control(Method::POST, "/functions/hello/rollback");
    unknown
        .json(&json!({ "version": 9 }))
        .send()
        .await
        .problem(404, "unknown_version");
}

#[tokio::test]
async fn a_function_that_is_switched_off_answers_nobody_until_it_is_switched_on() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    let switch = async |enabled: bool| {
        let patch = project.control(Method::PATCH, "/functions/hello");
        let said = patch
            .json(&json!({ "enabled": enabled }))
            .send()
            .await
            .expect(200)
            .json();
        assert_eq!(said["enabled"], enabled);
    };
    switch(false).await;
    project
        .fetch("/hello")
        .await
        .problem(404, "function_disabled");
    switch(true).await;
    project.fetch("/hello").await.of_function(200);
}

/// Callers who never pause. Each answer must be whole, and of one version or the other.
#[tokio::test]
async fn a_switch_under_load_loses_no_request_and_mixes_no_versions() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("hello").await;
    // The least version that an answer may have: raised as soon as a deploy has answered.
    let least = Arc::new(AtomicU32::new(1));
    let done = Arc::new(AtomicBool::new(false));
    let served = AtomicU32::new(0);
    let caller = async || {
        while !done.load(Ordering::SeqCst) {
            let at_least = least.load(Ordering::SeqCst);
            let answer = project.fetch("/hello").await.of_function(200);
            let version = version_of(&answer);
            assert!(
                version >= at_least,
                "version {version} after {at_least} was there"
            );
            let text = if version % 2 == 1 {
                "hello, world\n"
            } else {
                "hello from WASI 0.2\n"
            };
            assert_eq!(answer.text(), text, "version {version}");
            served.fetch_add(1, Ordering::SeqCst);
        }
    };
    let deployer = async {
        for version in 2..=5_u32 {
            let name = if version % 2 == 1 {
                "hello"
            } else {
                "hello-02"
            };
            let bytes = other_bytes(&guest(name), &format!("version {version}"));
            let said = project
                .upload("hello", bytes)
                .send()
                .await
                .expect(201)
                .json();
            assert_eq!(said["version"], version);
            least.store(version, Ordering::SeqCst);
            let before = served.load(Ordering::SeqCst);
            while served.load(Ordering::SeqCst) < before + 20 {
                tokio::task::yield_now().await;
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(caller(), caller(), caller(), caller(), deployer);
    assert!(served.load(Ordering::SeqCst) > 80);
}
