//! Several nodes in two regions: a request that lands where its function does not live is answered where it
//! does, as if it had landed there.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Method;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::support::{
    ALICE, CommandLine, Launch, Project, TestApp, eventually, guest, raw, within,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A node of a fleet in that region.
pub(crate) fn member(launch: Launch, region: &str) -> Launch {
    launch
        .set("KOYALITE_REGION", region)
        .set("KOYALITE_FLEET_LISTEN", "127.0.0.1:0")
}

/// A first node in one region, and further ones beside it; each knows of all others.
pub(crate) async fn fleet(first: Launch, regions: &[&str]) -> Vec<TestApp> {
    let (home, others) = regions.split_first().unwrap();
    let mut nodes = vec![TestApp::launch(member(first, home)).await];
    for region in others {
        let beside = nodes[0].launch.neighbour();
        nodes.push(TestApp::launch(member(beside, region)).await);
    }
    nodes
}

/// The nodes as operators see them.
pub(crate) async fn listed(app: &TestApp) -> Vec<Value> {
    let answer = app.control(Method::GET, "/v1/nodes").send().await;
    let list = answer.expect(200).json();
    list["items"].as_array().unwrap().clone()
}

/// Waits until a call of the path at this node is answered by the function: nodes hear of each other
/// within a beat.
pub(crate) async fn reached(project: &Project<'_>, path: &str) {
    eventually("the other node is known", PATIENCE, async || {
        (project.fetch(path).await.status == 200).then_some(())
    })
    .await;
}

/// A function in that region alone.
pub(crate) async fn deploy_in(project: &Project<'_>, function: &str, region: &str) {
    let lines = format!("region = \"{region}\"\n");
    let manifest = format!("name = \"{function}\"\n{lines}");
    let upload = project.upload_with(function, &guest("behaviours"), &manifest);
    upload.send().await.expect(201);
    let path = format!("/functions/{function}");
    project.control(Method::GET, &path).send().await.expect(200);
}

#[tokio::test]
async fn a_request_is_answered_where_its_function_lives_as_if_it_had_landed_there() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let made = nodes[0].project_named("shop").await;
    deploy_in(&made, "far", "us").await;
    deploy_in(&made, "near", "eu").await;
    let here = nodes[0].existing("shop");
    reached(&here, "/far").await;

    let far = here.fetch("/far").await.of_function(200);
    assert_eq!(far.header("koyalite-region"), "us");
    let near = here.fetch("/near").await.of_function(200);
    assert_eq!(near.header("koyalite-region"), "eu");

    // The caller's own credential is judged by the node that answers.
    let token = here.token(ALICE).await;
    let whoami = here.call(Method::GET, "/far/whoami").bearer(&token);
    let who = whoami.send().await.of_function(200).json();
    assert_eq!(who["subject"], ALICE);
    let broken = here.call(Method::GET, "/far/whoami").bearer("no token");
    broken.send().await.problem(401, "invalid_token");
    let unknown = here
        .call(Method::GET, "/far")
        .header("koyalite-version", "9");
    unknown.send().await.problem(404, "unknown_version");

    // One id all the way; what only a node may say is not believed of a caller.
    let id = "0190f5fe-7c00-7a00-8000-0123456789ab";
    let asked = here.call(Method::GET, "/far").header("x-request-id", id);
    let asked = asked.header("koyalite-hop-client", "6.6.6.6").send().await;
    assert_eq!(asked.of_function(200).header("x-request-id"), id);

    // A function's own refusals and failures come back as they are.
    here.fetch("/far/status/418").await.of_function(418);
    here.fetch("/far/trap-before")
        .await
        .problem(500, "guest_trapped");
}

#[tokio::test]
async fn a_body_streams_both_ways_over_a_hop() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let made = nodes[0].project_named("shop").await;
    deploy_in(&made, "far", "us").await;
    let here = nodes[0].existing("shop");
    reached(&here, "/far").await;

    let (send, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    send.send("one ".into()).unwrap();
    let call = here.call(Method::POST, "/far/echo").stream(body);
    let mut answer = within("the head of the answer", PATIENCE, call.open()).await;
    assert_eq!(answer.header("koyalite-region"), "us");
    let piece = within("the first piece", PATIENCE, answer.piece()).await;
    assert_eq!(piece.unwrap().unwrap(), "one ");
    send.send("two".into()).unwrap();
    drop(send);
    let rest = within("the rest", PATIENCE, answer.rest()).await;
    assert_eq!(rest.text(), "two");

    let large = vec![b'x'; 5 << 20];
    let call = here.call(Method::POST, "/far/length").body(large.clone());
    assert_eq!(
        call.send().await.of_function(200).text().trim(),
        large.len().to_string()
    );
    let big = here.call(Method::GET, "/far/big-body?mib=32").open().await;
    let (bytes, ended) = big.count().await;
    assert_eq!((bytes, ended.is_ok()), (32 << 20, true));
}

