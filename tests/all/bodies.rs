//! Bodies that flow: in and out at the same time, event by event, and to their limit.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Method;
use tokio::sync::mpsc;

use crate::support::{Project, TestApp, within};

const PATIENCE: Duration = Duration::from_secs(30);

async fn echo_while_sending(project: &Project<'_>, path: &str) {
    let (send, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    send.send("first".into()).unwrap();
    let mut answer = project.call(Method::POST, path).stream(body).open().await;
    assert_eq!(
        (answer.status(), answer.header("koyalite-source")),
        (200, "function")
    );
    // The answer to the first piece is here while the second has not been sent.
    for piece in ["first", "second", "third"] {
        let got = within("a piece", PATIENCE, answer.piece())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(got, piece);
        match piece {
            "first" => send.send("second".into()).unwrap(),
            "second" => send.send("third".into()).unwrap(),
            _ => {}
        }
    }
    drop(send);
    assert!(
        within("the end", PATIENCE, answer.piece())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_body_comes_back_while_it_is_still_being_sent() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    project.deploy("behaviours-02").await;
    echo_while_sending(&project, "/behaviours/echo").await;
    echo_while_sending(&project, "/behaviours-02/echo").await;
}

#[tokio::test]
async fn the_first_event_arrives_before_the_last_is_sent() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    // An hour between events: whatever arrives was not waiting for the next.
    let call = project.call(Method::GET, "/behaviours/sse?n=2&ms=3600000");
    let mut answer = call.open().await;
    assert_eq!(
        answer.header("content-type").split(';').next(),
        Some("text/event-stream")
    );
    let first = within("the first event", PATIENCE, answer.piece())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first, "data: event 1\n\n");
    drop(answer);

    let all = project
        .fetch("/behaviours/sse?n=3")
        .await
        .of_function(200)
        .text();
    assert_eq!(all, "data: event 1\n\ndata: event 2\n\ndata: event 3\n\n");
}

#[tokio::test]
async fn a_body_up_to_the_limit_is_taken_and_one_byte_more_is_not() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("behaviours", "behaviours", "[limits]\nbody_mib = 1\n")
        .await;
    let limit = 1 << 20;
    let post = |bytes: usize| {
        project
            .call(Method::POST, "/behaviours/length")
            .body(vec![7; bytes])
    };
    assert_eq!(
        post(limit).send().await.of_function(200).text(),
        limit.to_string()
    );
    if let Some(refused) = post(limit + 1).attempt().await {
        refused.problem(413, "body_too_large");
    }
    // With no length told, it is counted while it streams.
    let pieces = stream::repeat(Bytes::from_static(&[7; 64 * 1024])).take(17);
    let streamed = project
        .call(Method::POST, "/behaviours/length")
        .stream(pieces);
    streamed.send().await.problem(413, "body_too_large");
    // The same whether the guest reads it all or lets it flow.
    let pieces = stream::repeat(Bytes::from_static(&[7; 64 * 1024])).take(16);
    let streamed = project
        .call(Method::POST, "/behaviours/length")
        .stream(pieces);
    assert_eq!(
        streamed.send().await.of_function(200).text(),
        limit.to_string()
    );
}

#[tokio::test]
async fn a_gibibyte_flows_through_without_being_held() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("behaviours", "behaviours", "[limits]\ncpu_ms = 60000\n")
        .await;
    let before = app.process.resident_kib();
    let answer = project
        .call(Method::GET, "/behaviours/big-body?mib=1024")
        .open()
        .await;
    let (bytes, ended) = within("a gibibyte", Duration::from_secs(120), answer.count()).await;
    assert_eq!(bytes, 1 << 30);
    ended.unwrap();
    let grown = app.process.resident_kib().saturating_sub(before);
    assert!(grown < 256 * 1024, "the server grew by {grown} KiB");
}

/// A caller who reads nothing holds back the guest, not the server's memory.
#[tokio::test]
async fn a_caller_who_does_not_read_costs_no_memory() {
    let app = TestApp::shared().await;
    let project = app.project().await;
    project
        .deploy_as("behaviours", "behaviours", "[limits]\ncpu_ms = 60000\n")
        .await;
    let before = app.process.resident_kib();
    let mut answers = Vec::new();
    for _ in 0..4 {
        let mut answer = project
            .call(Method::GET, "/behaviours/big-body")
            .open()
            .await;
        assert!(answer.piece().await.unwrap().is_some());
        answers.push(answer);
    }
    // Others are served meanwhile.
    for _ in 0..20 {
        project
            .fetch("/behaviours/status/204")
            .await
            .of_function(204);
    }
    let grown = app.process.resident_kib().saturating_sub(before);
    assert!(grown < 256 * 1024, "the server grew by {grown} KiB");
}
