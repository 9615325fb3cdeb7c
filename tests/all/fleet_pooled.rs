//! Nodes behind a pooler that gives each transaction another connection: all that a fleet does is done there too.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::fleet::{PATIENCE, fleet, member, reached};
use super::schedules_nodes::{runs, steps};
use crate::support::{ALICE, BOB, Launch, Pooler, Project, Receiver, eventually, own_rows};

/// How many ask at once, of each user at each node.
const CALLERS: usize = 6;

async fn ask(project: &Project<'_>, path: &str, token: &str, body: Value) -> Value {
    let path = format!("/behaviours/{path}");
    let call = project.call(Method::POST, &path).bearer(token).json(&body);
    call.send().await.of_function(200).json()
}

fn row(owner: &str) -> Value {
    json!({ "table": "notes", "rows": [{ "owner_id": owner, "title": owner }] })
}

/// Writes a row alone, one in a transaction and one in a batch, and sees its own rows and no others.
async fn write_and_read(project: &Project<'_>, user: &str) {
    let token = project.token(user).await;
    ask(project, "insert", &token, row(user)).await;
    let steps = json!([["insert", row(user)], ["count", { "table": "notes" }]]);
    let done = ask(project, "transaction?end=commit", &token, steps.clone()).await;
    assert_eq!(done[2], "committed", "{done}");
    let done = ask(project, "batch", &token, steps).await;
    assert!(done[1].as_u64() >= Some(3), "{done}");
    let all = json!({ "table": "notes", "columns": ["owner_id"] });
    let seen = ask(project, "select", &token, all).await;
    let seen = seen.as_array().unwrap();
    assert!(seen.len() >= 3 && seen.iter().all(|row| row["owner_id"] == user));
}

async fn crowd(nodes: &[Project<'_>; 2]) {
    let calls = nodes.iter().flat_map(|node| [(node, ALICE), (node, BOB)]);
    let calls = calls.flat_map(|call| [call; CALLERS]);
    join_all(calls.map(|(node, user)| write_and_read(node, user))).await;
}

#[tokio::test]
async fn nodes_share_connections_that_last_for_a_transaction() {
    let launch = Launch::dev_beside_others().await;
    let Some(pooler) = Pooler::new(launch.database()).await else {
        return;
    };
    let nodes = fleet(pooler.before(launch), &["eu", "us"]).await;
    let receiver = Receiver::start().await;
    let here = nodes[0].project_named("shop").await;
    let mut tables = own_rows("notes");
    let mut steps = steps()["tables"].as_array().unwrap().clone();
    tables["tables"].as_array_mut().unwrap().append(&mut steps);
    here.schema(&tables).await;
    let endpoint = json!({ "target_url": receiver.url, "event_types": ["table.notes.insert"] });
    let made = here.control(Method::POST, "/webhooks/endpoints");
    made.json(&endpoint).send().await.expect(201);
    here.deploy("behaviours").await;
    let there = nodes[1].existing("shop");
    reached(&there, "/behaviours").await;

    let both = [here, there];
    crowd(&both).await;
    // Postgres judges as well, and is told within each transaction who asks.
    let [here, _] = &both;
    let mirror = here.control(Method::PUT, "/native-mirror?wait=all");
    let mirror = mirror.json(&json!({ "enabled": true }));
    mirror.send().await.expect(200);
    crowd(&both).await;
    receiver.wait_for(2 * 4 * CALLERS * 3).await;

    let clock =
        "[config]\nwait_ms = \"1\"\n[[schedules]]\nname = \"waits\"\ncron = \"0 0 1 1 *\"\n";
    here.deploy_as("clock", "cron-only", clock).await;
    let asked = here.control(Method::POST, "/schedules/clock.waits/run");
    asked.json(&json!({})).send().await.expect(201);
    eventually("the run is over", PATIENCE, async || {
        let last = runs(here, "clock.waits").await.pop()?;
        last["finished_at"].is_string().then_some(())
    })
    .await;
    let run = runs(here, "clock.waits").await.pop().unwrap();
    assert_eq!(run["status"], "succeeded", "{run}");
}

/// One that takes the pooler for Postgres would meet statements of others by the names of its own.
#[tokio::test]
async fn a_node_that_does_not_know_of_the_pooler_is_turned_away() {
    let launch = Launch::dev_beside_others().await;
    let Some(pooler) = Pooler::new(launch.database()).await else {
        return;
    };
    let launch = member(pooler.unsaid(launch), "eu");
    let process = launch.spawn();
    assert_ne!(process.wait(Duration::from_secs(60)).await, 0);
    assert!(
        process.log_tail().contains("extra_float_digits"),
        "{}",
        process.log_tail()
    );
}
