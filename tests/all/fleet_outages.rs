//! A fleet without its Postgres, as a whole or one node of it: what needs no database goes on for a while,
//! and who cannot know the latest state for too long refuses to serve.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use serde_json::json;

use super::fleet::{PATIENCE, deploy_in, fleet, listed, member, reached};
use crate::support::{
    ALICE, Answer, Launch, Project, TestApp, Wire, eventually, own_postgres, own_rows,
};

/// The shortest that can be set.
const STALE_S: &str = "5";

/// From a Postgres that answers to a node that does.
const BACK_MAX: Duration = Duration::from_secs(2);

/// A refusal that passes: it says when to come back.
fn away(answer: &Answer, code: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 503, "{text}");
    assert_eq!(answer.header("retry-after"), "1", "{text}");
    assert_eq!(answer.json()["code"], code, "{text}");
}

async fn rows(project: &Project<'_>, token: &str) -> Answer {
    let call = project
        .call(Method::GET, "/behaviours/select")
        .bearer(token);
    call.json(&json!({ "table": "notes" })).send().await
}

#[tokio::test]
async fn while_postgres_is_away_what_needs_none_goes_on_and_the_rest_says_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = own_postgres(folder.path()).await;
    let launch = Launch::serve()
        .await
        .set("DATABASE_URL", &server.connection().url());
    let nodes = fleet(launch, &["eu", "us", "us"]).await;
    let project = nodes[0].project_named("shop").await;
    project.schema(&own_rows("notes")).await;
    project.deploy("behaviours").await;
    deploy_in(&project, "far", "us").await;
    let token = project.token(ALICE).await;
    for node in &nodes {
        let there = node.existing("shop");
        reached(&there, "/behaviours").await;
        reached(&there, "/far").await;
        rows(&there, &token).await.of_function(200);
    }
    server.stop().await.unwrap();
    for node in &nodes {
        let there = node.existing("shop");
        for path in ["/behaviours", "/far"] {
            there.fetch(path).await.of_function(200);
        }
        let signed_in = there.call(Method::GET, "/behaviours/whoami").bearer(&token);
        signed_in.send().await.of_function(200);
        away(&rows(&there, &token).await, "database_away");
        let control = node.control(Method::GET, "/v1/projects").send().await;
        away(&control, "unavailable");
        let ready = node.control(Method::GET, "/readyz").send().await;
        away(&ready, "unavailable");
    }
    let _server = own_postgres(folder.path()).await;
    let begun = Instant::now();
    let back = nodes.iter().map(async |node| {
        let there = node.existing("shop");
        eventually("rows are there again", PATIENCE, async || {
            let is_back = rows(&there, &token).await.status == 200;
            let control = node.control(Method::GET, "/v1/projects").send().await;
            (is_back && control.status == 200).then(|| begun.elapsed())
        })
        .await
    });
    let took = join_all(back).await;
    println!("nodes were back after {took:?}");
    assert!(took.iter().all(|took| *took < BACK_MAX), "{took:?}");
}

