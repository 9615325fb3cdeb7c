//! Deployments of two versions: their shares, who has which, who may name which, and what is remembered.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use koyalite_runtime::keys::ControlRole;
use serde_json::{Value, json};

use crate::support::{Answer, Call, CommandLine, Project, TestApp, guest, other_bytes};

pub(crate) fn version_of(answer: &Answer) -> u32 {
    answer.header("koyalite-version").parse().unwrap()
}

/// Bytes of a version of `hello` that nobody else has.
pub(crate) fn hello(mark: &str) -> Bytes {
    other_bytes(&guest("hello"), mark)
}

async fn deploy(project: &Project<'_>, mark: &str, query: &str) -> Answer {
    let call = project.control(Method::PUT, &format!("/functions/hello{query}"));
    call.body(hello(mark)).send().await
}

pub(crate) async fn set(project: &Project<'_>, body: &Value) -> Answer {
    let call = project.control(Method::POST, "/functions/hello/deployments");
    call.json(body).send().await
}

fn shares(shares: &[(u32, u32)]) -> Value {
    let one = |(version, weight): &(u32, u32)| json!({ "version": version, "weight": weight });
    shares.iter().map(one).collect()
}

/// A function whose version 2 has `weight` percent of the calls.
async fn canary<'a>(app: &'a TestApp, query: &str) -> Project<'a> {
    let project = app.project().await;
    deploy(&project, "one", "").await.expect(201);
    deploy(&project, "two", query).await.expect(201);
    project
}

/// The callers among a hundred who have version 2.
async fn newer(project: &Project<'_>, call: impl Fn(Call, u32) -> Call) -> BTreeSet<u32> {
    let mut callers = BTreeSet::new();
    for caller in 0..100 {
        let asked = call(project.call(Method::GET, "/hello"), caller);
        if version_of(&asked.send().await.of_function(200)) == 2 {
            callers.insert(caller);
        }
    }
    callers
}

fn by_header(call: Call, caller: u32) -> Call {
    call.header("x-account", &format!("account {caller}"))
}

#[tokio::test]
async fn a_canary_has_its_share_and_who_has_it_keeps_it_while_the_share_grows() {
    let app = TestApp::shared().await;
    let project = canary(&app, "?weight=20&affinity=header:X-Account").await;
    let said = project.get("/functions/hello").await;
    assert_eq!(said["version"], 1, "{said}");
    assert_eq!(said["versions"], shares(&[(1, 80), (2, 20)]));
    let at_20 = newer(&project, by_header).await;
    assert!((5..40).contains(&at_20.len()), "{at_20:?}");
    assert_eq!(newer(&project, by_header).await, at_20, "they stay");
    // Without the header each request is for itself.
    let anybody = newer(&project, |call, _| call).await;
    assert!((3..45).contains(&anybody.len()), "{anybody:?}");

    let more = json!({ "versions": shares(&[(1, 40), (2, 60)]) });
    let made = set(&project, &more).await.expect(201).json();
    assert_eq!(made["affinity"], "header:x-account", "it goes on: {made}");
    let at_60 = newer(&project, by_header).await;
    assert!(at_60.is_superset(&at_20), "{at_20:?} {at_60:?}");
    assert!((40..80).contains(&at_60.len()), "{at_60:?}");

    let whole = json!({ "versions": shares(&[(2, 100)]) });
    set(&project, &whole).await.expect(201);
    assert_eq!(newer(&project, by_header).await.len(), 100);
    let said = project.get("/functions/hello").await;
    assert_eq!(said["versions"], shares(&[(2, 100)]));
}

