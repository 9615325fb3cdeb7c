//! Who a host call acts for, where one instance serves several callers at once.
//!
//! Identity belongs to the invocation. These stories interleave two users in one instance, wake one
//! user's code from inside another's request, and let a number that named one call name the next.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{ALICE, Answer, BOB, Project, TestApp, eventually, own_rows};

const SHARED: &str = "isolation = \"shared\"\n";

/// A project with a shared function and one row for each of the two users.
async fn two_users(project: &Project<'_>) -> (String, String) {
    project.schema(&own_rows("notes")).await;
    project.deploy_as("behaviours", "behaviours", SHARED).await;
    let (alice, bob) = (project.token(ALICE).await, project.token(BOB).await);
    for (token, owner, title) in [(&alice, ALICE, "of alice"), (&bob, BOB, "of bob")] {
        let row = json!({ "table": "notes", "rows": [{ "owner_id": owner, "title": title }] });
        let call = project
            .call(Method::POST, "/behaviours/insert")
            .bearer(token);
        call.json(&row).send().await.of_function(200);
    }
    (alice, bob)
}

/// What a waiting request saw before and after its wait, as one line.
fn seen(answer: &Answer) -> String {
    let said = answer.json();
    let subject = |when: &str| {
        said[when]["subject"]
            .as_str()
            .unwrap_or("nobody")
            .to_owned()
    };
    let rows: Vec<_> = match said["rows"].as_array() {
        Some(rows) => rows.iter().map(|row| row["title"].to_string()).collect(),
        None => vec![said["rows"]["error"].to_string()],
    };
    format!(
        "{} then {} saw {}",
        subject("before"),
        subject("after"),
        rows.join(",")
    )
}

/// Three calls of `path` wait in one instance; then `opener` lets them go on. Answers what each saw
/// and how many the opener woke from inside its own request.
async fn hold(
    project: &Project<'_>,
    path: &str,
    callers: [Option<&str>; 3],
    opener: &str,
) -> ([String; 3], u64) {
    let wait = async |caller: Option<&str>| {
        let call = project.call(Method::GET, path);
        let call = caller
            .into_iter()
            .fold(call, |call, token| call.bearer(token));
        seen(&call.send().await.of_function(200))
    };
    let release = async {
        // Round trips through the same instance: calls sent before are in it by now, as a rule.
        for _ in 0..5 {
            project.fetch("/behaviours/whoami").await.of_function(200);
        }
        let key = path.split("hold=").nth(1).unwrap();
        let open = project.call(Method::POST, &format!("/behaviours/release?key={key}"));
        let said = open.bearer(opener).send().await.of_function(200).json();
        said["woken"].as_u64().unwrap()
    };
    let [a, b, c] = callers;
    let (a, b, c, woken) = tokio::join!(wait(a), wait(b), wait(c), release);
    ([a, b, c], woken)
}

/// What the three must have seen: alice, bob and nobody.
fn own_views() -> [String; 3] {
    [
        format!("{ALICE} then {ALICE} saw \"of alice\""),
        format!("{BOB} then {BOB} saw \"of bob\""),
        "nobody then nobody saw \"denied_by_claims\"".to_owned(),
    ]
}

#[tokio::test]
async fn users_interleaved_on_one_instance_never_see_each_others_rows() {
    let app = TestApp::on_one_thread().await;
    let project = app.project().await;
    let (alice, bob) = two_users(&project).await;
    for round in 0..5 {
        let path = format!("/behaviours/interleave?table=notes&hold=i{round}");
        let opener = if round % 2 == 0 { &bob } else { &alice };
        let (views, _) = hold(&project, &path, [Some(&alice), Some(&bob), None], opener).await;
        assert_eq!(views, own_views(), "round {round}");
    }
    let count = project.fetch("/behaviours/count").await.text();
    let again = project.fetch("/behaviours/count").await.text();
    assert_ne!(count, again, "the requests shared an instance");
}

