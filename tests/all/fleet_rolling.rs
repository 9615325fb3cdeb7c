//! Three nodes in two regions under load: versions change and a node dies, and nobody is answered wrongly.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use serde_json::json;

use super::fleet::{PATIENCE, deploy_in, fleet, reached};
use crate::support::{Launch, Project, Settings, TestApp, eventually, guest, send};

/// How many changes of each function's version; `FLEET_ROUNDS` asks for more.
const ROUNDS: u64 = 6;

/// A node looks once a second, and after a change more often; on a busy machine it may be late.
const VISIBLE_MAX: Duration = Duration::from_secs(5);

/// One function's versions, as far as they were acknowledged.
struct Versions {
    function: &'static str,
    region: &'static str,
    /// What any node may answer with right now.
    may: Mutex<Vec<u32>>,
}

/// What callers saw.
#[derive(Default)]
struct Seen {
    answers: AtomicU32,
    wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Seen {
    /// Calls again and again: every answer is the function's, by a version that may answer.
    async fn keep_calling(&self, project: Project<'_>, versions: &Versions) {
        let path = format!("/{}", versions.function);
        while !self.stop.load(Ordering::Relaxed) {
            let mut may = versions.may.lock().unwrap().clone();
            let answer = project.call(Method::GET, &path).attempt().await;
            may.extend(versions.may.lock().unwrap().iter());
            let is_right = answer.as_ref().is_some_and(|answer| {
                let version = answer.header("koyalite-version").parse();
                answer.status == 200 && version.is_ok_and(|version| may.contains(&version))
            });
            match is_right {
                true => drop(self.answers.fetch_add(1, Ordering::Relaxed)),
                false => self
                    .wrong
                    .lock()
                    .unwrap()
                    .push(format!("of {may:?}: {answer:?}")),
            }
        }
    }

    async fn some_more(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        eventually("callers go on", PATIENCE, async || {
            let answers = self.answers.load(Ordering::Relaxed);
            (answers >= before + 12 || !self.wrong.lock().unwrap().is_empty()).then_some(())
        })
        .await;
    }
}

/// One more version, which says which round it is of. Its number.
async fn deploy(project: &Project<'_>, versions: &Versions, round: u64, query: &str) -> u32 {
    let Versions {
        function, region, ..
    } = versions;
    let manifest =
        format!("name = \"{function}\"\nregion = \"{region}\"\n[config]\nround = \"{round}\"\n");
    let upload = project.upload_with(function, &guest("behaviours"), &manifest);
    number(&upload.query(query).send().await.expect(201).json())
}

async fn roll_back(project: &Project<'_>, versions: &Versions) -> u32 {
    let path = format!("/functions/{}/rollback", versions.function);
    let asked = project.control(Method::POST, &path).query("wait=all");
    number(&asked.json(&json!({})).send().await.expect(200).json())
}

fn number(deployed: &serde_json::Value) -> u32 {
    u32::try_from(deployed["version"].as_u64().unwrap()).unwrap()
}

/// After a change was acknowledged with `?wait=all`, no node answers with what was before; and no request
/// fails meanwhile, whether it is answered where it landed or over a hop.
#[tokio::test]
async fn versions_roll_forth_and_back_under_load_and_no_answer_is_lost_or_wrong() {
    let nodes = fleet(Launch::serve().await, &["eu", "eu", "us"]).await;
    let project = nodes[0].project_named("shop").await;
    let all = [("here", "*"), ("far", "us")].map(|(function, region)| Versions {
        function,
        region,
        may: Mutex::new(vec![1]),
    });
    for versions in &all {
        deploy_in(&project, versions.function, versions.region).await;
    }
    for node in &nodes {
        reached(&node.existing("shop"), "/here").await;
        reached(&node.existing("shop"), "/far").await;
    }
    let seen = Seen::default();
    let callers = nodes.iter().flat_map(|node| {
        let call = |versions| seen.keep_calling(node.existing("shop"), versions);
        all.each_ref().map(call)
    });
    let changing = async {
        // The version that serves, the one before it, and the highest that there is.
        let (mut now, mut before, mut highest) = (1, 1, 1);
        for round in 1..=Settings::number("FLEET_ROUNDS").unwrap_or(ROUNDS) {
            let is_back = round % 3 == 0;
            let next = if is_back { before } else { highest + 1 };
            for versions in &all {
                *versions.may.lock().unwrap() = vec![now, next];
                let made = match is_back {
                    true => roll_back(&project, versions).await,
                    false => deploy(&project, versions, round, "wait=all").await,
                };
                assert_eq!(made, next, "{} in round {round}", versions.function);
                *versions.may.lock().unwrap() = vec![next];
                seen.some_more().await;
            }
            (before, now, highest) = (now, next, highest.max(next));
        }
        seen.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all(callers), changing);
    let wrong = seen.wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} wrong: {:?}",
        wrong.len(),
        wrong.first()
    );
    println!("{} answers, none lost or wrong", seen.answers.into_inner());
}