#[tokio::test]
async fn callers_are_told_apart_by_a_cookie_a_claim_or_what_the_manifest_says() {
    let app = TestApp::shared().await;
    let by_cookie = canary(&app, "?weight=50&affinity=cookie:sid").await;
    let cookie = |call: Call, caller: u32| call.header("cookie", &format!("a=1; sid={caller}"));
    let first = newer(&by_cookie, cookie).await;
    assert!((25..75).contains(&first.len()), "{first:?}");
    assert_eq!(newer(&by_cookie, cookie).await, first);

    let project = app.project().await;
    project
        .deploy_as("hello", "hello", "affinity = \"claim:org\"")
        .await;
    let two = project.control(Method::PUT, "/functions/hello?weight=50");
    two.body(hello("two")).send().await.expect(201);
    let mut seen = BTreeSet::new();
    for org in 0..12 {
        let mut of_org = BTreeSet::new();
        for user in ["ada", "bob", "eve"] {
            let token = project.token_with(user, &json!({ "org": org })).await;
            let call = project.call(Method::GET, "/hello").bearer(&token);
            of_org.insert(version_of(&call.send().await.of_function(200)));
        }
        assert_eq!(of_org.len(), 1, "an organisation is of one mind");
        seen.append(&mut of_org);
    }
    assert_eq!(seen, BTreeSet::from([1, 2]));
}

#[tokio::test]
async fn anybody_may_name_a_version_that_serves_and_no_other() {
    let app = TestApp::shared().await;
    let project = canary(&app, "").await;
    deploy(&project, "three", "?weight=1").await.expect(201);
    let ask = async |version: u32, token: Option<&str>| {
        let call = project.call(Method::GET, "/hello");
        let call = call.header("koyalite-version", &version.to_string());
        match token {
            Some(token) => call.bearer(token).send().await,
            None => call.send().await,
        }
    };
    for version in [2, 3] {
        for _ in 0..5 {
            assert_eq!(
                version_of(&ask(version, None).await.of_function(200)),
                version
            );
        }
    }
    ask(1, None).await.problem(404, "unknown_version");
    let user = project.token("alice").await;
    ask(1, Some(&user)).await.problem(404, "unknown_version");
    let developer = app.operator(ControlRole::Developer);
    assert_eq!(
        version_of(&ask(1, Some(&developer)).await.of_function(200)),
        1
    );
}

#[tokio::test]
async fn the_history_says_what_served_when_by_whom_and_why() {
    let app = TestApp::shared().await;
    let project = canary(&app, "?weight=10&message=try%20the%20new%20cart").await;
    let half = json!({ "versions": shares(&[(2, 50), (1, 50)]), "message": "half", "after": 2 });
    set(&project, &half).await.expect(201);
    let stale = set(&project, &half).await;
    assert!(
        stale
            .problem(412, "precondition_failed")
            .to_string()
            .contains("deployment 3")
    );
    let back = project.control(Method::POST, "/functions/hello/rollback");
    let back = back.json(&json!({ "message": "too slow" })).send().await;
    let back = back.expect(200).json();
    assert_eq!(
        (&back["version"], &back["deployment"]),
        (&json!(1), &json!(4))
    );
    // Any version, also one that served long ago.
    let any = project.control(Method::POST, "/functions/hello/rollback");
    any.json(&json!({ "version": 2 })).send().await.expect(200);

    let history = project.list("/functions/hello/deployments").await;
    let told: Vec<_> = history
        .iter()
        .map(|one| json!([one["number"], one["versions"], one["cause"], one["message"]]))
        .collect();
    let expected = [
        json!([5, shares(&[(2, 100)]), "rollback", null]),
        json!([4, shares(&[(1, 100)]), "rollback", "too slow"]),
        json!([3, shares(&[(1, 50), (2, 50)]), "weights", "half"]),
        json!([2, shares(&[(1, 90), (2, 10)]), "deploy", "try the new cart"]),
        json!([1, shares(&[(1, 100)]), "deploy", null]),
    ];
    assert_eq!(told, expected);
    let active: Vec<_> = history.iter().map(|one| one["active"] == true).collect();
    assert_eq!(active, [true, false, false, false, false]);
    assert!(
        history.iter().all(|one| one["actor"] == "admin"),
        "{history:?}"
    );

    let first = project.get("/functions/hello/deployments?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/functions/hello/deployments?limit=2&cursor={cursor}");
    assert_eq!(project.get(&path).await["items"][0]["number"], 3);
    let entries = project.list("/audit?action=function.weights").await;
    assert_eq!(entries[0]["metadata"]["message"], "half", "{entries:?}");
}