#[tokio::test]
async fn code_woken_from_inside_anothers_request_still_acts_for_its_own_caller() {
    let app = TestApp::on_one_thread().await;
    let project = app.project().await;
    let (alice, bob) = two_users(&project).await;
    let mut all_at_once = 0;
    for round in 0..50 {
        let path = format!("/behaviours/cross-wake?table=notes&hold=w{round}");
        let opener = if round % 2 == 0 { &bob } else { &alice };
        let (views, woken) = hold(&project, &path, [Some(&alice), Some(&bob), None], opener).await;
        assert_eq!(views, own_views(), "round {round}");
        all_at_once += u32::from(woken == 3);
        if all_at_once == 5 {
            return;
        }
    }
    panic!("in 50 rounds the three waited together only {all_at_once} times");
}

#[tokio::test]
async fn work_after_the_answer_still_acts_for_the_caller_who_set_it_off() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    let (alice, bob) = two_users(&project).await;
    for (token, subject, title) in [(&alice, ALICE, "of alice"), (&bob, BOB, "of bob")] {
        let start = project.call(Method::POST, "/behaviours/after-answer?table=notes");
        let now = start.bearer(token).send().await.of_function(200).json();
        assert_eq!(now["subject"], subject);
        let what = "a note of the caller";
        let noted = eventually(what, Duration::from_secs(20), async || {
            // Asked by the other user all the while, whose calls must not become the caller.
            let other = if subject == ALICE { &bob } else { &alice };
            let call = project.call(Method::GET, "/behaviours/noted").bearer(other);
            let noted = call.send().await.of_function(200).json();
            (noted["caller"]["subject"] == subject).then_some(noted)
        });
        let noted = noted.await;
        let titles: Vec<&Value> = noted["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| &r["title"])
            .collect();
        assert_eq!(titles, [title], "{noted}");
    }
}

/// The guest task's number may come again: a firing after a request must not inherit its caller.
#[tokio::test]
async fn a_firing_after_a_request_acts_as_the_service_and_a_request_after_it_as_its_own_caller() {
    const MANIFEST: &str =
        "isolation = \"shared\"\n[[schedules]]\nname = \"often\"\ncron = \"* * * * * *\"\n";
    let app = TestApp::on_one_thread().await;
    let project = app.project().await;
    project.schema(&own_rows("todos")).await;
    project
        .deploy_as("both", "scheduled-then-http", MANIFEST)
        .await;
    let alice = project.token(ALICE).await;
    let whoami = async || {
        let call = project.call(Method::GET, "/both/whoami").bearer(&alice);
        call.send().await.of_function(200).json()
    };
    for _ in 0..3 {
        let me = whoami().await;
        assert_eq!(
            (&me["role"], &me["subject"]),
            (&json!("authenticated"), &json!(ALICE)),
            "{me}"
        );
        let last = eventually("a firing", Duration::from_secs(30), async || {
            let call = project.call(Method::GET, "/both/last").bearer(&alice);
            let last = call.send().await.of_function(200).json();
            last["task"].is_string().then_some(last)
        })
        .await;
        assert_eq!(last["task"], "often");
        assert_eq!(last["role"], "service_role", "{last}");
        assert_ne!(last["subject"], ALICE, "{last}");
    }
}

#[tokio::test]
async fn without_asking_for_it_every_request_has_an_instance_of_its_own() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    for _ in 0..3 {
        assert_eq!(
            project
                .fetch("/behaviours/count")
                .await
                .of_function(200)
                .text(),
            "1"
        );
    }
}

#[tokio::test]
async fn who_may_not_share_is_refused_with_the_reason() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    for name in ["hello-02", "p3-host-sync", "behaviours-02"] {
        let manifest = format!("name = \"{name}\"\n{SHARED}");
        let component = crate::support::guest(name);
        let refused = project
            .upload_with(name, &component, &manifest)
            .send()
            .await;
        let problem = refused.problem(400, "invalid_manifest");
        assert_eq!(problem["errors"][0]["field"], "isolation", "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains("shared"),
            "{problem}"
        );
    }
}
