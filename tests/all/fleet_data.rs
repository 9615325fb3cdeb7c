//! Files and sign-ins of a project whose data may be in another region than the node that is asked.

use bytes::Bytes;
use futures::stream;
use http::Method;
use serde_json::json;
use tokio::sync::mpsc;

use super::files::{allow, file, put};
use super::fleet::{PATIENCE, deploy_in, fleet, reached};
use crate::support::{ALICE, BOB, Launch, Project, TestApp, within};

/// More than any buffer on the way.
const LARGE: usize = 5 << 20;

/// A project whose data may be in the second node's region alone, as the first one knows it.
async fn far<'a>(nodes: &'a [TestApp]) -> Project<'a> {
    let made = nodes[0].project_named("shop").await;
    deploy_in(&made, "far", "us").await;
    let residency = json!({ "settings": { "data_residency": ["us"] } });
    let changed = made.control(Method::PATCH, "?wait=all").json(&residency);
    changed.send().await.expect(200);
    let here = nodes[0].existing("shop");
    reached(&here, "/far").await;
    here
}

#[tokio::test]
async fn the_content_of_files_streams_over_a_hop_both_ways() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let here = far(&nodes).await;
    let commands = ["select", "insert", "update", "delete"];
    allow(&here, "own", &commands, "user_id = auth.uid()").await;
    let waited = here.control(Method::PATCH, "?wait=all");
    waited.json(&json!({})).send().await.expect(200);
    let (alice, bob) = (here.token(ALICE).await, here.token(BOB).await);

    let large: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    let made = put(&here, &alice, "large.bin", &large).await.expect(201);
    let etag = made.header("etag").to_owned();
    let read = |token: &str| file(&here, Method::GET, "large.bin").bearer(token);
    let whole = read(&alice).send().await.expect(200);
    assert_eq!(whole.body, large);
    let part = read(&alice).header("range", "bytes=1000000-1000009");
    let part = part.send().await.expect(206);
    assert_eq!(part.body, &large[1_000_000..1_000_010]);
    let same = read(&alice).header("if-none-match", &etag).send().await;
    assert_eq!(same.status, 304);
    assert_eq!(read(&bob).send().await.status, 404, "policies hold there");
    // The same file, asked of the node that has it.
    let there = nodes[1].existing("shop");
    let direct = file(&there, Method::GET, "large.bin").bearer(&alice);
    assert_eq!(direct.send().await.expect(200).body, large);

    let (send, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    let upload = file(&here, Method::PUT, "pieces.txt").bearer(&alice);
    let upload = tokio::spawn(upload.stream(body).send());
    for piece in ["one ", "two ", "three"] {
        send.send(piece.into()).unwrap();
    }
    drop(send);
    let done = within("the upload", PATIENCE, upload).await.unwrap();
    done.expect(201);
    let read = file(&here, Method::GET, "pieces.txt").bearer(&alice);
    assert_eq!(read.send().await.expect(200).text(), "one two three");
}

#[tokio::test]
async fn people_sign_in_where_their_data_may_be() {
    let nodes = fleet(Launch::serve().await, &["eu", "us"]).await;
    let here = far(&nodes).await;
    let person = json!({ "email": "ann@example.org", "password": "correct horse battery" });
    let auth = |app: &TestApp, path: &str| app.call(Method::POST, &format!("/auth/shop/{path}"));
    let open = here.control(Method::PUT, "/sign-up?wait=all");
    let open = open.json(&json!({ "enabled": true }));
    open.send().await.expect(200);
    let signed_up = auth(&nodes[0], "sign-up").json(&person).send().await;
    signed_up.expect(201);
    let signed_in = auth(&nodes[0], "sign-in").json(&person).send().await;
    let token = signed_in.expect(200).json()["access_token"].clone();
    let user = nodes[0].call(Method::GET, "/auth/shop/user");
    let user = user.bearer(token.as_str().unwrap()).send().await;
    assert_eq!(user.expect(200).json()["email"], "ann@example.org");
    let wrong = json!({ "email": "ann@example.org", "password": "another horse" });
    let refused = auth(&nodes[0], "sign-in").json(&wrong).send().await;
    assert_eq!(refused.status, 401);
}

/// Without a port for others it says where to go.
#[tokio::test]
async fn a_node_that_hands_nothing_over_says_where_people_sign_in() {
    let app = TestApp::launch(Launch::serve().await.set("KOYALITE_REGION", "eu")).await;
    let project = app.project_named("shop").await;
    let residency = json!({ "settings": { "data_residency": ["us"] } });
    let changed = project.control(Method::PATCH, "").json(&residency);
    changed.send().await.expect(200);
    let person = json!({ "email": "ann@example.org", "password": "correct horse battery" });
    let asked = app.call(Method::POST, "/auth/shop/sign-in").json(&person);
    let refused = asked.send().await;
    refused.problem(421, "wrong_region");
    assert_eq!(refused.header("koyalite-region"), "us");
}
