//! Who gets a place, who waits, and who pays for a shared instance that ends.

use std::time::Duration;

use futures::future::join_all;
use http::Method;

use crate::support::{Answer, Launch, Project, TestApp, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

async fn on_one_thread(settings: &[(&str, &str)]) -> TestApp {
    let launch = Launch::serve()
        .await
        .set("KOYALITE_CONNECTION_THREADS", "1");
    let set = |launch: Launch, (name, value): &(&str, &str)| launch.set(name, value);
    TestApp::launch(settings.iter().fold(launch, set)).await
}

async fn seen(app: &TestApp, gauge: &str, count: f64) {
    let seen = eventually(gauge, PATIENCE, async || {
        (app.metric(gauge).await == count).then_some(())
    });
    seen.await;
}

async fn running(app: &TestApp, count: f64) {
    seen(app, "koyalite_invocations_running", count).await;
}

/// Idle instances of shared functions hold all places there are; calls get them all the same.
#[tokio::test]
async fn no_call_is_lost_when_there_are_hardly_any_instances() {
    let app = on_one_thread(&[("KOYALITE_INSTANCES_MAX", "3")]).await;
    let project = app.project().await;
    project.deploy("hello").await;
    for name in ["one", "two", "three"] {
        let lines = "isolation = \"shared\"\n";
        project.deploy_as(name, "behaviours", lines).await;
        project
            .fetch(&format!("/{name}/count"))
            .await
            .of_function(200);
    }
    seen(&app, "koyalite_instances", 3.0).await;
    let calls = (0..60).map(|number| {
        let path = ["/hello", "/one", "/hello", "/two"][number % 4];
        project.fetch(path)
    });
    for answer in join_all(calls).await {
        answer.of_function(200);
    }
}

/// An answer is not the end: what a function does afterwards is an invocation still, and takes the
/// place of one.
#[tokio::test]
async fn work_after_the_answer_keeps_its_place_until_it_ends() {
    let app = on_one_thread(&[("KOYALITE_INVOCATIONS_PER_FUNCTION_MAX", "2")]).await;
    let project = app.project().await;
    let lines = "[limits]\nwall_ms = 2000\n";
    project.deploy_as("hostile", "hostile", lines).await;
    for _ in 0..2 {
        project.fetch("/hostile/linger").await.of_function(200);
    }
    running(&app, 2.0).await;
    seen(&app, "koyalite_instances", 2.0).await;
    // The third one waits for one of them, and is served when its time is over.
    project.fetch("/hostile/never-read").await.of_function(200);
    running(&app, 0.0).await;
}

/// The node would let it have a hundred.
#[tokio::test]
async fn a_function_has_as_many_calls_at_once_as_its_manifest_asks_for() {
    let app = on_one_thread(&[]).await;
    let project = app.project().await;
    let lines = "[limits]\nwall_ms = 2000\nconcurrency = 1\n";
    project.deploy_as("hostile", "hostile", lines).await;
    project.fetch("/hostile/linger").await.of_function(200);
    let waits = seen(&app, "koyalite_invocations_waiting", 1.0);
    let (answer, ()) = tokio::join!(project.fetch("/hostile/never-read"), waits);
    answer.of_function(200);
}

fn hold<'a>(project: &'a Project<'_>, key: &str) -> impl Future<Output = Answer> + use<'a> {
    let path = format!("/behaviours/interleave?hold={key}");
    project.call(Method::GET, &path).send()
}

/// Nobody can say whose code it was, so nobody is blamed; but the next time somebody is.
#[tokio::test]
async fn who_shares_an_instance_with_a_trap_is_told_and_kept_apart_from_then_on() {
    let app = on_one_thread(&[]).await;
    let project = app.project().await;
    let lines = "isolation = \"shared\"\n[limits]\nfirst_byte_ms = 3000\n";
    project.deploy_as("behaviours", "behaviours", lines).await;
    let trap = async |after: f64| {
        running(&app, after).await;
        project.fetch("/behaviours/trap-before").await
    };
    let (trapped, one, two) =
        tokio::join!(trap(2.0), hold(&project, "never"), hold(&project, "never"));
    for answer in [trapped, one, two] {
        answer.problem(503, "collateral");
        assert_eq!(answer.header("retry-after"), "1");
    }
    // From now on each is alone: the one that waits hears of its own limit, not of the other's trap.
    let (trapped, held) = tokio::join!(trap(1.0), hold(&project, "never"));
    trapped.problem(500, "guest_trapped");
    held.problem(504, "wall_limit");
}
