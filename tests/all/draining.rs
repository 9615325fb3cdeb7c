//! Going down on request: no new work, the work in hand finished, nothing left behind.

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Method;
use tokio::sync::mpsc;

use crate::support::{Launch, Process, TestApp, eventually, within};

const PATIENCE: Duration = Duration::from_secs(30);

/// A request is in the function when the signal comes, and still gets its whole answer.
async fn drains(launch: Launch, signal: i32) {
    let app = TestApp::launch(launch).await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let (send, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    let body = stream::poll_fn(move |context| pieces.poll_recv(context));
    send.send("before ".into()).unwrap();
    let mut answer = project
        .call(Method::POST, "/behaviours/echo")
        .stream(body)
        .open()
        .await;
    assert_eq!(answer.piece().await.unwrap().unwrap(), "before ");

    app.process.signal(signal);
    eventually("readyz says that the node drains", PATIENCE, async || {
        let control = app.control(Method::GET, "/readyz").attempt().await?;
        let functions = app.call(Method::GET, "/readyz").attempt().await?;
        if control.status == 200 || functions.status == 200 {
            return None;
        }
        control.problem(503, "draining");
        functions.problem(503, "draining");
        Some(())
    })
    .await;
    app.control(Method::GET, "/healthz")
        .send()
        .await
        .expect(200);

    send.send("and after".into()).unwrap();
    drop(send);
    let rest = within("the rest of an answer", PATIENCE, answer.rest()).await;
    assert_eq!(rest.text(), "and after");
    assert_eq!(
        app.process.wait(PATIENCE).await,
        0,
        "{}",
        app.process.log_tail()
    );
    assert!(!app.launch.data().join("ready.json").exists());
}

#[tokio::test]
async fn sigterm_lets_requests_finish_and_ends_well() {
    drains(Launch::serve().await, libc::SIGTERM).await;
}

#[tokio::test]
async fn sigint_lets_requests_finish_and_ends_well() {
    drains(Launch::serve().await, libc::SIGINT).await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_when_its_time_is_up() {
    let launch = Launch::serve().await.set("KOYALITE_DRAIN_TIMEOUT_S", "1");
    let app = TestApp::launch(launch).await;
    let project = app.project().await;
    project.deploy("behaviours").await;
    let call = project.call(Method::GET, "/behaviours/sse?n=2&ms=3600000");
    let mut answer = call.open().await;
    answer.piece().await.unwrap().unwrap();
    app.process.signal(libc::SIGTERM);
    assert_eq!(
        app.process.wait(PATIENCE).await,
        0,
        "{}",
        app.process.log_tail()
    );
    assert!(within("the cut", PATIENCE, answer.count()).await.1.is_err());
}

#[tokio::test]
async fn dev_takes_its_postgres_with_it() {
    let app = TestApp::launch(Launch::dev()).await;
    app.project().await;
    let postmaster = postmaster(&app.launch).expect("a running Postgres");
    app.process.signal(libc::SIGTERM);
    let code = Process::wait(&app.process, PATIENCE).await;
    assert_eq!(code, 0, "{}", app.process.log_tail());
    assert!(!alive(postmaster), "Postgres is still there");
}

/// The process number of the private Postgres, by the file that it keeps itself.
pub(crate) fn postmaster(launch: &Launch) -> Option<i32> {
    let file = launch.data().join("pg/pgdata/postmaster.pid");
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn alive(process: i32) -> bool {
    std::path::Path::new(&format!("/proc/{process}")).exists()
}