#[tokio::test]
async fn a_caller_may_ask_for_a_region_and_is_told_where_a_function_is() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let made = nodes[0].project_named("shop").await;
    deploy_in(&made, "far", "us").await;
    deploy_in(&made, "both", "*").await;
    deploy_in(&made, "lost", "mars").await;
    let here = nodes[0].existing("shop");
    reached(&here, "/far").await;
    let ask = async |path: &str, region: &str| {
        let call = here.call(Method::GET, path);
        call.header("koyalite-region", region).send().await
    };
    for region in ["eu", "us"] {
        let answer = ask("/both", region).await.of_function(200);
        assert_eq!(answer.header("koyalite-region"), region);
    }
    let wrong = ask("/far", "eu").await;
    wrong.problem(421, "wrong_region");
    assert_eq!(wrong.header("koyalite-region"), "us");
    ask("/far", "us").await.of_function(200);
    ask("/far", "").await.problem(400, "bad_request");
    for (path, region) in [("/lost", ""), ("/both", "mars"), ("/lost", "mars")] {
        let nobody = match region {
            "" => here.fetch(path).await,
            region => ask(path, region).await,
        };
        nobody.problem(503, "region_away");
        assert_eq!(nobody.header("koyalite-region"), "mars", "{path}");
        assert_eq!(nobody.header("retry-after"), "1");
    }
}

/// Only whoever has the key ring gets in where the word of a node counts.
#[tokio::test]
async fn the_port_for_other_nodes_serves_nobody_else() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let fleet = listed(&nodes[0]).await;
    for node in &fleet {
        let address = node["address"].as_str().unwrap();
        let plain = raw(address, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(!plain.contains("HTTP/1.1 200"), "{address}: {plain}");
    }
}

#[tokio::test]
async fn nodes_are_listed_and_say_when_they_drain_and_go() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let project = nodes[0].project_named("shop").await;
    let deploy = project.control(Method::PUT, "/functions/behaviours?wait=all");
    let done = deploy.body(guest("behaviours")).send().await.expect(201);
    let seq: i64 = done.header("koyalite-seq").parse().unwrap();
    let all = listed(&nodes[1]).await;
    assert_eq!(all.len(), 2, "{all:?}");
    for (node, region) in all.iter().zip(["eu", "us"]) {
        assert_eq!(node["region"], region);
        assert_eq!(node["state"], "ready");
        assert!(node["seq"].as_i64().unwrap() >= seq, "{node}");
        assert!(
            node["address"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{node}"
        );
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    }
    let shell = CommandLine::of(&nodes[1], "shop");
    let folder = nodes[1].launch.folder();
    let table = shell.run(folder, &["nodes"]).await.expect(0);
    let line = table.lines().find(|line| line.contains("us/")).unwrap();
    assert!(line.contains("ready"), "{table}");
    let same: Value =
        serde_json::from_str(&shell.run(folder, &["nodes", "--json"]).await.expect(0)).unwrap();
    assert_eq!(same["items"][0]["id"], all[0]["id"]);
    let manifest = "name = \"behaviours\"\ncomponent = \"one.wasm\"\n[config]\nround = \"2\"\n";
    std::fs::write(folder.join("koyalite.toml"), manifest).unwrap();
    std::fs::write(folder.join("one.wasm"), guest("behaviours")).unwrap();
    shell.run(folder, &["deploy", "--wait"]).await.expect(0);
    let back = ["rollback", "behaviours", "--wait=eu"];
    shell.run(folder, &back).await.expect(0);
    let nowhere = ["rollback", "behaviours", "--wait=mars"];
    let nowhere = shell.run(folder, &nowhere).await;
    assert!(nowhere.errors.contains("no node"), "{nowhere:?}");
    let none = project.control(Method::PUT, "/functions/behaviours?wait=mars");
    none.body(guest("behaviours"))
        .send()
        .await
        .problem(400, "invalid_query");

    // Something in flight keeps the second one draining for as long as the test wants.
    let (send, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    send.send("one ".into()).unwrap();
    let there = nodes[1].existing("shop");
    let call = there.call(Method::POST, "/behaviours/echo").stream(body);
    let mut answer = call.open().await;
    answer.piece().await.unwrap().unwrap();
    nodes[1].process.signal(libc::SIGTERM);
    eventually("the other node says that it drains", PATIENCE, async || {
        let all = listed(&nodes[0]).await;
        (all.len() == 2 && all[1]["state"] == "draining").then_some(())
    })
    .await;
    drop(send);
    answer.rest().await;
    assert_eq!(nodes[1].process.wait(PATIENCE).await, 0);
    assert_eq!(listed(&nodes[0]).await.len(), 1);
}