#[tokio::test]
async fn shares_that_cannot_be_are_refused_and_nothing_changes() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let nothing = deploy(&project, "one", "?weight=10").await;
    nothing.problem(409, "conflict");
    deploy(&project, "one", "").await.expect(201);
    let problem = deploy(&project, "one", "?weight=10").await;
    problem.problem(409, "conflict");
    for (query, code) in [
        ("?weight=0", "invalid_field"),
        ("?weight=101", "invalid_field"),
        ("?weight=ten", "invalid_query"),
        ("?wieght=10", "invalid_query"),
        ("?weight=10&affinity=ip", "invalid_field"),
        ("?weight=10&window_s=60", "invalid_field"),
        ("?weight=10&error_percent_max=5&window_s=1", "invalid_field"),
    ] {
        let refused = deploy(&project, "two", query).await;
        refused.problem(400, code);
    }
    let elsewhere = "name = \"hello\"\npath = \"/other\"\n";
    let upload = project.upload_with("hello?weight=10", &hello("two"), elsewhere);
    let problem = upload.send().await.problem(400, "invalid_manifest");
    assert_eq!(problem["errors"][0]["field"], "path", "{problem}");

    deploy(&project, "two", "?weight=10").await.expect(201);
    for (body, status, code) in [
        (json!({ "versions": [] }), 400, "invalid_field"),
        (
            json!({ "versions": shares(&[(1, 50), (2, 49)]) }),
            400,
            "invalid_field",
        ),
        (
            json!({ "versions": shares(&[(2, 99)]) }),
            400,
            "invalid_field",
        ),
        (
            json!({ "versions": shares(&[(9, 100)]) }),
            404,
            "unknown_version",
        ),
        (
            json!({ "versions": shares(&[(1, 100)]), "extra": 1 }),
            400,
            "unknown_field",
        ),
        (
            json!({ "versions": shares(&[(2, 100)]), "auto_rollback": {} }),
            400,
            "invalid_field",
        ),
    ] {
        set(&project, &body).await.problem(status, code);
    }
    let unknown = project.control(Method::POST, "/functions/none/deployments");
    let body = json!({ "versions": shares(&[(1, 100)]) });
    unknown
        .json(&body)
        .send()
        .await
        .problem(404, "unknown_function");
    assert_eq!(project.list("/functions/hello/deployments").await.len(), 2);
}

#[tokio::test]
async fn a_canary_is_made_grown_and_ended_from_the_command_line() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let shell = CommandLine::of(&app, &project.name);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("koyalite.toml"), "name = \"hello\"\n").unwrap();
    let one = folder.path().join("one.wasm");
    std::fs::write(&one, hello("one")).unwrap();
    let two = folder.path().join("two.wasm");
    std::fs::write(&two, hello("two")).unwrap();
    let run = async |arguments: &[&str]| shell.run(folder.path(), arguments).await.expect(0);
    run(&["deploy", "--component", "one.wasm"]).await;
    let said = run(&[
        "deploy",
        "--component",
        "two.wasm",
        "--weight",
        "10",
        "-m",
        "new",
    ])
    .await;
    assert!(said.contains("version 2 for 10 % of its calls"), "{said}");
    let said = run(&["deployments", "set-weights", "hello", "2=25"]).await;
    assert!(said.contains("1 (75 %), 2 (25 %)"), "{said}");
    let said = run(&["versions", "hello"]).await;
    assert!(said.contains("25 %") && said.contains("75 %"), "{said}");
    run(&[
        "deployments",
        "promote",
        "hello",
        "--message",
        "all is well",
    ])
    .await;
    let said = run(&["deployments", "hello"]).await;
    assert!(
        said.contains("all is well") && said.contains("1 (75 %), 2 (25 %)"),
        "{said}"
    );
    let nothing = shell
        .run(folder.path(), &["deployments", "promote", "hello"])
        .await;
    assert!(nothing.errors.contains("no canary"), "{nothing:?}");
    run(&["rollback", "hello", "-m", "it was not"]).await;
    assert_eq!(version_of(&project.fetch("/hello").await), 1);
}