/// A change that was acknowledged everywhere is served by no node as it was before: not even by one that
/// could not hear of it.
#[tokio::test]
async fn a_node_that_is_cut_off_serves_for_a_while_and_then_refuses_until_it_is_back() {
    let first = Launch::serve()
        .await
        .set("KOYALITE_MAX_STALENESS_S", STALE_S);
    let nodes = fleet(first, &["eu", "us"]).await;
    let wire = Wire::to(nodes[0].launch.database());
    let beside = nodes[0].launch.neighbour().set("DATABASE_URL", wire.url());
    let cut_off = TestApp::launch(member(beside, "eu")).await;
    let project = nodes[0].project_named("shop").await;
    project.deploy("behaviours").await;
    let there = cut_off.existing("shop");
    reached(&there, "/behaviours").await;
    let begun = Instant::now();
    wire.cut();
    there.fetch("/behaviours").await.of_function(200);

    let switch = |enabled: bool, words: &str| {
        let call = project.control(Method::PATCH, "/functions/behaviours");
        call.query(words).json(&json!({ "enabled": enabled }))
    };
    let late = switch(false, "wait=eu&wait_s=1").send().await;
    let late = late.problem(504, "not_served_yet");
    let named = late["errors"].to_string();
    assert!(
        named.contains(&format!(":{} ", cut_off.process.id())),
        "{late}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "it took too long to tell"
    );
    // It still serves what was switched off, for it cannot know.
    there.fetch("/behaviours").await.of_function(200);
    switch(false, "wait=us").send().await.expect(200);

    switch(false, "wait=all&wait_s=60").send().await.expect(200);
    away(&there.fetch("/behaviours").await, "stale");
    away(&cut_off.call(Method::GET, "/readyz").send().await, "stale");
    away(
        &cut_off.control(Method::GET, "/readyz").send().await,
        "stale",
    );
    cut_off
        .control(Method::GET, "/healthz")
        .send()
        .await
        .expect(200);
    let list = listed(&nodes[0]).await;
    let own = format!(":{}", cut_off.process.id());
    let cut = list
        .iter()
        .find(|node| node["name"].as_str().unwrap().ends_with(&own));
    assert_eq!(cut.unwrap()["state"], "silent", "{list:?}");

    wire.mend();
    eventually("it knows what was switched off", PATIENCE, async || {
        let answer = there.fetch("/behaviours").await;
        assert_ne!(answer.status, 200, "it serves what was switched off");
        (answer.json()["code"] == "function_disabled").then_some(())
    })
    .await;
    switch(true, "wait=all&wait_s=60").send().await.expect(200);
    there.fetch("/behaviours").await.of_function(200);
}

/// Waits until all nodes serve the change of that number.
async fn serving(nodes: &[TestApp], seq: i64) {
    eventually("all nodes serve it", PATIENCE, async || {
        let all = listed(&nodes[0]).await;
        let there = all.iter().all(|node| node["seq"].as_i64() == Some(seq));
        there.then_some(())
    })
    .await;
}

/// Whoever reads the head sees every change up to its number, however long commits take and however many
/// there are at once.
#[tokio::test]
async fn sixty_four_writers_with_slow_commits_and_no_look_at_the_head_misses_a_change() {
    const PROJECTS: usize = 16;
    const WRITERS: usize = 64;
    let nodes = fleet(Launch::serve().await, &["eu", "us", "us"]).await;
    for number in 0..PROJECTS {
        nodes[0].project_named(&format!("shop-{number}")).await;
    }
    let slow = "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(random() * 0.03); RETURN NULL; END $$;
        CREATE TRIGGER slow_write AFTER INSERT ON koyalite.secrets
            FOR EACH ROW EXECUTE FUNCTION public.slow();
        CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON koyalite.head
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.slow();";
    let looking = nodes[0].launch.database().connect().await;
    looking.batch_execute(slow).await.unwrap();
    let look = "SELECT (SELECT seq FROM koyalite.head), (SELECT count(*) FROM koyalite.secrets)";
    let row = looking.query_one(look, &[]).await.unwrap();
    let (start, none): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(none, 0);
    serving(&nodes, start).await;

    let writing = (0..WRITERS).map(async |writer| {
        let node = &nodes[writer % nodes.len()];
        let project = node.existing(&format!("shop-{}", writer % PROJECTS));
        let path = format!("/secrets/S{writer}");
        let call = project
            .control(Method::PUT, &path)
            .json(&json!({ "value": "x" }));
        let answer = call.send().await;
        assert!(answer.status < 300, "{}", answer.text());
    });
    let watching = async {
        let (mut seen, mut looks) = (start, 0);
        while seen < start + WRITERS as i64 {
            let row = looking.query_one(look, &[]).await.unwrap();
            let (head, written): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(
                head - start,
                written,
                "a change below the head is not there"
            );
            assert!(head >= seen, "the head went back");
            (seen, looks) = (head, looks + 1);
        }
        looks
    };
    let (_, looks) = tokio::join!(join_all(writing), watching);
    println!("{looks} looks at {WRITERS} changes");
    serving(&nodes, start + WRITERS as i64).await;
}