/// Callers of one node, and so many of them; what they call lives on two others.
const CALLERS: usize = 6;

/// One of three nodes gets that signal while others call by way of it. What callers lost.
async fn lost_by(signal: i32) -> (Vec<TestApp>, Vec<String>) {
    let nodes = fleet(Launch::serve().await, &["eu", "us", "us"]).await;
    let project = nodes[0].project_named("shop").await;
    deploy_in(&project, "far", "us").await;
    for node in &nodes {
        reached(&node.existing("shop"), "/far").await;
    }
    let far = Versions {
        function: "far",
        region: "us",
        may: Mutex::new(vec![1]),
    };
    let seen = Seen::default();
    let callers = (0..CALLERS).map(|_| seen.keep_calling(nodes[0].existing("shop"), &far));
    let killing = async {
        seen.some_more().await;
        send(nodes[1].process.id(), signal);
        // Long enough for everyone to meet the node that goes, and to hear that it is gone.
        for _ in 0..20 {
            let before = seen.answers.load(Ordering::Relaxed);
            eventually("callers go on", PATIENCE, async || {
                (seen.answers.load(Ordering::Relaxed) >= before + 12).then_some(())
            })
            .await;
        }
        seen.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all(callers), killing);
    let lost = seen.wrong.into_inner().unwrap();
    println!("{} answers, {} lost", seen.answers.into_inner(), lost.len());
    (nodes, lost)
}

#[tokio::test]
async fn a_node_that_drains_loses_nothing() {
    let (nodes, lost) = lost_by(libc::SIGTERM).await;
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(nodes[1].process.wait(PATIENCE).await, 0);
}

/// Each caller has one request under way: what a dead node loses is at most those.
#[tokio::test]
async fn a_node_that_is_killed_loses_what_was_in_flight_on_it_and_nothing_else() {
    let (nodes, lost) = lost_by(libc::SIGKILL).await;
    assert!(lost.len() <= CALLERS, "{lost:?}");
    for lost in &lost {
        assert!(lost.contains("hop_failed"), "{lost}");
    }
    let project = nodes[0].existing("shop");
    // Nobody can tell it from one that is cut off: until it would be too old to serve, it is waited for.
    let late = project.control(Method::PATCH, "/functions/far");
    let late = late.query("wait=all&wait_s=1");
    let late = late.json(&json!({ "enabled": false })).send().await;
    let late = late.problem(504, "not_served_yet");
    let named = late["errors"][0]["message"].as_str().unwrap();
    let dead = format!(":{} in us", nodes[1].process.id());
    assert!(named.contains(&dead), "{late}");
}

/// From the moment that a deploy is answered until every node answers with it, by polling alone.
#[tokio::test]
async fn a_deploy_is_seen_by_all_nodes_soon() {
    let nodes = fleet(Launch::serve().await, &["eu", "eu", "us"]).await;
    let project = nodes[0].project_named("shop").await;
    let here = Versions {
        function: "here",
        region: "*",
        may: Mutex::default(),
    };
    let mut took = Vec::new();
    for round in 1..=Settings::number("FLEET_ROUNDS").unwrap_or(2 * ROUNDS) {
        let version = deploy(&project, &here, round, "").await.to_string();
        let begun = Instant::now();
        let seeing = nodes.iter().map(async |node| {
            let there = node.existing("shop");
            eventually("the node answers with it", PATIENCE, async || {
                let answer = there.fetch("/here").await;
                (answer.header("koyalite-version") == version).then_some(())
            })
            .await;
        });
        join_all(seeing).await;
        took.push(begun.elapsed());
    }
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!(
        "seen by all of 3 nodes: p50 {:?}, p99 {:?}, of {}",
        at(50),
        at(99),
        took.len()
    );
    assert!(at(99) < VISIBLE_MAX, "{took:?}");
}
